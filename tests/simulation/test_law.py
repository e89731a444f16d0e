"""Rules at work in the engine: packs by region, contacts made elsewhere, shared numbers, two workers, the clock."""

import asyncio
import itertools
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import Event, EventKind
from adapters.mock import ADAPTER, MockAdapter
from campaigns.model import Channel
from campaigns.where import zones_of
from config.settings import Settings
from dialer import asking, check, operate, zones
from dialer.claim import Claim, Claimed
from dialer.clock import SystemClock
from dialer.explain import explain
from dialer.house import House
from dialer.law_rows import EVERY_KIND
from dialer.lines import Line, Lines
from dialer.news import of_event
from dialer.planning import plan_all
from dialer.room import Taken
from dialer.store import InlineStore, Store, Tx
from dialer.store import campaigns as campaign_store
from dialer.store import tables as t
from dialer.store.schema import upgrade
from tests.support.scene import (
    ACCOUNTS_HEAD,
    ALICE,
    BOB,
    CAMPAIGN,
    INSTALLMENTS_HEAD,
    SETTINGS,
    SHANGHAI,
    Scene,
    account,
    due,
    late,
    play,
)

CONTACTS = "person_id,account_id,phone,channel,at,event,direction,by\n"
AGREEMENTS = "person_id,kind,given_on,until\n"
OURS = """
[[rule]]
force = "house"
actor = ["creditor"]
citation = "ours"
url = "ours"
grade = "H"
checked_on = 2026-11-23
"""
"""What every rule of a pack of our own begins with."""
UNDER_OURS = CAMPAIGN.replace('packs = ["cn"]', 'packs = ["cn", "ours"]')
LATE = late(1, "2025-12-15", "2025-11-15", "2025-10-15")
"""Makes a C of the account: two rounds a day."""


async def take(scene: Scene, kind: str, text: str) -> None:
    what = EVERY_KIND[kind]
    for chunk in what.read(scene.file(f"{kind}.csv", text), "CN"):
        found = await scene.house.store.write(
            lambda tx, chunk=chunk: what.load(tx, chunk, scene.clock.now(), scene.touched)
        )
        assert not found.rejects, found.rejects


def write(scene: Scene, change: Any) -> None:
    store = scene.house.store
    assert isinstance(store, InlineStore)
    store.run(change)


def play_under(tmp_path: Path, pack: str, act: Any) -> None:
    """Plays `act` from a Tuesday morning on, with `pack` known by the name "ours"."""
    (tmp_path / "ours.toml").write_text(pack, encoding="utf-8")
    play(tmp_path, "2026-01-13 08:30", act, 'rules = ["ours.toml"]\n' + SETTINGS)


async def start_two_late(scene: Scene, kind: str, text: str) -> None:
    """Alice and Bob, both late, under our own pack; the file of `kind` brought in before the launch."""
    history = LATE + LATE.replace("L-1", "L-2")
    await scene.load(account(1, ALICE) + account(2, BOB), history + due(1, "2026-01-15") + due(2, "2026-01-15"))
    await take(scene, kind, text)
    await scene.launch(UNDER_OURS)
    await scene.start()


# --- contacts made elsewhere -----------------------------------------------------------------------------------------


