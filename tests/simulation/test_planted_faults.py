"""Every invariant broken by hand in the engine: the simulation and the referee find it within a few seeds.

Each plant is a fault as somebody might make it. What the gate or a second look would catch all the same is planted in
both places: the referee is what is tried here, not the engine's belt and braces. What takes a rare moment gets a level
at which such moments come often.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import Receipt
from campaigns import plan
from dialer import claim as claiming
from dialer import diff, moves, reconcile, report
from dialer.attempt import Kind, State, advance
from dialer.dial import Dialer
from dialer.effects import Book
from dialer.house import House, Launched
from dialer.inbound import Inbox
from dialer.news import News
from dialer.play import Play, Stops
from dialer.referee import INVARIANTS
from dialer.simulated.levels import LEVELS, Level
from dialer.simulated.machine import Handset
from dialer.store import Tx, attempts, campaigns, desk, law, phones, planbook
from tests.support.hunted import hunt

Monkey = pytest.MonkeyPatch
Plant = Callable[[Monkey], None]
SEEDS, PEOPLE = (1, 2, 3), 60
PLANTED: dict[str, tuple[str, Plant, Level, int]] = {}


def plant(
    invariant: str, people: int = PEOPLE, **often: float
) -> Callable[[Callable[[Monkey], None]], Callable[[Monkey], None]]:
    """A planted fault that breaks `invariant`; `often`: what is to happen more often than at level hostile."""

    def note(work: Plant) -> Plant:
        PLANTED[work.__name__] = (invariant, work, replace(LEVELS["hostile"], **often), people)
        return work

    return note


@plant("placed_twice")
def a_lost_answer_is_taken_for_nothing_sent(monkey: Monkey) -> None:
    def wrong(state: State, kind: Kind) -> State | None:
        return State.PLANNED if (state, kind) == (State.PLACING, Kind.UNCERTAIN) else advance(state, kind)

    monkey.setattr(moves, "advance", wrong)
    monkey.setitem(moves._MOVES, Kind.UNCERTAIN, moves._MOVES[Kind.UNAVAILABLE])


@plant("placed_twice", failed=0.6)
def a_lease_that_ran_out_is_taken_for_nothing_sent(monkey: Monkey) -> None:
    monkey.setattr(Dialer, "give_up", lambda self, attempt_id, claimed_at: True)


@plant("placed_twice")
def what_a_dead_worker_was_placing_is_taken_for_ones_own(monkey: Monkey) -> None:
    monkey.setattr(reconcile, "ingest", lambda tx, house, news, now: [])
    # Its own claims are known by their instants, too.
    monkey.setattr(Dialer, "give_up", lambda self, attempt_id, claimed_at: (attempt_id, claimed_at) not in self._handed)


@plant("placed_twice", hidden=1.0, mishaps=0.6)
def the_provider_does_not_know_it_so_it_is_planned_again(monkey: Monkey) -> None:
    def wrong(state: State, kind: Kind) -> State | None:
        return State.PLANNED if (state, kind) == (State.LOST, Kind.NOT_FOUND) else advance(state, kind)

    monkey.setattr(moves, "advance", wrong)
    monkey.setitem(moves._MOVES, Kind.NOT_FOUND, moves._MOVES[Kind.UNAVAILABLE])
    monkey.setattr(reconcile, "PLACING", timedelta(seconds=-30))


@plant("one_live_call", 150, outages_a_day=8.0)
def numbers_are_not_taken(monkey: Monkey) -> None:
    monkey.setattr(phones, "take", lambda tx, wanted: {key for _, key, _ in wanted})


@plant("outside_window")
def windows_last_an_hour_longer(monkey: Monkey) -> None:
    right = plan.last_instant
    monkey.setattr(diff, "last_instant", lambda *given: right(*given) + timedelta(hours=1))


@plant("cap_exceeded")
def what_was_made_is_forgotten(monkey: Monkey) -> None:
    monkey.setattr(law, "contacts", lambda *given: [])


@plant("after_stop")
def stops_are_not_looked_up(monkey: Monkey) -> None:
    monkey.setattr(planbook, "stops", lambda tx, persons, phones, today: Stops())


@plant("after_stop")
def texts_that_say_stop_are_not_understood(monkey: Monkey) -> None:
    monkey.setattr(Book, "replied", lambda self, sender, text, at: True)


@plant("after_stop")
def an_opt_out_stops_nothing(monkey: Monkey) -> None:
    monkey.setattr(campaigns, "stop_members", lambda tx, rows: None)
    monkey.setattr(desk, "suppress", lambda *given, **more: False)


@plant("after_payment")
def payments_change_nothing(monkey: Monkey) -> None:
    def open_again(self: Play, key: Any, due_on: Any, is_open: bool, stopped: Any, paused: Any) -> None:
        right(self, key, due_on, True, stopped, paused)

    right = Play.note
    monkey.setattr(Play, "note", open_again)
    due = planbook.due
    unpaid = Decimal(0), "CNY", True
    monkey.setattr(planbook, "due", lambda *given: [(*row[:3], *unpaid, *row[6:]) for row in due(*given)])
    roster = attempts.roster
    monkey.setattr(
        attempts, "roster", lambda *given: {key: [_Open(one) for one in rows] for key, rows in roster(*given).items()}
    )


class _Open:
    """An account's row that says it is open whatever was paid."""

    is_open = True

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


