"""The forecast of what the database knows, read-only: a page of persons a transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.model import Channel, Contact, Disposition
from campaigns.segment import late_counts
from dialer.diff import InstallmentKey, Known
from dialer.forecast import PAGE, Forecast, Page, Progress, Question, answer, left_to_pay, member_of
from dialer.store import Store, Tx, planbook
from dialer.store import attempts as attempt_store
from dialer.store import campaigns as campaign_store
from dialer.store.common import People, flag


async def from_store(asked: Question, store: Store, with_lines: bool, progress: Progress) -> Forecast:
    """The forecast: unlike that of files it knows stops, pauses, suppressions, contacts, and what was made."""
    total, after = Forecast(), ""
    while True:

        def read(tx: Tx, after: str = after) -> tuple[Page, People] | None:
            people = planbook.next_people(tx, after, PAGE)
            return (_store_page(tx, asked, people), people) if people else None

        found = await store.read(read)
        if found is None:
            total.lines.sort()
            return total
        page, people = found
        total.add(answer(asked, page, with_lines))
        progress(PAGE)
        after = people.until


def _store_page(tx: Tx, asked: Question, people: People) -> Page:
    page = Page(halted=flag(tx, "halt"))
    launched = campaign_store.named(tx, asked.campaign.name)
    known = campaign_store.members(tx, launched.campaign_id, people) if launched else {}
    first, last = asked.dues
    if launched:
        page.status = launched.status
        page.made = Known.of(planbook.planned(tx, launched.campaign_id, people, first)).made
    accounts = {row.account_id: row for row in planbook.accounts(tx, people)}
    dues: dict[str, list[Any]] = defaultdict(list)
    for row in planbook.installments(tx, people, asked.since, last):
        dues[row.account_id].append(row)
    for account_id, rows in dues.items():
        _add_members(asked, page, accounts[account_id], rows, known)
    persons = sorted({row.person_id for row in accounts.values()})
    page.stops = planbook.stops(tx, persons, sorted({row.phone for row in accounts.values()}), asked.first)
    contacts = attempt_store.contacts(tx, persons, asked.now - asked.rules.look_back)
    for row in contacts:
        at, disposition = row.claimed_at, row.disposition
        if at <= asked.now:
            contact = Contact(at, Channel(row.channel), Disposition(disposition) if disposition else None)
            page.contacts.setdefault(row.person_id, []).append(contact)
    return page


def _add_members(asked: Question, page: Page, account: Any, rows: Sequence[Any], known: Mapping[Any, Any]) -> None:
    """An account's installments that are in play."""
    history = [(row.due_on, row.paid_on, row.is_open) for row in rows]
    for row in rows:
        key: InstallmentKey = (row.account_id, row.installment_id)
        left = left_to_pay(row.amount, row.paid_amount, row.paid_on, asked.first)
        if row.due_on < asked.dues[0] or not left:
            continue
        frozen, stopped, paused_until = known.get(key, ({}, None, None))
        late = {int(months): count for months, count in frozen.items()}
        if not asked.months <= late.keys():
            late = late_counts(history, row.due_on, asked.months, asked.first)
        page.play.note(key, row.due_on, True, stopped, paused_until)
        (page.stopped if stopped else page.members).append(member_of(account, row, left, late))
