"""Which segment takes an account: its late count, and the first segment that matches it."""

from collections.abc import Iterable
from datetime import date

from campaigns.calendar import months_before
from campaigns.file import Campaign, Segment


def months_of(campaign: Campaign) -> frozenset[int]:
    """How many months the campaign's segments look back: the keys that `select` wants in `late`."""
    return frozenset(segment.late.months for segment in campaign.segment if segment.late is not None)


def late_counts(
    history: Iterable[tuple[date, date | None, bool]], due_on: date, months: frozenset[int], planning_day: date
) -> dict[int, int]:
    """An account's late installments before the due date, by months looked back.

    `history` is the account's installments as (due_on, paid_on, is_open); `paid_on` is the day on which a payment
    covered the amount, or the last partial payment's while `is_open`. Counted are those with
    `due_on − months ≤ their due date < due_on` that were paid in full only after their due date, or are still
    open on the planning day and past due. A payment dated after the planning day is not yet known.
    """
    late = [was_due for was_due, paid_on, is_open in history if _is_late(was_due, paid_on, is_open, planning_day)]
    counts = {}
    for number in months:
        first = months_before(due_on, number)
        counts[number] = sum(first <= was_due < due_on for was_due in late)
    return counts


def _is_late(was_due: date, paid_on: date | None, is_open: bool, planning_day: date) -> bool:
    if is_open or (paid_on is not None and paid_on > planning_day):
        return was_due < planning_day
    return paid_on is not None and paid_on > was_due


def select(late: dict[int, int], campaign: Campaign) -> Segment | None:
    """The first segment that takes an account with these late counts; None if none does.

    Raises KeyError if `late` lacks one of the campaign's `months_of`.
    """
    for segment in campaign.segment:
        wanted = segment.late
        if wanted is None:
            return segment
        count = late[wanted.months]
        if wanted.min <= count and (wanted.max is None or count <= wanted.max):
            return segment
    return None
