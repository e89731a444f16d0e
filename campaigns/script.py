"""A call's dialogue as a small state machine: what to say now, given what was just heard.

`begin` enters the script's first step, `advance` takes one thing heard. Both are total and deterministic: whatever is
heard, in whatever order, there is an answer, and a dialogue that is done only hangs up. The text said is a template,
rendered by `campaigns.message`. The position is all that is remembered; it is stored with the attempt.

Source of the rules: interface.md, "Steps".
"""

import json
from dataclasses import astuple, dataclass, replace
from typing import Literal, NamedTuple

from campaigns.file import Script, Silent, Step
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
        match json.loads(text):
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
    """The keys accepted, in the script's order; for `gather`."""
    transfer: str | None = None
    """The name under `[transfers]` in the settings; for `transfer`."""
    outcome: Outcome | None = None
    """What the person has just made known, or how the dialogue ends. A repeated step says it again."""
    promise: str | None = None


class Answer(NamedTuple):
    """Where the dialogue stands after what was heard, and what is said."""

    position: Position
    said: Said


def begin(script: Script) -> Answer:
    """The dialogue's start: the call was answered."""
    return _enter(script, Position(script.first), script.first)


def advance(script: Script, position: Position, heard: Heard) -> Answer:
    """One thing heard. A position of a step that the script no longer has ends the dialogue."""
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
            return _leave_message(script, position)
        case Keys(digits) if target := _targets(step).get(digits):
            return _enter(script, position, target)
        case Keys():
            again = replace(position, repeats_wrong=position.repeats_wrong + 1)
            return _repeat(script, step, again, again.repeats_wrong, step.wrong)
        case Silence() | Transferred():  # a transfer that this step never began: nothing was heard from the person
            again = replace(position, repeats_silent=position.repeats_silent + 1)
            return _repeat(script, step, again, again.repeats_silent, step.silent)


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


def unverified(script: Script) -> frozenset[str]:
    """The steps that can be said before the person has said who they are; empty when the script doesn't ask.

    Nothing about the debt belongs into them, nor into the voicemail: a stranger may be listening."""
    if not any(step.verify for step in script.step.values()):
        return frozenset()
    seen: set[str] = set()
    ahead = [script.first]
    while ahead:
        name = ahead.pop()
        step = script.step.get(name)
        if step is None or name in seen:
            continue
        seen.add(name)
        leads_to = {*_targets(step).values()} - {step.verify}
        ahead += leads_to | {rule.then for rule in (step.silent, step.wrong) if rule and rule.then}
    return frozenset(seen)


def _targets(step: Step) -> dict[str, str]:
    """Key → step, in the script's order."""
    if step.verify is None or step.verify in step.keys.values():
        return step.keys
    return {VERIFY_KEY: step.verify} | step.keys


def _enter(script: Script, position: Position, name: str) -> Answer:
    step = script.step.get(name)
    if step is None:
        return _end(position, position.outcome or Outcome.REACHED)
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
        then="transfer" if step.transfer else "gather" if keys else "hang_up",
        keys="" if step.transfer else keys,
        transfer=step.transfer,
        outcome=step.outcome,
        promise=step.promise,
    )


def _repeat(script: Script, step: Step, position: Position, count: int, rule: Silent | None) -> Answer:
    """The step again, as often as its rule says; then the rule's next step, else a hang-up."""
    rule = rule or Silent(repeat=1)
    if count <= rule.repeat:
        return Answer(position, _said(position.step, step))
    if rule.then is None:
        return _end(position, position.outcome or Outcome.REACHED)
    return _enter(script, position, rule.then)


def _leave_message(script: Script, position: Position) -> Answer:
    """The script's voicemail. Once an outcome was said a person spoke: a late verdict "machine" changes nothing."""
    if position.outcome or not script.voicemail:
        return _end(position, position.outcome or Outcome.NO_CONTACT)
    ended, said = _end(position, Outcome.VOICEMAIL_LEFT)
    return Answer(ended, replace(said, say=script.voicemail))


def _end(position: Position, outcome: Outcome) -> Answer:
    """Hangs up, without a word of its own. A promise stays only with the outcome it was said with."""
    promise = position.promise if outcome is position.outcome else None
    ended = replace(position, outcome=outcome, promise=promise, done=True)
    return Answer(ended, Said(position.step, outcome=outcome, promise=promise))
