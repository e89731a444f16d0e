"""What people use instead, at the same work and the same durability: APScheduler, Procrastinate.

APScheduler commits once an attempt, when it deletes the job, which is before the job runs: a kill then loses it.
Procrastinate commits when it fetches a job and when it finishes it.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Engine, create_engine, event

from benchmarks.contender import Contender, Options
from benchmarks.figures import peak_mb, percentiles

CONCURRENCY, POOL = 100, 4
POLL_S = 0.02
"""How often Procrastinate looks for jobs that fall due, which no notification tells of."""
BATCH = 1_000


def dispatch(options: Options, count: int) -> list[Contender]:
    values = {"count": count}
    return [
        Contender("APScheduler, SQLite", "sqlite", "benchmarks.peers:apscheduler_rate", values),
        Contender("Procrastinate, PostgreSQL", "postgresql", "benchmarks.peers:procrastinate_rate", values),
    ]


def punctuality(options: Options, rate: int, seconds: int) -> list[Contender]:
    values = {"rate": rate, "seconds": seconds}
    return [
        Contender("APScheduler, SQLite", "sqlite", "benchmarks.peers:apscheduler_lateness", values, 1),
        Contender("Procrastinate, PostgreSQL", "postgresql", "benchmarks.peers:procrastinate_lateness", values, 1),
    ]


class Seen:
    """The provider of both: counts, notes how late it was called, and tells when all are through."""

    def __init__(self) -> None:
        self.left = 0
        self.late_s: list[float] = []
        self.done = asyncio.Event()

    def take(self, due_s: float | None) -> None:
        if due_s is not None:
            self.late_s.append(time.time() - due_s)
        self.left -= 1
        if not self.left:
            self.done.set()


SEEN: Seen
"""Set for each measurement. APScheduler keeps jobs as the names of their functions, which find it here."""


async def call(due_s: float | None = None) -> None:
    """The no-op provider."""
    SEEN.take(due_s)


def _expect(count: int) -> Seen:
    global SEEN
    SEEN = Seen()
    SEEN.left = count
    return SEEN


# --- APScheduler -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _scheduler(database: str) -> Any:
    engine = create_engine(database)
    _make_durable(engine)
    scheduler = AsyncIOScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=engine)}, executors={"default": AsyncIOExecutor()}, timezone=UTC
    )
    scheduler.start(paused=True)
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)
        engine.dispose()


def _make_durable(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")


def apscheduler_rate(database: str, folder: str, count: int) -> dict[str, float]:
    async def measure() -> dict[str, float]:
        seen = _expect(count)
        async with _scheduler(database) as scheduler:
            at, started = datetime.now(UTC), time.perf_counter()
            for _ in range(count):
                scheduler.add_job(call, "date", run_date=at, misfire_grace_time=None)
            planned = count / (time.perf_counter() - started)
            started = time.perf_counter()
            scheduler.resume()
            await seen.done.wait()
            taken = time.perf_counter() - started
            assert not scheduler.get_jobs()
        return {"rate": count / taken, "planned": planned, "peak_mb": peak_mb()}

    return asyncio.run(measure())


def apscheduler_lateness(database: str, folder: str, rate: int, seconds: int) -> dict[str, float]:
    async def measure() -> dict[str, float]:
        seen, count = _expect(rate * seconds), rate * seconds
        async with _scheduler(database) as scheduler:
            first = time.time() + 2 + 2 * count * _seconds_a_job(scheduler)
            for number in range(count):
                at = first + number / rate
                due = datetime.fromtimestamp(at, UTC)
                scheduler.add_job(call, "date", args=[at], run_date=due, misfire_grace_time=None)
            assert time.time() < first, "planning took longer than was thought"
            scheduler.resume()
            await seen.done.wait()
        return percentiles(seen.late_s)

    return asyncio.run(measure())


def _seconds_a_job(scheduler: AsyncIOScheduler) -> float:
    """How long it takes to plan one, today, on this disk."""
    began, probes = time.perf_counter(), 50
    for _ in range(probes):
        scheduler.add_job(call, "date", run_date=datetime.now(UTC) + timedelta(days=1))
    scheduler.remove_all_jobs()
    return (time.perf_counter() - began) / probes


# --- Procrastinate -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def _app(database: str) -> Any:
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database, min_size=POOL, max_size=POOL))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        yield app, app.task(name="call")(call)


def procrastinate_rate(database: str, folder: str, count: int) -> dict[str, float]:
    async def measure() -> dict[str, float]:
        seen = _expect(count)
        async with _app(database) as (app, task):
            started = time.perf_counter()
            for begin in range(0, count, BATCH):
                await task.batch_defer_async(*[{}] * min(BATCH, count - begin))
            planned = count / (time.perf_counter() - started)
            await app.connector.execute_query_async("ANALYZE")
            started = time.perf_counter()
            # It ends when nothing waits any more, and all results are written.
            await app.run_worker_async(
                concurrency=CONCURRENCY, wait=False, listen_notify=False, install_signal_handlers=False
            )
            taken = time.perf_counter() - started
            assert seen.done.is_set()
        return {"rate": count / taken, "planned": planned, "peak_mb": peak_mb()}

    return asyncio.run(measure())


def procrastinate_lateness(database: str, folder: str, rate: int, seconds: int) -> dict[str, float]:
    async def measure() -> dict[str, float]:
        seen, count = _expect(rate * seconds), rate * seconds
        async with _app(database) as (app, task):
            first = time.time() + 3 + count / 1_000
            dues = [first + number / rate for number in range(count)]
            jobs = [task.configure(schedule_at=datetime.fromtimestamp(at, UTC)).make_new_job(due_s=at) for at in dues]
            for begin in range(0, count, BATCH):
                await app.job_manager.batch_defer_jobs_async(jobs=jobs[begin : begin + BATCH])
            assert time.time() < first, "planning took longer than was thought"
            await app.connector.execute_query_async("ANALYZE")
            running = asyncio.create_task(
                app.run_worker_async(
                    concurrency=CONCURRENCY, fetch_job_polling_interval=POLL_S, install_signal_handlers=False
                )
            )
            await asyncio.wait_for(seen.done.wait(), timeout=3 * seconds + timedelta(minutes=5).total_seconds())
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return percentiles(seen.late_s)

    return asyncio.run(measure())