def test_case_14_what_an_agency_did_leaves_no_room_for_us(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        made = "".join(
            f"P-1,,,voice,2026-01-13T08:0{minute}:00+08:00,connected,outbound,agents\n" for minute in range(3)
        )
        dues = due(1, "2026-01-15") + due(2, "2026-01-15")
        await scene.load(account(1, ALICE) + account(2, BOB), LATE + LATE.replace("L-1", "L-2") + dues)
        await take(scene, "contacts", CONTACTS + made)
        await take(scene, "contacts", CONTACTS + made)
        assert len(scene.rows("contacts")) == 3, "the same file again adds nothing"
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 22:00")
        first = [row for row in scene.rows(person_id="P-1") if row.day_offset == -2]
        assert [(row.state, row.rule) for row in first] == [("expired", "cn-gbt.notify3")] * 2
        assert all(row.state == "settled" for row in scene.rows(person_id="P-2") if row.day_offset == -2)
        seen = [row for row in scene.rows("verdicts") if row.rule == "cn-gbt.notify3"]
        assert {tuple(one[1:]) for one in seen[0].saw["contacts"]} == {("voice", "connected")}

    play(tmp_path, "2026-01-13 08:30", act)


def test_an_agreement_lifts_what_it_is_about_and_nothing_else(tmp_path: Path) -> None:
    pack = (
        OURS
        + """
id = "ours.daily"
kind = "cap"
channels = ["voice"]
max = 1
period = { type = "calendar_day" }
count = ["placed"]
waive = ["agreed_frequency"]
"""
    )

    async def act(scene: Scene) -> None:
        await start_two_late(scene, "agreements", AGREEMENTS + "P-1,agreed_frequency,2026-01-01,\n")
        await scene.until("2026-01-13 22:00")
        days = {one: [row.state for row in scene.rows(person_id=one) if row.day_offset == -2] for one in ("P-1", "P-2")}
        assert days == {"P-1": ["settled", "settled"], "P-2": ["settled", "expired"]}

    play_under(tmp_path, pack, act)


# --- which packs apply -----------------------------------------------------------------------------------------------


def test_an_unknown_jurisdiction_is_denied_with_one_task(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        abroad = account(1, ALICE).replace(",CN,", ",FR,").replace("zh-CN,,", "zh-CN,Asia/Shanghai,")
        await scene.load(abroad, LATE + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-16 00:00")
        assert {(row.state, row.rule) for row in scene.rows()} == {("blocked", "dialer.jurisdiction")}
        (task,) = scene.rows("tasks")
        assert (task.kind, task.person_id) == ("fix_data", "P-1")
        assert "FR" in task.detail

    play(tmp_path, "2026-01-13 08:30", act)


def test_a_regions_pack_holds_without_being_named(tmp_path: Path) -> None:
    """The campaign names no pack: the number's country brings China's."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), LATE + due(1, "2026-01-15"))
        await scene.launch(CAMPAIGN.replace('packs = ["cn"]\n', ""))
        one = scene.house.store.run(lambda tx: scene.house.launched(tx))[0]  # type: ignore[attr-defined]
        assert "cn-gbt.hours" in one.rules(scene.rows("accounts"), "CN").rules
        assert "cn-gbt.hours" not in one.book.everywhere.rules

    play(tmp_path, "2026-01-13 08:30", act)


def test_a_lines_own_pack_holds_on_that_line(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), LATE + due(1, "2026-01-15"))
        await take(scene, "contacts", CONTACTS + "".join(
            f"P-9,,{ALICE},voice,2026-01-13T08:{minute:02}:00+08:00,rang_out,outbound,agents\n" for minute in range(20)
        ))  # fmt: skip
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 22:00")
        assert {row.rule for row in scene.rows() if row.day_offset == -2} == {"carrier-aliyun.day"}

    ours = (Path(__file__).parents[2] / "config" / "rules" / "house.toml").read_text(encoding="utf-8")
    for old, new in (
        ('name = "house"', 'name = "ours"'), ("house.", "ours."), ('["number"]', '["number", "person"]'),
    ):  # fmt: skip
        ours = ours.replace(old, new)
    (tmp_path / "ours.toml").write_text(ours, encoding="utf-8")
    limits = 'rules = ["ours.toml"]\nhouse = "ours"\n'
    settings = SETTINGS.replace('adapter = "mock"', 'adapter = "mock"\npacks = ["carrier-aliyun"]')
    play(tmp_path, "2026-01-13 08:30", act, limits + settings)


# --- caps under concurrency ------------------------------------------------------------------------------------------


def test_caps_hold_over_accounts_campaigns_and_persons_of_a_number(tmp_path: Path) -> None:
    """Two campaigns, two accounts of one person, and another person on the same telephone: three contacts a day."""

    async def act(scene: Scene) -> None:
        roster = account(1, ALICE, person=1) + account(2, ALICE, person=1) + account(3, ALICE, person=3)
        history = "".join(LATE.replace("L-1", f"L-{n}") for n in (1, 2, 3))
        await scene.load(roster, history + "".join(due(n, "2026-01-15") for n in (1, 2, 3)))
        alone = CAMPAIGN.replace("combine = true", "combine = false")
        await scene.launch(alone)
        await scene.launch(alone.replace('name = "test"', 'name = "other"'))
        await scene.start()
        await scene.until("2026-01-16 00:00")
        placed = [row for row in scene.rows() if row.claimed_at]
        for day in (13, 14, 15):
            mine = [row for row in placed if row.claimed_at.astimezone(SHANGHAI).day == day]
            assert len(mine) == 3, "of one number, whoever's it is"
            times = sorted(row.claimed_at for row in mine if row.person_id == "P-1")
            assert all(b - a >= timedelta(hours=1) for a, b in itertools.pairwise(times))

    play(tmp_path, "2026-01-13 08:30", act)


class Fixed(SystemClock):
    """A real clock that stands still."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._at = at

    def now(self) -> datetime:
        return self._at


async def two_claims(folder: Path, settings: Settings, now: datetime) -> list[Claimed]:
    """Two stores on one file, as two workers have them, and a claim on each at once."""
    upgrade(settings.database)
    houses = [House(settings, Fixed(now), Store(settings.database)) for _ in range(2)]
    first = houses[0].store
    roster = "".join(account(n, ALICE, person=1) for n in range(1, 6))
    dues = "".join(due(n, "2026-01-15") for n in range(1, 6))
    for kind, text in (("accounts", ACCOUNTS_HEAD + roster), ("installments", INSTALLMENTS_HEAD + dues)):
        (folder / f"{kind}.csv").write_text(text, encoding="utf-8")
        what = EVERY_KIND[kind]
        for chunk in what.read(folder / f"{kind}.csv", "CN"):
            await first.write(lambda tx, what=what, chunk=chunk: what.load(tx, chunk, now, lambda *_: None))
    await operate.launch(houses[0], folder / "campaign.toml")
    await first.write(lambda tx: tx.execute(t.attempts.update().values(due_at=now)))

    def claim(house: House, worker: str) -> Any:
        line = Line("main", settings.lines["main"], MockAdapter(), ADAPTER, dict.fromkeys(Channel, now), house.zone)
        taken = Taken({("main", Channel.VOICE): [now] * 10})
        return house.store.write(lambda tx: Claim(tx, house, Lines([line]), taken, worker, now).run())

    claimed = await asyncio.gather(claim(houses[0], "one"), claim(houses[1], "two"))
    for house in houses:
        await house.store.close()
    return list(claimed)


def test_case_30_two_workers_and_one_slot_place_once(tmp_path: Path) -> None:
    """Two claiming transactions at the same instant on one file: one gets the attempt, the other sees the contact."""
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    settings = check.read_settings(tmp_path / "dialer.toml", {})
    settings = settings.model_copy(update={"database": f"sqlite:///{tmp_path}/two.db"})
    (tmp_path / "campaign.toml").write_text(CAMPAIGN.replace("combine = true", "combine = false"), encoding="utf-8")
    claimed = asyncio.run(two_claims(tmp_path, settings, datetime(2026, 1, 14, 10, tzinfo=SHANGHAI)))
    assert sum(len(one.placements) for one in claimed) == 1, "one hour between two calls of a person, over both workers"
    assert sum(one.deferred for one in claimed) >= 4


# --- payments, zones, clocks: cases 32 and 33 -------------------------------------------------------------------------


def test_case_32_a_payment_after_queueing_cancels(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), LATE + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 12:00")
        scene.paid(1, "2026-01-15")
        await scene.until("2026-01-16 00:00")
        later = [row for row in scene.rows() if row.day_offset > -2]
        assert {(row.state, row.reason) for row in later} == {("cancelled", "paid")}

    play(tmp_path, "2026-01-13 08:30", act)


def test_case_32_new_zone_data_is_worked_in(tmp_path: Path) -> None:
    """The account was imported when less was known of its number: after the upgrade its plan moves."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), LATE + due(1, "2026-01-15"))
        wrong = ("Europe/Moscow",)
        write(scene, lambda tx: tx.execute(t.accounts.update().values(zones=wrong)))
        await scene.launch()
        before = scene.rows()[0].planned_for
        assert await zones.refresh(scene.house) == 1
        assert scene.rows("accounts")[0].zones == zones_of(ALICE, "CN", "") == ("Asia/Shanghai",)
        planned = [row for row in scene.rows() if row.state == "planned"]
        assert planned
        assert {row.zones for row in planned} == {("Asia/Shanghai",)}
        assert planned[0].planned_for != before
        assert await zones.refresh(scene.house) == 0, "once an upgrade"

    play(tmp_path, "2026-01-12 08:30", act)


def test_case_33_a_clock_that_was_set_holds_everything_for_a_while(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        history = LATE.replace("L-1", "L-7")
        await scene.load(account(7, ALICE), history + due(7, "2026-01-15"))
        await scene.launch()
        slot = scene.rows(round=1)[0].planned_for
        scene.clock.is_off_s = 3.0
        await scene.start()
        await scene.clock.sleep_until(slot + timedelta(minutes=2))
        assert not [row for row in scene.rows() if row.claimed_at]
        assert scene.rows(round=1)[0].due_at == slot, "what a wrong clock says moves nothing"
        scene.clock.is_off_s = 0.0
        await scene.clock.sleep_until(slot + timedelta(minutes=5))
        assert [row.state for row in scene.rows(round=1)] == ["settled"]

    play(tmp_path, "2026-01-13 08:30", act)


def test_the_machines_clock_tells_when_it_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = [1_000_000.0], [500.0]
    monkeypatch.setattr("dialer.clock.time.time", lambda: wall[0])
    monkeypatch.setattr("dialer.clock.time.monotonic", lambda: steady[0])
    clock = SystemClock()
    assert clock.off_s() == 0.0
    for step_s, off_s in ((0.05, 0.0), (3600.0, 3600.0)):
        wall[0] += 10 + step_s
        steady[0] += 10
        assert clock.off_s() == pytest.approx(off_s, abs=0.1)
    wall[0] += 59
    steady[0] += 59
    assert clock.off_s() == pytest.approx(3600.0, abs=1)
    wall[0] += 2
    steady[0] += 2
    assert clock.off_s() == 0.0


# --- the facts a verdict saw ----------------------------------------------------------------------------------------


def test_a_refusal_keeps_the_facts_it_rests_on(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        roster = account(1, ALICE, person=1) + account(2, BOB, person=1)
        await scene.load(roster, due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-15 00:00")
        refused = [row for row in scene.rows("verdicts") if row.rule == "house.gap"]
        assert refused
        (contact,) = refused[0].saw["contacts"]
        first = min(row.claimed_at for row in scene.rows() if row.claimed_at)
        assert datetime.fromisoformat(contact[0]) == first.replace(microsecond=0)
        assert json.dumps(refused[0].saw)

    play(tmp_path, "2026-01-14 09:00", act)


def test_between_a_relaunch_and_its_plan_nothing_is_refused_or_stuck(tmp_path: Path) -> None:
    """The new file has no words for what the old one planned: others are dialed, these wait for the new plan."""

    async def act(scene: Scene) -> None:
        history = LATE.replace("L-1", "L-7")
        await scene.load(account(7, ALICE), history + due(7, "2026-01-15"))
        await scene.launch()
        slot = scene.rows(round=1)[0].planned_for
        renamed = CAMPAIGN.replace("script.reminder", "script.other").replace('script = "reminder"', 'script = "other"')
        now = scene.clock.now()
        write(scene, lambda tx: campaign_store.launch(tx, "test", renamed, "another", "c.toml", now))
        await scene.start()
        await scene.clock.sleep_until(slot + timedelta(minutes=1))
        assert {row.state for row in scene.rows()} == {"planned"}
        await plan_all(scene.house)
        await scene.clock.sleep_until(slot + timedelta(minutes=4))
        made = [row for row in scene.rows(round=1) if row.state == "settled"]
        assert [row.script for row in made] == ["other"]

    play(tmp_path, "2026-01-13 08:30", act)


def test_a_notice_older_than_its_own_pause_still_counts(tmp_path: Path) -> None:
    """The law asks whether there was one, however long ago: what the store hands the gate reaches that far."""
    pack = (
        OURS
        + """
id = "ours.notice"
kind = "cooloff"
channels = ["voice", "sms"]
after = { event = "notice" }
required = true
period = { type = "consecutive_dates", length = 5, day_one = "next" }
"""
    )

    async def act(scene: Scene) -> None:
        await start_two_late(
            scene, "contacts", CONTACTS + "P-1,,,letter,2025-11-20T12:00+08:00,notice,outbound,creditor\n"
        )
        await scene.until("2026-01-13 22:00")
        states = {
            one: {row.state for row in scene.rows(person_id=one) if row.day_offset == -2} for one in ("P-1", "P-2")
        }
        assert states == {"P-1": {"settled"}, "P-2": {"blocked"}}

    play_under(tmp_path, pack, act)


def test_a_lines_pack_reaches_as_far_back_as_it_says(tmp_path: Path) -> None:
    pack = (
        OURS
        + """
id = "line.monthly"
kind = "cap"
channels = ["voice"]
max = 1
period = { type = "consecutive_dates", length = 30 }
key = ["number"]
count = ["placed"]
"""
    )

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), LATE + due(1, "2026-01-15"))
        await take(
            scene, "contacts", CONTACTS + f"P-1,,{ALICE},voice,2025-12-30T12:00+08:00,placed,outbound,creditor\n"
        )
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-16 00:00")
        assert {(row.state, row.rule) for row in scene.rows()} == {("expired", "line.monthly")}

    (tmp_path / "line.toml").write_text(pack, encoding="utf-8")
    settings = SETTINGS.replace('adapter = "mock"', 'adapter = "mock"\npacks = ["line"]')
    play(tmp_path, "2026-01-13 08:30", act, 'rules = ["line.toml"]\n' + settings)


def test_a_follow_up_is_not_made_to_whom_the_account_no_longer_belongs(tmp_path: Path) -> None:
    """The lender corrects the number after the first call: the retry must not tell a stranger of the debt."""

    async def act(scene: Scene) -> None:
        retrying = CAMPAIGN.replace(
            'script = "reminder"\n[[segment.rounds]]',
            'script = "reminder"\nretry = { on = ["no_answer"], after = "30m", max = 2 }\n[[segment.rounds]]', 1,
        )  # fmt: skip
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch(retrying)
        await scene.start()
        first = scene.rows(round=1)[0].planned_for
        await scene.clock.sleep_until(first + timedelta(minutes=5))
        assert [row.cause for row in scene.rows(state="planned", round=1)] == ["retry"]
        await scene.load(account(1, BOB))
        await scene.until("2026-01-14 23:00")
        called = [row.phone for row in scene.rows() if row.claimed_at]
        assert called == [ALICE]

    play(tmp_path, "2026-01-14 09:00", act)


def test_orphans_of_a_relaunch_keep_nobody_waiting(tmp_path: Path) -> None:
    """More of them than one look takes, at the head of the queue: another campaign is dialed all the same."""

    async def act(scene: Scene) -> None:
        phones = [f"+86138001381{n:02}" for n in range(60)]
        roster = "".join(account(n, phone) for n, phone in enumerate(phones, 1))
        await scene.load(roster + account(99, BOB), "".join(due(n, "2026-01-15") for n in (*range(1, 61), 99)))
        await scene.launch()
        other = CAMPAIGN.replace('name = "test"', 'name = "other"').replace("priority = 10", "priority = 5")
        await scene.launch(other)
        renamed = CAMPAIGN.replace("script.reminder", "script.new").replace('script = "reminder"', 'script = "new"')
        now = scene.clock.now()
        write(scene, lambda tx: campaign_store.launch(tx, "test", renamed, "another", "c.toml", now))
        await scene.start()
        await scene.until("2026-01-14 12:00")
        made = {row.campaign_id for row in scene.rows(state="settled")}
        assert made == {2}

    play(tmp_path, "2026-01-14 09:00", act)


def test_a_stop_is_heard_whatever_became_of_the_packs(tmp_path: Path) -> None:
    """The file is broken after the start; and the number is no longer that of the person who was written to."""

    async def act(scene: Scene) -> None:
        (scene.folder / "mine.toml").write_text("[[rule", encoding="utf-8")
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        stop = Event(EventKind.REPLIED, scene.clock.now(), sender=ALICE, text="STOP", identity="stop-1")
        await scene.worker.inbox.take([of_event(stop)])
        assert {row.state for row in scene.rows()} == {"cancelled"}

    pack = (Path(__file__).parents[2] / "config" / "rules" / "carrier-aliyun.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(pack.replace("carrier-aliyun", "mine"), encoding="utf-8")
    play(tmp_path, "2026-01-14 08:00", act, 'rules = ["mine.toml"]\n' + SETTINGS)


def test_what_explain_calls_possible_is_possible_at_the_slot(tmp_path: Path) -> None:
    """It passes today; the slot lies on a day on which a rule leaves no hour."""
    pack = (
        OURS
        + """
id = "ours.no_wednesday"
kind = "window"
channels = ["voice", "sms"]
open = [{ days = ["mon", "tue", "thu", "fri", "sat", "sun"], from = "09:00", until = "20:00" }]
"""
    )

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch(UNDER_OURS)
        await scene.until("2026-01-13 12:00")
        store = scene.house.store
        assert isinstance(store, InlineStore)
        found = store.run(lambda tx: explain(tx, scene.house, "L-1", language="en"))
        assert (found.answers[0].verdict, found.answers[0].expires, found.answers[0].possible_at) == (
            "pass",
            True,
            None,
        )
        assert "expires before it may be placed" in found.summary
        assert "ours.no_wednesday" in found.summary

    play_under(tmp_path, pack, act)


def test_a_contact_that_another_clock_made_later_counts_all_the_same(tmp_path: Path) -> None:
    """Our clock was set back: what was placed "in the future" is not forgotten."""

    async def act(scene: Scene) -> None:
        roster = account(7, ALICE, person=7) + account(8, BOB, person=7)
        await scene.load(roster, due(7, "2026-01-15") + due(8, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 11:30")
        first = min(row.claimed_at for row in scene.rows() if row.claimed_at)
        left = next(row for row in scene.rows(round=2) if row.state == "planned")
        one = scene.house.store.run(lambda tx: scene.house.launched(tx))[0]  # type: ignore[attr-defined]
        roster_of = {left.attempt_id: [row for row in scene.rows("accounts") if row.phone == left.phone]}
        before = first - timedelta(minutes=20)

        def contacts(is_now: bool) -> int:
            def load(tx: Tx) -> asking.Known:
                return asking.load(tx, scene.house, one, [left], roster_of, before, is_now)

            store = scene.house.store
            assert isinstance(store, InlineStore)
            return len(store.run(load).history.of("P-7", left.phone))

        assert contacts(is_now=True) >= 1
        assert contacts(is_now=False) == 0, "explain --at asks what was known then"

    play(tmp_path, "2026-01-14 09:00", act)


def test_a_stop_from_a_number_of_the_past_stops_the_person_who_was_written_to(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), late(1, "2025-12-15") + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 13:00")
        assert [row.phone for row in scene.rows(channel="sms") if row.claimed_at] == [ALICE]
        await scene.load(account(1, BOB))
        stop = Event(EventKind.REPLIED, scene.clock.now(), sender=ALICE, text="STOP", identity="stop-1")
        await scene.worker.inbox.take([of_event(stop)])
        await scene.until("2026-01-16 00:00")
        assert {row.person_id for row in scene.rows("suppressions")} == {None, "P-1"}
        assert not [row for row in scene.rows() if row.phone == BOB and row.claimed_at]

    play(tmp_path, "2026-01-13 08:30", act)


def test_digits_of_a_call_that_is_not_known_yet_are_masked(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.worker.open()
        keyed = Event(EventKind.KEYED, scene.clock.now(), ref="not-yet-known", digits="7391", identity="k-1")
        await scene.worker.inbox.take([of_event(keyed)])
        (event,) = scene.rows("events")
        assert event.stray
        assert "7391" not in json.dumps(event.data)

    play(tmp_path, "2026-01-13 08:30", act)
