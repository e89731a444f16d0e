"""`dialer attempts`: every attempt once, in order, safe to open and masked; whole files or none."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from dialer import export
from dialer.cli.app import app
from dialer.errors import DialerError
from dialer.store import InlineStore, Tx, views
from dialer.store import tables as t
from dialer.store.schema import create
from tests.support.scene import ALICE, BOB, SETTINGS, Scene, account, due, late, play

NOON = datetime(2026, 1, 14, 4, tzinfo=UTC)
COLUMNS = (
    "attempt_id,campaign,account_ids,person_id,segment,due_on,round,try,channel,line,phone,time_zone,state,reason,"
    "disposition,outcome,planned_for,placed_at,answered_at,ended_at,provider_ref"
)
"""As interface.md promises them."""
write_jsonl = partial(export.write_jsonl, currency="CNY")
WRITERS = [export.write_csv, write_jsonl]


class Desk:
    """A database with two launched campaigns, to be filled with attempts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = InlineStore()
        create(self.store)
        launched = {"status": "active", "version": 1, "launched_at": NOON, "changed_at": NOON}
        rows = [{"campaign_id": 1, "name": "monthly", **launched}, {"campaign_id": 2, "name": "other", **launched}]
        self.store.run(lambda tx: tx.execute(t.campaigns.insert(), rows))

    def attempt(self, number: int, accounts: tuple[str, ...] = ("L-1",), **changes: Any) -> None:
        row = {
            "attempt_id": number, "campaign_id": 1, "person_id": "P-1", "segment": "A", "due_on": date(2026, 1, 15),
            "round": 1, "rounds": 2, "day_offset": -1, "window": number, "try": 1, "cause": "round", "entry": 0,
            "retries": 0, "infra": 0, "otherwise_used": False, "channel": "voice", "script": "reminder",
            "priority": 10, "phone": ALICE, "country": "CN", "line_type": "mobile", "zones": ("Asia/Shanghai",),
            "state": "planned", "due_at": NOON, "planned_for": NOON, "window_from": NOON, "window_until": NOON,
            "valid_until": NOON, **changes,
        }  # fmt: skip
        about = {"attempt_id": number, "installment_id": "2026-01-15", "campaign_id": 1, "day_offset": -1, "try": 1}
        gone = row["state"] == "cancelled"

        def write(tx: Tx) -> None:
            tx.execute(t.attempts.insert(), row)
            for one in accounts:
                key = {"account_id": one, "window": number, "cancelled": gone}
                tx.execute(t.attempt_accounts.insert(), {**about, **key})

        self.store.run(write)

    def csv(self, *asked: Any, **more: Any) -> list[dict[str, str]]:
        path = self.folder / "a.csv"
        self.store.run(lambda tx: export.write_csv(tx, path, *asked, **more))
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def ids(self, *asked: Any) -> list[str]:
        return [row["attempt_id"] for row in self.csv(*asked)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_columns_are_those_promised_and_instants_are_utc_with_milliseconds(desk: Desk) -> None:
    desk.attempt(
        7, ("L-2", "L-1"), state="settled", disposition="human", outcome="reached", line="main", provider_ref="ref-7",
        placed_at=NOON, answered_at=NOON + timedelta(microseconds=4_500), ended_at=NOON + timedelta(seconds=61),
    )  # fmt: skip
    desk.csv()
    header, row = (desk.folder / "a.csv").read_text("utf-8").splitlines()
    assert header == COLUMNS
    assert row == (
        "7,monthly,L-1;L-2,P-1,A,2026-01-15,1,1,voice,main,+86138****8001,Asia/Shanghai,settled,,human,reached,"
        "2026-01-14T04:00:00.000Z,2026-01-14T04:00:00.000Z,2026-01-14T04:00:00.004Z,2026-01-14T04:01:01.000Z,ref-7"
    )


def test_phones_are_whole_only_when_asked_for_and_never_look_like_formulas(desk: Desk) -> None:
    desk.attempt(1)
    desk.attempt(2, phone="+12025550123")
    assert [row["phone"] for row in desk.csv()] == ["+86138****8001", "+1202***0123"]
    assert [row["phone"] for row in desk.csv(reveal=True)] == [ALICE, "+12025550123"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_would_run_is_neutralised(desk: Desk, start: str) -> None:
    desk.attempt(1, (f"{start}1+1",), person_id=f"{start}cmd", provider_ref=f"{start}x", segment="A=1")
    row, shown = desk.csv()[0], start.replace("\r", " ")
    assert (row["account_ids"], row["person_id"], row["provider_ref"]) == (f"'{shown}1+1", f"'{shown}cmd", f"'{shown}x")
    assert row["segment"] == "A=1"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_every_attempt_is_there_once_whatever_the_pages(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Attempts of one slot may fall on either side of a page's edge."""
    monkeypatch.setattr(views, "PAGE", 2)
    for number in range(count):
        desk.attempt(number + 1, planned_for=NOON - timedelta(seconds=number // 3))
    assert desk.ids() == [str(n) for n in (4, 5, 1, 2, 3) if n <= count]
    assert desk.store.run(lambda tx: write_jsonl(tx, desk.folder / "a.jsonl")) == count
    assert len((desk.folder / "a.jsonl").read_text().splitlines()) == count


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), max_size=9), st.integers(1, 4))
def test_the_order_is_by_slot_then_id(slots: list[int], page: int) -> None:
    store = Desk(Path())
    for number, slot in enumerate(slots, 1):
        store.attempt(number, planned_for=NOON + timedelta(seconds=slot))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "PAGE", page)
        found = store.store.run(lambda tx: [row.attempt_id for rows in views.attempts(tx, None, None) for row in rows])
    assert found == [number for _, number in sorted((slot, number) for number, slot in enumerate(slots, 1))]


def test_a_campaign_and_an_instant_narrow_the_file(desk: Desk) -> None:
    desk.attempt(1, planned_for=NOON - timedelta(microseconds=1))
    desk.attempt(2)
    desk.attempt(3, campaign_id=2)
    assert desk.ids() == ["1", "2", "3"]
    assert desk.ids("monthly") == ["1", "2"]
    assert desk.ids("monthly", NOON) == ["2"]
    assert desk.ids(None, NOON + timedelta(microseconds=1)) == []


@pytest.mark.parametrize("write", WRITERS)
def test_a_campaign_that_is_not_launched_is_an_error_and_no_empty_file(desk: Desk, write: Callable[..., int]) -> None:
    with pytest.raises(DialerError, match='no campaign is named "montly"; launched are: monthly, other'):
        desk.store.run(lambda tx: write(tx, desk.folder / "a", "montly"))
    assert list(desk.folder.iterdir()) == []


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_appears_whole_or_not_at_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, write: Callable[..., int]
) -> None:
    path = desk.folder / "a"
    path.write_text("older")
    for number in range(4):
        desk.attempt(number)
    monkeypatch.setattr(views, "PAGE", 2)
    accounts_of, pages = views.accounts_of, iter([True, False])

    def fails_at_the_second_page(tx: Tx, ids: list[int]) -> dict[int, list[str]]:
        if not next(pages):
            raise RuntimeError("the database went away")
        return accounts_of(tx, ids)

    monkeypatch.setattr(views, "accounts_of", fails_at_the_second_page)
    with pytest.raises(RuntimeError):
        desk.store.run(lambda tx: write(tx, path))
    assert path.read_text() == "older"
    monkeypatch.setattr(views, "accounts_of", accounts_of)
    assert desk.store.run(lambda tx: write(tx, path)) == 4
    assert path.stat().st_mode & 0o077 == 0
    assert list(desk.folder.iterdir()) == [path]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("where", ["missing/a.csv", "."])
