"""PostgreSQL's months: made ahead, filled by an attempt's id alone, dropped when they are empty."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from dialer.store import Store, Tx, month_rows, partitions
from dialer.store import attempts as attempt_store
from dialer.store.common import first_number, insert_all, take_numbers
from dialer.store.record_tables import digests

TODAY = date(2026, 1, 20)
AT = datetime(2026, 1, 20, tzinfo=UTC)


def test_months_before_this_one_and_ahead() -> None:
    assert partitions.months(date(2026, 11, 30)) == [
        date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1),
    ]  # fmt: skip


def _events(tx: Tx, ids: list[int]) -> None:
    attempt_store.add_events(tx, [(key, "ringing", AT, AT, f"i{key}", False, {}) for key in ids])


def _lie_in(tx: Tx) -> dict[str, int]:
    rows = tx.execute(text("SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1"))
    return {row[0]: row[1] for row in rows}


async def test_a_row_lies_in_the_month_of_its_due_date(postgres_url: str) -> None:
    store = Store(postgres_url)
    made = await store.write(lambda tx: partitions.add(tx, TODAY))
    assert made == partitions.months(TODAY)
    assert await store.write(lambda tx: partitions.add(tx, TODAY)) == []

    def fill(tx: Tx) -> dict[str, int]:
        days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2031, 5, 5)]
        ids = take_numbers(tx, days)
        nexts = [date.fromordinal(day.toordinal() + 1) for day in days]
        assert all(
            first_number(day) <= key < first_number(after) for day, key, after in zip(days, ids, nexts, strict=True)
        )
        _events(tx, [*ids, 7])  # 7: an id from SQLite
        return _lie_in(tx)

    assert await store.write(fill) == {"events_2026_01": 1, "events_2026_02": 2, "events_other": 2}
    await store.close()


async def test_an_event_is_known_by_its_identity_in_each_month(postgres_url: str) -> None:
    store = Store(postgres_url)
    await store.write(lambda tx: partitions.add(tx, TODAY))
    key = first_number(TODAY) + 1
    await store.write(lambda tx: _events(tx, [key]))
    with pytest.raises(Exception, match=r"identity"):
        await store.write(lambda tx: _events(tx, [key]))
    await store.close()


async def test_only_empty_months_that_are_over_are_dropped(postgres_url: str) -> None:
    store = Store(postgres_url)
    await store.write(lambda tx: partitions.add(tx, TODAY))
    await store.write(lambda tx: _events(tx, [first_number(date(2025, 12, 3)) + 1]))
    over = await store.read(lambda tx: partitions.over(tx, date(2026, 3, 1)))
    assert over == [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
    assert [await store.write(lambda tx, of=of: partitions.drop_empty(tx, of)) for of in over] == [False, True, True]
    assert await store.read(lambda tx: partitions.missing(tx, TODAY)) == [date(2026, 1, 1), date(2026, 2, 1)]
    assert await store.read(_lie_in) == {"events_2025_12": 1}
    await store.close()


async def test_only_what_is_asked_for_is_read_of_a_month(postgres_url: str) -> None:
    store, month = Store(postgres_url), date(2025, 12, 1)
    ids = [first_number(month) + number for number in range(1, 20_001)]

    def fill(tx: Tx) -> None:
        partitions.add(tx, TODAY)
        for table in ("events", "digests"):
            tx.execute(text(f"ALTER TABLE {table}{'_2025_12' * (table == 'events')} SET (autovacuum_enabled = false)"))
        _events(tx, ids)
        sealed = {"kind": "events", "seal_id": 1, "salt": b"s", "digest": b"d"}
        insert_all(tx, digests, [{**sealed, "row_id": number} for number in range(1, 20_001)])

    def read(tx: Tx) -> int:
        asked = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'events_2025_12'"
        return int(tx.execute(text(asked)).scalar_one())

    def unsalt(tx: Tx) -> int:
        month_rows.unsalt(tx, "events", month, (101, 2_000))
        return read(tx)

    def take_out(tx: Tx) -> int:
        assert partitions.hold(tx, month)
        partitions.take_out(tx, month, ids[::50])
        return read(tx)

    await store.write(fill)  # never analyzed as yet
    assert await store.write(take_out) == 0
    await store.write(lambda tx: tx.execute(text("ANALYZE events_2025_12, digests")))
    assert await store.write(unsalt) == 0
    assert await store.read(_lie_in) == {"events_other": 400}
    await store.close()
