"""What the commands that change something print with `--json`."""

from datetime import date

from pydantic import BaseModel


class Done(BaseModel):
    """What a command did."""

    action: str
    """`launch`, `status`, `halt`, `unhalt`, `suppress`, `lift`, `paid`, `reverse` or `done`."""
    subject: str
    """To what, or to whom; phones are masked."""
    changed: bool
    """False: it was so already."""


class LaunchDetail(BaseModel):
    """What a launch planned. Counts are attempts, if not said otherwise; all are 0 where nothing changed."""

    version: int
    """The campaign's version in force."""
    planned: int = 0
    """Planned for this version."""
    cancelled: int = 0
    """Planned ones of the version before."""
    launched_late: int = 0
    """Rounds that are over already and are not made up."""
    suppressed: int = 0
    """Rounds that are not planned because of suppressions."""
    unselected: int = 0
    """Accounts that no segment takes."""
    segments: dict[str, int] = {}
    """Segment → attempts planned."""


class LaunchDone(Done):
    """A campaign file was frozen and planned."""

    detail: LaunchDetail


class StatusDetail(BaseModel):
    """What became of the campaign."""

    status: str
    """`active`, `paused` or `cancelled`."""
    cancelled: int
    """Planned attempts that were cancelled."""


class StatusDone(Done):
    """A campaign was paused, resumed or cancelled."""

    detail: StatusDetail


class HaltDetail(BaseModel):
    """The emergency stop."""

    reason: str


class HaltDone(Done):
    """Nothing is placed any more."""

    detail: HaltDetail


class UnhaltDone(Done):
    """Dialing goes on."""

    detail: dict[str, str] = {}
    """Always empty: there is no more to say."""


class SuppressDetail(BaseModel):
    """What became of suppressions there were."""

    lifted: int = 0
    """Suppressions that were ended."""
    accounts: int = 0
    """Imported accounts that a new one concerns."""


class SuppressDone(Done):
    """Contact was stopped, or a stop lifted."""

    detail: SuppressDetail


class InstallmentPaid(BaseModel):
    """One installment after the payment."""

    due_on: date
    paid_amount: str
    """In all, in the installment's currency."""
    open: bool
    """Something is still unpaid."""


class PaidDetail(BaseModel):
    """The installments that the payment, or its reversal, changed."""

    installments: list[InstallmentPaid]


class PaidDone(Done):
    """A payment was recorded or reversed."""

    detail: PaidDetail