def test_where_nothing_can_be_written_the_path_is_named(desk: Desk, write: Callable[..., int], where: str) -> None:
    with pytest.raises(DialerError, match="cannot be written"):
        desk.store.run(lambda tx: write(tx, desk.folder / where))


def history(scene: Scene, reveal: bool = False) -> list[dict[str, Any]]:
    path = scene.folder / "a.jsonl"
    store = scene.house.store
    assert isinstance(store, InlineStore)
    store.run(lambda tx: write_jsonl(tx, path, reveal=reveal))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_history_has_verdicts_events_and_reasons(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="1")
        await scene.load(
            account(1, ALICE) + account(2, ALICE, person=1) + account(3, BOB),
            due(1, "2026-01-15") + due(2, "2026-01-15") + late(3, "2025-12-15") + due(3, "2026-01-15"),
        )
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 08:00")
        scene.paid(3, "2026-01-15")
        await scene.until("2026-01-14 12:00")
        found = history(scene)
        answered = next(one for one in found if one["outcome"] == "says_paid")
        assert (answered["account_ids"], answered["round"], answered["try"]) == (["L-1", "L-2"], 1, 1)
        assert [(one["stage"], one["verdict"]) for one in answered["verdicts"]] == [("dialing", "pass")]
        kinds = [one["kind"] for one in answered["events"]]
        assert kinds.index("answered") < kinds.index("keyed") < kinds.index("ended")
        assert [one["digits"] for one in answered["events"] if one["kind"] == "keyed"] == ["1"]
        paid = [one for one in found if one["account_ids"] == ["L-3"] and one["state"] == "cancelled"]
        assert {one["reason"] for one in paid} == {"paid"}
        assert len(paid) == 2

    play(tmp_path, "2026-01-12 08:00", act)


