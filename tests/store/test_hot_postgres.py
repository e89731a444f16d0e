"""PostgreSQL: the hot statements go by their indexes over a backlog of some twenty thousand attempts."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.util import await_only

from dialer.store import Store, Tx, partitions, prepared
from dialer.store.common import first_number
from tests.store.test_queues import HOT, NOW
from tests.support import postgres

MANY = 20_000
LARGE = 1_000
"""Rows from which on a table is not to be walked over."""
FIRST = first_number(date(2026, 1, 15))
MICROS = int(NOW.timestamp()) * 1_000_000
FILL = f"""
INSERT INTO persons (person_id, created_at) SELECT 'P-' || n, 1 FROM generate_series(1, {MANY}) n;
INSERT INTO accounts (account_id, person_id, name, phone, country, line_type, zones, language, time_zone, region,
    pay_to, consent_voice, consent_sms, imported_at)
  SELECT 'L-' || n, 'P-' || n, 'x', '+86138' || n, 'CN', 'mobile', 'Asia/Shanghai', 'zh-CN', '', 'CN',
    'x', 'yes', 'yes', 1
  FROM generate_series(1, {MANY}) n;
INSERT INTO attempts (attempt_id, campaign_id, person_id, segment, due_on, round, rounds, day_offset, "window", try,
    cause, entry, retries, infra, otherwise_used, channel, script, priority, phone, country, line_type, zones, state,
    due_at, planned_for, window_from, window_until, valid_until, claimed_at, placed_at, ended_at, settled_at,
    line, provider_ref)
  SELECT {FIRST} + n, 1 + n % 2, 'P-' || n, 'A', '2026-01-15', 1, 2, 0, 0, 1, 'round', 0, 0, 0, false,
    CASE WHEN n % 3 = 0 THEN 'sms' ELSE 'voice' END, 'reminder', 10, '+86138' || n, 'CN', 'mobile',
    'Asia/Shanghai', CASE WHEN n % 10 = 0 THEN 'settled' ELSE 'planned' END,
    {MICROS} + (n - {MANY} / 2) * 1000000::bigint,
    1, 1, {MICROS} + 86400000000, {MICROS} + 86400000000,
    CASE WHEN n % 10 = 0 THEN {MICROS} - n * 1000000::bigint END,
    CASE WHEN n % 10 = 0 THEN {MICROS} - n * 1000000::bigint END,
    CASE WHEN n % 10 = 0 THEN {MICROS} END, CASE WHEN n % 10 = 0 THEN {MICROS} END,
    CASE WHEN n % 10 = 0 THEN 'main' END, CASE WHEN n % 10 = 0 THEN 'ref' || n END
  FROM generate_series(1, {MANY}) n;
INSERT INTO attempt_accounts (attempt_id, account_id, installment_id, campaign_id, day_offset, "window", try)
  SELECT {FIRST} + n, 'L-' || n, '2026-01-15', 1 + n % 2, 0, 0, 1 FROM generate_series(1, {MANY}) n;
INSERT INTO events (attempt_id, kind, at, received_at, identity, stray, data)
  SELECT {FIRST} + n, 'ended', 1, 1, 'e' || n, false, '{{}}' FROM generate_series(1, {MANY}) n;
INSERT INTO verdicts (attempt_id, at, stage, verdict)
  SELECT {FIRST} + n, 1, 'dialing', 'pass' FROM generate_series(1, {MANY}) n;
INSERT INTO placements (attempt_id, campaign_id, person_id, phone, channel, script, claimed_at)
  SELECT {FIRST} + n, 1, 'P-' || n, '+86138' || n, 'voice', 'x', 1 FROM generate_series(1, {MANY}) n;
"""


@pytest.fixture(scope="module")
def full() -> Iterator[str]:
    with postgres.database() as url:

        def fill(tx: Tx) -> None:
            partitions.add(tx, date(2026, 1, 14))
            for statement in FILL.split(";\n"):
                if statement.strip():
                    tx.exec_driver_sql(statement)
            tx.exec_driver_sql("ANALYZE")

        run(url, fill)
        yield url


def run(url: str, work: Callable[[Tx], Any]) -> Any:
    async def write() -> Any:
        store = Store(url)
        try:
            return await store.write(work)
        finally:
            await store.close()

    return postgres.in_thread(write())


def plans(url: str, name: str, monkeypatch: pytest.MonkeyPatch, before: str = "") -> list[Any]:
    """How the server would run each statement of a hot one; `before`: done first, and undone."""
    asked: list[tuple[str, Any]] = []

    def heard(of: Callable[..., Any]) -> Callable[..., Any]:
        def call(tx: Tx, sql: str, values: Any, *rest: Any, **more: Any) -> Any:
            asked.append((sql, values))
            return of(tx, sql, values, *rest, **more)

        return call

    monkeypatch.setattr(prepared, "_fetch", heard(prepared._fetch))
    monkeypatch.setattr(prepared, "_change", heard(prepared._change))

    def explain(tx: Tx) -> list[Any]:
        if before:
            tx.exec_driver_sql(before)
        event.listen(tx, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        HOT[name](tx)
        found = []
        raw: Any = tx.connection.driver_connection
        for sql, values in [*asked]:
            if sql.startswith(("SELECT", "UPDATE", "DELETE")):
                made = await_only(raw.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values))
                found.append((json.loads(made) if isinstance(made, str) else made)[0]["Plan"])
        large = set(tx.execute(text("SELECT relname FROM pg_class WHERE reltuples > :of"), {"of": LARGE}).scalars())
        if before:
            tx.exec_driver_sql("ROLLBACK")
            tx.exec_driver_sql("BEGIN")
        assert {"accounts", "attempts_2026_01", "events_2026_01", "verdicts_2026_01", "persons"} <= large
        return [found, large]

    return run(url, explain)  # type: ignore[no-any-return]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def walked(url: str, name: str, monkeypatch: pytest.MonkeyPatch, before: str = "") -> list[str]:
    found, large = plans(url, name, monkeypatch, before)
    assert found
    return [
        node["Relation Name"]
        for plan in found
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in large
    ]


@pytest.mark.parametrize("name", list(HOT))
def test_no_hot_statement_walks_a_large_table(full: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert walked(full, name, monkeypatch) == []


def test_a_missing_index_would_be_seen(full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert walked(full, "take_due", monkeypatch, "DROP INDEX ix_attempts_due") != []


def test_due_attempts_come_out_of_their_index_in_order(full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the backlog is due: taking five of it must not sort it all."""
    found, _ = plans(full, "take_due", monkeypatch)
    every = [node for plan in found[:1] for node in nodes(plan)]
    assert "Sort" not in {node["Node Type"] for node in every}
    used = {node["Index Name"] for node in every if node.get("Relation Name") == "attempts_2026_01"}
    assert used == {"attempts_2026_01_campaign_id_channel_priority_due_at_idx"}
