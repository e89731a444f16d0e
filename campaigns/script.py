"""A call's dialogue as a small state machine: what to say now, given what was just heard.

`begin` enters the script's first step, `advance` takes one thing heard. Both are total and deterministic: whatever is
heard, in whatever order, there is an answer, and a dialogue that is done only hangs up. The text said is a template,
rendered by `campaigns.message`. The position is all that is remembered; it is stored with the attempt.

Before a person has said who they are, nothing of the debt is said. A step with `verify` asks them: to press a key, or,
with `digits`, for what only they know. Whether the digits are right is told by the caller's predicate (`Knows`); where
there is nothing to compare with, nobody can pass.

Source of the rules: interface.md, "Steps".
"""

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Literal, NamedTuple

from campaigns.file import Script, Silent, Step
from campaigns.message import is_neutral
from campaigns.model import Outcome

VERIFY_KEY = "1"
"""Means "I am the person" in a step whose `verify` names a step that none of its `keys` leads to."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The person pressed a key."""

    digits: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing was pressed in time."""


@dataclass(frozen=True, slots=True)
class Machine:
    """An answering machine took the call, and can be spoken to now."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """The transfer ended: an agent took the call, or nobody did."""

    connected: bool


Knows = Callable[[str], bool]
"""Whether these digits are what the person was asked for."""
Heard = Keys | Silence | Machine | Transferred


@dataclass(frozen=True, slots=True)
class Position:
    """Where a dialogue stands."""

    step: str
    repeats_silent: int = 0
    repeats_wrong: int = 0
    """How often this step was said again after silence, after a wrong key."""
    outcome: Outcome | None = None
    """The last one said."""
    promise: str | None = None
    """`+Nd` or `due`, said together with the outcome."""
    done: bool = False

    def to_text(self) -> str:
        """A compact form for storing; `from_text` reads it."""
        return json.dumps(astuple(self), ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_text(text: str) -> "Position":
        """The position that `to_text` wrote. Raises ValueError for anything else."""
        try:
            found = json.loads(text)
        except RecursionError:
            found = None
        match found:
            case [str(step), int(silent), int(wrong), str() | None as outcome, str() | None as promise, bool(done)]:
                return Position(step, silent, wrong, Outcome(outcome) if outcome else None, promise, done)
        raise ValueError("not a position of a dialogue")


@dataclass(frozen=True, slots=True)
class Said:
    """What has to be said and done now. `say` and `say_many` are templates (see `message.choose`)."""

    step: str
    say: str = ""
    say_many: str | None = None
    then: Literal["gather", "transfer", "hang_up"] = "hang_up"
    keys: str = ""
    """The keys accepted, in the script's order; for `gather`. Empty: any, `digits` of them."""
    digits: int = 1
    """How many are gathered."""
    transfer: str | None = None
    """The name under `[transfers]` in the settings; for `transfer`."""
    outcome: Outcome | None = None
    """What the person has just made known, or how the dialogue ends. A repeated step says it again."""
    promise: str | None = None
    verified: bool | None = None
    """Whether the digits just heard were right; None: none were asked for."""
    unverified: bool = False
    """The person could not show who they are, and is not asked again: a human has to look into it."""


class Answer(NamedTuple):
    """Where the dialogue stands after what was heard, and what is said."""

    position: Position
    said: Said


def begin(script: Script, knows: Knows | None = None) -> Answer:
    """The dialogue's start: the call was answered. `knows`: None where nothing is on file that could be asked for."""
    return _enter(script, Position(script.first), script.first, knows)


def advance(
    script: Script, position: Position, heard: Heard, knows: Knows | None = None, voicemail: str | None = None
) -> Answer:
    """One thing heard. A position of a step that the script no longer has ends the dialogue.

    `voicemail`: what the rule packs have said to a machine, a template; None: the script's own text.
    """
    step = script.step.get(position.step)
    if position.done:
        return Answer(position, Said(position.step))
    if step is None:
        return _end(position, position.outcome or Outcome.REACHED)
    if step.transfer:
        # Whatever else is heard while somebody waits for an agent: no agent came, and the person did ask for one.
        connected = isinstance(heard, Transferred) and heard.connected
        return _end(position, step.outcome or (Outcome.AGENT if connected else Outcome.CALLBACK))
    match heard:
        case Machine():
            return _leave_message(script, position, voicemail)
        case Keys(digits) if step.digits:
            return _check(script, step, position, digits, knows)
        case Keys(digits) if target := _targets(step).get(digits):
            return _enter(script, position, target, knows)
        case Keys():
            again = replace(position, repeats_wrong=position.repeats_wrong + 1)
            return _repeat(script, step, again, again.repeats_wrong, step.wrong, knows)
        case Silence() | Transferred():  # a transfer that this step never began: nothing was heard from the person
            again = replace(position, repeats_silent=position.repeats_silent + 1)
            return _repeat(script, step, again, again.repeats_silent, step.silent, knows)


def resume(script: Script, position: Position, voicemail: str | None = None) -> Said:
    """What was said last, for a provider that asks once more; nothing is heard and nothing moves."""
    step = script.step.get(position.step)
    if position.outcome is Outcome.VOICEMAIL_LEFT:
        return Said(position.step, voicemail or script.voicemail or "")
    if step is None:
        return Said(position.step)
    said = _said(position.step, step)
    # A dialogue that ended elsewhere than at a step that hangs up ended without a word.
    return said if not position.done or said.then == "hang_up" else Said(position.step)


def hung_up(position: Position | None) -> Outcome:
    """The outcome when the person hangs up here: the last one said, else reached. None: before the first step."""
    return position.outcome if position and position.outcome else Outcome.REACHED