def test_the_history_has_installments_promises_and_payments(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="2")
        await scene.load(account(1, ALICE) + account(2, ALICE, person=1), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 09:00")
        scene.paid(2, "2026-01-15")
        await scene.until("2026-01-15 09:00")
        scene.paid(1, "2026-01-15", "40.00")
        found = history(scene)
        whole = next(one for one in found if one["outcome"] == "promised")
        assert (whole["cause"], whole["detected"], whole["zones"]) == ("round", "human", ["Asia/Shanghai"])
        assert (whole["cost"], whole["currency"], whole["lost_at"]) == ("0.12", "CNY", None)
        assert whole["window_from"] <= whole["claimed_at"] <= whole["placed_at"] < whole["window_until"]
        assert whole["ended_at"] <= whole["settled_at"]
        key = {"account_id": "L-1", "installment_id": "2026-01-15"}
        assert [{**one, "made_at": ""} for one in whole["promises"]] == [
            {**key, "promised_on": "2026-01-15", "amount": "100.00", "currency": "CNY", "state": "open", "made_at": ""}
        ]
        first, second = whole["installments"]
        payment = {"paid_on": "2026-01-15", "amount": "40.00", "source": "command"}
        assert {**first, "payments": []} == {
            **key, "cancelled": False, "due_on": "2026-01-15", "amount": "100.00", "currency": "CNY", "payments": [],
        }  # fmt: skip
        assert first["payments"] == [{**payment, "recorded_at": "2026-01-15T01:00:00.000Z"}]
        assert (second["account_id"], second["cancelled"]) == ("L-2", True), "paid before: the call was not about it"
        assert [one["amount"] for one in second["payments"]] == ["100.00"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_an_attempt_without_anything_has_empty_lists(desk: Desk) -> None:
    desk.attempt(1)
    path = desk.folder / "a.jsonl"
    desk.store.run(lambda tx: write_jsonl(tx, path))
    [found] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [found[name] for name in ("promises", "verdicts", "events", "cost", "claimed_at")] == [
        [],
        [],
        [],
        None,
        None,
    ]
    [installment] = found["installments"]
    assert installment == {
        "account_id": "L-1", "installment_id": "2026-01-15", "cancelled": False, "due_on": None, "amount": None,
        "currency": None, "payments": [],
    }  # fmt: skip


# --- standard output ---------------------------------------------------------------------------------------------


def asked(folder: Path, *words: str) -> Result:
    (folder / "dialer.toml").write_text(SETTINGS.replace("unused.db", "dialer.db"), encoding="utf-8")
    try:
        return CliRunner().invoke(app, ["attempts", "--config", str(folder / "dialer.toml"), *words])
    finally:
        structlog.reset_defaults()  # the command logs to the runner's standard error, which is closed now


def test_a_dash_is_standard_output_and_nothing_else_is_said_there(tmp_path: Path) -> None:
    assert asked(tmp_path, "--csv", "-").exit_code == 1  # no database yet
    assert CliRunner().invoke(app, ["db", "upgrade", "--config", str(tmp_path / "dialer.toml")]).exit_code == 0
    done = asked(tmp_path, "--csv", "-")
    assert (done.exit_code, done.stdout) == (0, COLUMNS + "\n")
    assert asked(tmp_path, "--jsonl", "-").stdout == ""
    both = asked(tmp_path, "--csv", "-", "--jsonl", str(tmp_path / "a.jsonl"))
    assert both.stdout == COLUMNS + "\n"
    assert (tmp_path / "a.jsonl").read_text() == ""
    assert not Path("-").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "-", "--json"], "- and --json both print to standard output"),
        (["--csv", "-", "--jsonl", "-"], "--csv - and --jsonl - both print to standard output"),
        (
            ["--csv", "a.out", "--jsonl", "./a.out"],
            "--csv a.out and --jsonl a.out are one file; accepted: a file for each",
        ),
        ([], "nowhere to write to; accepted: --csv FILE, --jsonl FILE, or both"),
    ],
)
def test_two_things_on_one_standard_output_are_refused(tmp_path: Path, words: list[str], said: str) -> None:
    done = asked(tmp_path, *words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert said in " ".join(done.stderr.replace("│", "").split())


def test_phones_in_events_are_masked_and_the_same_story_gives_the_same_bytes(tmp_path: Path) -> None:
    async def act(scene: Scene) -> tuple[bytes, bytes]:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        key = scene.rows()[0].attempt_id
        event = {"attempt_id": key, "kind": "ended", "at": NOON, "received_at": NOON, "stray": True}
        store = scene.house.store
        assert isinstance(store, InlineStore)
        data = {"sender": ALICE, "text": f"call {BOB} instead", "talk_s": 2.5}
        store.run(lambda tx: tx.execute(t.events.insert(), {**event, "data": data}))
        revealed = next(one for one in history(scene, reveal=True) if one["events"])
        assert {name: revealed["events"][0][name] for name in data} == data
        masked = next(one for one in history(scene) if one["events"])
        assert masked["events"][0]["sender"] == "+86138****8001"
        assert masked["events"][0]["text"] == "call +86138****8002 instead"
        assert masked["events"][0]["talk_s"] == 2.5
        whole = (scene.folder / "a.jsonl").read_bytes()
        assert ALICE.encode() not in whole
        store.run(lambda tx: export.write_csv(tx, scene.folder / "a.csv"))
        return whole, (scene.folder / "a.csv").read_bytes()

    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    assert play(tmp_path / "1", "2026-01-12 08:00", act) == play(tmp_path / "2", "2026-01-12 08:00", act)
