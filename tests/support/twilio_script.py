"""What a test writes down beforehand: how a person behaves, and what goes wrong with a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.support.twilio_http import Reply

Outcome = Literal["answers", "busy", "no-answer", "failed"]
Dialed = Literal["completed", "no-answer", "busy", "failed", "caller_hangs_up"]
MachineKind = Literal[
    "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown", "human"
]
Of = Literal["creates", "calls", "messages", "reads", "updates", "any"]
Where = Literal["before_reading", "after_reading", "in_reply"]
Keys = Sequence[str] | Callable[[list[str]], str]
"""What is pressed at each Gather in turn, "" for silence; or what to press after these texts were heard."""


@dataclass(slots=True)
class Act:
    """How one call to a person goes, and one message."""

    outcome: Outcome = "answers"
    answered_by: MachineKind = "human"
    keys: Keys = ()
    hangs_up_after: int | None = None
    dial: Dialed = "completed"
    sip: int = 0
    code: int = 0
    talk_s: int | None = None
    receipt: Literal["delivered", "undelivered", "failed", ""] = "delivered"
    receipt_code: int = 0


@dataclass(slots=True)
class Trouble:
    """One thing that goes wrong: a refusal, a strange body, a cut, a stall. `times` None: from now on always."""

    of: Of = "creates"
    to: str = ""
    skip: int = 0
    times: int | None = 1
    status: int = 0
    code: int = 0
    message: str = ""
    body: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Where | None = None
    stall_s: float = 0.0
    created: bool = False

    def concerns(self, kinds: set[str], to: str) -> bool:
        return (self.of == "any" or self.of in kinds) and self.to in ("", to)

    def reply(self, refusal: Callable[..., Reply]) -> Reply:
        """What is answered instead of the truth."""
        if self.body is not None:
            return Reply(self.status or 200, self.body, self.content_type, self.headers)
        if self.status:
            return refusal(self.status, self.code, self.message, self.headers)
        return Reply(cut="silent")


class Person:
    """Whoever has a number. Each method says how the calls to come go; after `then()` how those after the next go."""

    def __init__(self, number: str, troubles: list[Trouble]) -> None:
        self.number = number
        self._troubles = troubles
        self._acts = [Act()]
        self._calls = self._messages = 0

    @property
    def _act(self) -> Act:
        return self._acts[-1]

    def act_of_call(self) -> Act:
        self._calls += 1
        return self._acts[min(self._calls, len(self._acts)) - 1]

    def act_of_message(self) -> Act:
        self._messages += 1
        return self._acts[min(self._messages, len(self._acts)) - 1]

    def then(self) -> "Person":
        """What follows is about the next call or message, and those after it."""
        self._acts.append(Act())
        return self

    def answers(self, keys: Keys = (), dial: Dialed = "completed", talk_s: int | None = None) -> "Person":
        """Answers and presses these keys, one string for each Gather. `dial`: how a transfer ends."""
        self._act.outcome, self._act.keys, self._act.dial, self._act.talk_s = "answers", keys, dial, talk_s
        return self

    def silent(self) -> "Person":
        """Answers, presses nothing."""
        return self.answers()

    def human(self) -> "Person":
        self._act.answered_by = "human"
        return self

    def machine(self, answered_by: MachineKind = "machine_start") -> "Person":
        """A machine answers; `answered_by` is the word for it, also "fax" and "unknown"."""
        self._act.outcome, self._act.answered_by = "answers", answered_by
        return self

    def hangs_up(self, after_steps: int) -> "Person":
        """Hangs up when so many documents were heard: 1 during the first, instead of a key; 0 before a word."""
        self._act.hangs_up_after = after_steps
        return self

    def busy(self) -> "Person":
        self._act.outcome, self._act.sip = "busy", 486
        return self

    def no_answer(self) -> "Person":
        self._act.outcome, self._act.sip = "no-answer", 487
        return self

    def failed(self, sip: int = 404, code: int = 0) -> "Person":
        """The call fails before it rings; `code` is Twilio's own ErrorCode."""
        self._act.outcome, self._act.sip, self._act.code = "failed", sip, code
        return self

    def delivers(self) -> "Person":
        self._act.receipt, self._act.receipt_code = "delivered", 0
        return self

    def undelivered(self, code: int = 30003) -> "Person":
        self._act.receipt, self._act.receipt_code = "undelivered", code
        return self

    def sms_fails(self, code: int = 30005) -> "Person":
        """The message goes from queued to failed, never sent."""
        self._act.receipt, self._act.receipt_code = "failed", code
        return self

    def no_receipt(self) -> "Person":
        """Messages stay at sent."""
        self._act.receipt = ""
        return self

    def refuses(self, status: int, code: int, message: str = "", times: int | None = None) -> "Person":
        """Every create to this number is refused, or the next `times`."""
        self._troubles.append(Trouble(to=self.number, status=status, code=code, message=message, times=times))
        return self

    def trouble(self, trouble: Trouble) -> "Person":
        """Any trouble, for creates to this number."""
        trouble.to = self.number
        self._troubles.append(trouble)
        return self
