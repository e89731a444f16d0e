"""`dialer tasks` and `dialer done`: what a human has to see to, and that it was."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from campaigns import verdict
from dialer import effects, shapes
from dialer.cli.schema import answers
from dialer.store import Store, desk
from dialer.store import tables as t
from dialer.task_model import KINDS
from tests.acceptance.test_schema import closed
from tests.support.command import run

OPENED = datetime.now(UTC) - timedelta(days=3)
OPEN = ("call_back", "review", "call_back")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An installation with three open tasks, the first of person P-3, who has two accounts."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    assert run(capsys, "import", "accounts", "accounts.csv").code == 0
    rows = [
        {
            "kind": kind, "person_id": f"P-{3 - number}", "attempt_id": None,
            "detail": "asked for from +12125550101", "opened_at": OPENED + timedelta(minutes=number),
        }
        for number, kind in enumerate(OPEN)
    ]  # fmt: skip

    async def add() -> None:
        store = Store(f"sqlite:///{tmp_path}/dialer.db")
        await store.write(lambda tx: desk.add_tasks(tx, rows))
        await store.close()

    asyncio.run(add())
    return tmp_path


def test_every_kind_that_is_opened_can_be_asked_for() -> None:
    assert set(KINDS) == {*effects.TASKS.values(), *get_args(verdict.Task)} - {""}


def test_the_oldest_open_task_comes_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "tasks", "--json").out)
    assert [(one["task_id"], one["kind"], one["person_id"]) for one in found["tasks"]] == [
        (1, "call_back", "P-3"), (2, "review", "P-2"), (3, "call_back", "P-1"),
    ]  # fmt: skip
    assert found["tasks"][0]["accounts"] == ["L-1003", "L-1004"]
    assert {one["detail"] for one in found["tasks"]} == {"asked for from +1212***0101"}
    some = json.loads(run(capsys, "tasks", "--kind", "call_back", "--most", "1", "--json").out)
    assert ([one["task_id"] for one in some["tasks"]], some["open"]) == ([1], 2)
    assert json.loads(run(capsys, "tasks", "--person", "P-2", "--json").out)["open"] == 1
    told = run(capsys, "tasks", "--most", "2").out
    assert "L-1003, L-1004" in told
    assert "… and 1 more" in told


def test_what_was_seen_to_is_closed_once_and_written_down(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alarms = json.loads(run(capsys, "status", "--json").out)["alarms"]
    assert "tasks_waiting" in [one["name"] for one in alarms]
    assert run(capsys, "done", "1", "3", "1", "--reason", "called +12125550101 back").out == "Closed: 1, 3.\n"
    assert [one["task_id"] for one in json.loads(run(capsys, "tasks", "--json").out)["tasks"]] == [2]
    again = json.loads(run(capsys, "done", "3", "2", "--json").out)
    Draft202012Validator(closed(shapes.of_answer("done", answers()["done"]))).validate(again)
    assert (again["changed"], again["detail"]["closed"]) == (True, [2])
    assert run(capsys, "done", "2").out == "2: closed already; nothing changed.\n"
    assert run(capsys, "tasks").out == "No task is open.\n"
    assert "tasks_waiting" not in run(capsys, "status", "--json").out
    told = json.loads(run(capsys, "explain", "L-1003", "--json").out)
    assert [one["kind"] for one in told["timeline"]].count("task") == 2  # opened, done
    noted = asyncio.run(actions(here))
    assert [(one.subject, one.detail) for one in noted] == [
        ("task 1", "called +1212***0101 back"), ("task 3", "called +1212***0101 back"), ("task 2", ""),
    ]  # fmt: skip


async def actions(folder: Path) -> list[object]:
    store = Store(f"sqlite:///{folder}/dialer.db")
    rows = await store.read(lambda tx: list(tx.execute(t.actions.select().where(t.actions.c.action == "done"))))
    await store.close()
    return rows


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ["tasks", "--kind", "reviw"],
            2,
            '--kind "reviw" is not known, perhaps "review" is meant; accepted: ',
        ),
        (["tasks", "--most", "0"], 2, "--most"),
        (["done"], 2, "TASK"),
        (["done", "one"], 2, "is no whole number"),
        (["done", "1", "--reason", "x" * 1_001], 2, "--reason has 1001 characters; accepted: at most"),
        (["done", "2", "99", "98"], 1, "no task has the id 99, 98; dialer tasks lists the open ones; none was closed"),
    ],
)
def test_wrong_words_close_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    done = run(capsys, *words)
    assert done.code == code
    assert told in done.err
    assert json.loads(run(capsys, "tasks", "--json").out)["open"] == 3


def test_without_a_database_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    for words in (["tasks"], ["done", "1"]):
        assert run(capsys, *words).code == 1
    assert not (tmp_path / "dialer.db").exists()