def offers_stop(script: Script) -> bool:
    """Whether a key of the call, at any step that can be reached, ends all contact."""
    seen: set[str] = set()
    ahead = [script.first]
    while ahead:
        name = ahead.pop()
        if name in seen or (step := script.step.get(name)) is None:
            continue
        if step.outcome is Outcome.OPTED_OUT:
            return True
        seen.add(name)
        ahead += [*_targets(step).values(), *(rule.then for rule in (step.silent, step.wrong) if rule and rule.then)]
    return False


def asks_for_digits(script: Script) -> bool:
    """Whether the person has to key in what only they know."""
    return any(step.digits for step in script.step.values())


def unverified(script: Script) -> frozenset[str]:
    """The steps that can be said before the person has said who they are; empty when the script doesn't ask.

    Nothing about the debt belongs into them, nor into the voicemail: a stranger may be listening. Where digits are
    asked for, a key alone has not said it."""
    if not any(step.verify for step in script.step.values()):
        return frozenset()
    by_digits = asks_for_digits(script)
    seen: set[str] = set()
    ahead = [script.first]
    while ahead:
        name = ahead.pop()
        step = script.step.get(name)
        if step is None or name in seen:
            continue
        seen.add(name)
        leads_to = {*_targets(step).values()}
        if not by_digits:
            leads_to -= {step.verify or ""}
        ahead += leads_to | {rule.then for rule in (step.silent, step.wrong) if rule and rule.then}
    return frozenset(seen)


def openings(script: Script) -> frozenset[str]:
    """The steps with which the matter begins: the first; where the person is asked who they are, those that follow."""
    by_digits = asks_for_digits(script)
    asking = [step for step in script.step.values() if step.verify and (step.digits or not by_digits)]
    return frozenset(step.verify for step in asking if step.verify) or frozenset({script.first})


def _targets(step: Step) -> dict[str, str]:
    """Key → step, in the script's order."""
    if step.verify is None or step.digits or step.verify in step.keys.values():
        return step.keys
    return {VERIFY_KEY: step.verify} | step.keys


def _check(script: Script, step: Step, position: Position, digits: str, knows: Knows | None) -> Answer:
    """The digits of a step that asks for them."""
    if knows is not None and step.verify is not None and knows(digits):
        position, said = _enter(script, position, step.verify, knows)
        return Answer(position, replace(said, verified=True))
    again = replace(position, repeats_wrong=position.repeats_wrong + 1)
    after, said = _repeat(script, step, again, again.repeats_wrong, step.wrong, knows)
    return Answer(after, replace(said, verified=False))


def _give_up(script: Script, position: Position, rule: Silent | None, knows: Knows | None) -> Answer:
    """The person did not show who they are: the safe ending, and no contact unless that says otherwise. It is no
    proof of a wrong number either."""
    position = replace(position, outcome=position.outcome or Outcome.NO_CONTACT)
    step = script.step.get(rule.then) if rule and rule.then else None
    if rule is None or rule.then is None or step is None or step.digits:
        after, said = _end(position, position.outcome or Outcome.NO_CONTACT)
    else:
        after, said = _enter(script, position, rule.then, knows)
    return Answer(after, replace(said, outcome=said.outcome or after.outcome, unverified=True))


def _enter(script: Script, position: Position, name: str, knows: Knows | None) -> Answer:
    step = script.step.get(name)
    if step is None:
        return _end(position, position.outcome or Outcome.REACHED)
    if step.digits and knows is None:
        return _give_up(script, position, step.wrong, knows)
    if step.outcome:
        position = replace(position, outcome=step.outcome, promise=step.promise)
    position = replace(position, step=name, repeats_silent=0, repeats_wrong=0)
    said = _said(name, step)
    if said.then == "hang_up":
        ended, last = _end(position, position.outcome or Outcome.REACHED)
        return Answer(ended, replace(said, outcome=last.outcome, promise=last.promise))
    return Answer(position, said)


def _said(name: str, step: Step) -> Said:
    keys = "".join(_targets(step))
    return Said(
        name,
        step.say,
        step.say_many,
        then="transfer" if step.transfer else "gather" if keys or step.digits else "hang_up",
        keys="" if step.transfer or step.digits else keys,
        digits=step.digits or 1,
        transfer=step.transfer,
        outcome=step.outcome,
        promise=step.promise,
    )


def _repeat(
    script: Script, step: Step, position: Position, count: int, rule: Silent | None, knows: Knows | None
) -> Answer:
    """The step again, as often as its rule says; then the rule's next step, else a hang-up."""
    rule = rule or Silent(repeat=1)
    if count <= rule.repeat:
        return Answer(position, _said(position.step, step))
    if step.digits:
        return _give_up(script, position, rule if rule.then else step.wrong, knows)
    if rule.then is None:
        return _end(position, position.outcome or Outcome.REACHED)
    return _enter(script, position, rule.then, knows)


def _leave_message(script: Script, position: Position, voicemail: str | None) -> Answer:
    """The packs' text for machines, else the script's own if it tells nothing of the debt, else nothing.

    Once an outcome was said a person spoke: a late verdict "machine" changes nothing."""
    text = (script.voicemail if is_neutral(script.voicemail) else None) if voicemail is None else voicemail
    if position.outcome or not text:
        return _end(position, position.outcome or Outcome.NO_CONTACT)
    ended, said = _end(position, Outcome.VOICEMAIL_LEFT)
    return Answer(ended, replace(said, say=text))


def _end(position: Position, outcome: Outcome) -> Answer:
    """Hangs up, without a word of its own. A promise stays only with the outcome it was said with."""
    promise = position.promise if outcome is position.outcome else None
    ended = replace(position, outcome=outcome, promise=promise, done=True)
    return Answer(ended, Said(position.step, outcome=outcome, promise=promise))
