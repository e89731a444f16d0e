"""The forecast of what the database knows, read-only: a page of persons a transaction."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from campaigns.history import History
from campaigns.segment import late_counts
from dialer.diff import Known
from dialer.forecast import PAGE, Forecast, Page, Progress, Question, answer, left_to_pay, member_of
from dialer.forecast_texts import Named
from dialer.play import InstallmentKey
from dialer.store import Store, Tx, law, planbook
from dialer.store import campaigns as campaign_store
from dialer.store import forecast as forecast_store
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
    first, last = asked.dues
    if launched:
        page.status = launched.status
        page.made = Known.of(planbook.planned(tx, launched.campaign_id, people, first)).made
    rows = forecast_store.roster(tx, people, asked.since, last, with_names=asked.writing is not None)
    if asked.writing is not None:
        page.named = {row.account_id: Named.of(row) for row in rows}
    accounts = dict.fromkeys(row.account_id for row in rows)
    known = campaign_store.members(tx, launched.campaign_id, accounts) if launched else {}
    for _, account_rows in groupby(rows, key=lambda row: row.account_id):
        _add_members(asked, page, list(account_rows), known)
    persons, phones = {row.person_id for row in rows}, {row.phone for row in rows}
    page.stops = planbook.stops(tx, sorted(persons), sorted(phones), asked.first)
    more = tuple(dict.fromkeys(pack for packs in asked.packs.values() for pack in packs))
    rules = [asked.book.of((row.region,), row.country, more) for row in rows]
    since = asked.now - max((one.look_back for one in rules), default=timedelta())
    by_account = any(one.counts_by_account for one in rules)
    made = law.contacts(tx, sorted(persons), sorted(phones), since, asked.party, by_account)
    page.history = History(contact for contact in made if contact.at <= asked.now)
    page.agreements = law.agreements(tx, sorted(persons))
    return page


def _add_members(asked: Question, page: Page, rows: Sequence[Any], known: Mapping[InstallmentKey, Any]) -> None:
    """An account's installments that are in play."""
    history = [(row.due_on, row.paid_on, row.is_open) for row in rows]
    oldest = min((row.due_on for row in rows if row.is_open), default=None)
    for row in rows:
        key = (row.account_id, row.installment_id)
        left = left_to_pay(row.amount, row.paid_amount, row.paid_on, asked.first)
        if row.due_on < asked.dues[0] or not left:
            continue
        frozen, stopped, paused_until = known.get(key, ({}, None, None))
        late = {int(months): count for months, count in frozen.items()}
        if not asked.months <= late.keys():
            late = late_counts(history, row.due_on, asked.months, asked.first)
        page.play.note(key, row.due_on, True, stopped, paused_until)
        (page.stopped if stopped else page.members).append(member_of(row, row, left, late, oldest))