@plant("while_stopped", 150, acts_a_day=24.0)
def paused_campaigns_go_on(monkey: Monkey) -> None:
    right = House.launched

    def active(self: House, tx: Tx) -> list[Launched]:
        return [replace(one, status="active") for one in right(self, tx)]

    monkey.setattr(House, "launched", active)
    monkey.setattr(attempts, "ACTIVE", frozenset({"active", "paused"}))  # the last look stands against it too


@plant("while_stopped", acts_a_day=24.0)
def a_halt_is_not_seen(monkey: Monkey) -> None:
    monkey.setattr(claiming, "flag", lambda tx, name: "")
    look = attempts.last_look

    def blind(*given: Any) -> dict[int, str]:
        return {key: "" if why == "halted" else why for key, why in look(*given).items()}

    monkey.setattr(attempts, "last_look", blind)


@plant("while_promised")
def promises_pause_nothing(monkey: Monkey) -> None:
    monkey.setattr(campaigns, "pause_members", lambda tx, rows: None)


@plant("rounds")
def the_last_round_of_a_day_is_not_planned(monkey: Monkey) -> None:
    right = plan.horizon

    def short(drafts: Iterable[Any], now: datetime) -> list[Any]:
        return [one for one in right(list(drafts), now) if one.round.number != one.round.rounds]

    monkey.setattr(plan, "horizon", short)


@plant("ends")
def nobody_looks_after_what_is_lost(monkey: Monkey) -> None:
    async def never(self: Any) -> int:
        return 0

    monkey.setattr(reconcile.Reconciler, "tick", never)


@plant("not_placed")
def a_message_is_said_to_be_sent_that_never_was(monkey: Monkey) -> None:
    right = Handset.place

    async def place(self: Handset, order: Any) -> Receipt:
        return Receipt(f"mock-{order.attempt_id}") if order.channel == "sms" else await right(self, order)

    monkey.setattr(Handset, "place", place)
    # …and an adapter without receipts takes a message that was accepted for a sent one.
    monkey.setitem(moves._MOVES, Kind.ACCEPTED, _sent)


def _sent(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    if attempt["channel"] == "sms":
        attempt["state"] = State.SETTLED.value
        moves._end(house, attempt, one._replace(kind=Kind.DELIVERED, disposition="delivered"), now)
    else:
        moves._wait(house, attempt, one, now)


@plant("acknowledged")
def callbacks_are_confirmed_before_they_are_durable(monkey: Monkey) -> None:
    right = Inbox.take

    async def hasty(self: Inbox, news: Iterable[News]) -> None:
        every: Sequence[News] = list(news)
        if all(one.identity for one in every):
            later = asyncio.ensure_future(right(self, every))
            later.add_done_callback(lambda done: done.cancelled() or done.exception())
        else:
            await right(self, every)

    monkey.setattr(Inbox, "take", hasty)


@plant("counts")
def the_report_has_one_placement_less(monkey: Monkey) -> None:
    right = report.build

    def wrong(*given: Any, **more: Any) -> Any:
        found = right(*given, **more)
        totals = found.totals.model_copy(update={"placed": found.totals.placed - 1})
        return found.model_copy(update={"totals": totals})

    monkey.setattr(report, "build", wrong)


@pytest.mark.hunt
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str, tmp_path: Path, monkeypatch: Monkey) -> None:
    invariant, work, level, people = PLANTED[name]
    work(monkeypatch)
    breaches: list[dict[str, int]] = []
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        breaches.append(hunt(folder, seed, people, level).breaches)
        if breaches[-1].get(invariant):
            return
    pytest.fail(f"{invariant} was not found: {breaches}")


@pytest.mark.hunt
@pytest.mark.parametrize("name", [name for name, (_, _, level, _) in PLANTED.items() if level != LEVELS["hostile"]])
def test_without_the_fault_such_a_level_finds_nothing(name: str, tmp_path: Path) -> None:
    assert hunt(tmp_path, SEEDS[0], PEOPLE, PLANTED[name][2]).findings == []


def test_every_invariant_has_a_planted_fault() -> None:
    assert {invariant for invariant, *_ in PLANTED.values()} == set(INVARIANTS)
