"""`dialer run`: builds the house from the settings, starts the loops and the bells, and stops cleanly."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from uuid import uuid4

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from adapters import loader
from config.settings import Settings
from dialer import check, garbage, notify, outlook, record, sweep, zones
from dialer.alike import goes_by
from dialer.crew import Crew
from dialer.errors import DialerError
from dialer.house import House, open_house
from dialer.log import log
from dialer.mark import Marker
from dialer.notify import Notifier
from dialer.pulse import Pulse
from dialer.stopping import Stop
from dialer.store.database import said
from dialer.store.holder import only_one
from dialer.web import app as web
from dialer.worker import Fitted, Worker


def fit_adapters(settings: Settings) -> dict[str, Fitted]:
    """Builds every adapter that a line names."""
    fitted = {}
    for name in sorted({line.adapter for line in settings.lines.values()}):
        spec = loader.load(name)
        fitted[name] = Fitted(spec.build(check.adapter_settings(spec, settings)), spec)
    return fitted


async def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Raises DialerError when another daemon has the database."""
    notifier = notify.from_environment(os.environ)
    fitted = fit_adapters(settings)
    with only_one(settings.database), _hooks(settings, fitted) as port:
        notifier.tell(STATUS="opening the database; a large one takes its time after an upgrade")
        async with open_house(settings, holds=True) as house:
            await zones.refresh(house)
            marker = await Marker.open(house.store, settings.database, house.clock)
            name = f"{os.uname().nodename}-{os.getpid()}-{uuid4().hex[:6]}"
            worker = Worker(house, fitted, name, placed=marker.placed)
            try:
                await _serve(house, worker, notifier, marker, port)
            finally:
                marker.close()


@contextmanager
def _hooks(settings: Settings, fitted: Mapping[str, Fitted]) -> Iterator[socket.socket | None]:
    """Where providers' callbacks are taken; None: no adapter has any. Raises DialerError: who dialed without them would
    know of no answer and of no STOP."""
    called = sorted(name for name, one in fitted.items() if one.spec.calls_back)
    if not called:
        yield None
        return
    host, port = settings.web.host, settings.web.port
    try:
        listening = web.listen(host, port)
    except OSError as error:
        told = str(error.strerror or error).partition(" (while ")[0]
        raise DialerError(
            f"nothing can listen on {host}:{port} ({told}), where {', '.join(called)} calls back; "
            "see [web] in the settings, another program may have the port"
        ) from error
    with listening:
        yield listening


async def _serve(house: House, worker: Worker, notifier: Notifier, marker: Marker, port: socket.socket | None) -> None:
    loop, stop = asyncio.get_running_loop(), Stop(house, worker)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    started_at = house.clock.now()
    await worker.open()
    garbage.settle()
    crew = await _join(house, worker)
    settings, pulse = house.settings.web, Pulse(house, worker, notifier)
    server = web.server(web.build(pulse.ready, house, worker.hook), settings.host, settings.port)
    serving = asyncio.create_task(_listen(server, settings.host, settings.port, port))
    beating = asyncio.create_task(pulse.run())
    turning = asyncio.create_task(crew.run()) if crew else None
    bells = _bells(house, worker, marker, started_at, crew)
    bells.start()
    # Planning has begun. It is not waited for: what is planned is dialed already, and a large portfolio takes minutes.
    notifier.tell(READY=1, STATUS="dialing")
    log.info("started", worker=worker.name, lines=sorted(house.settings.lines), web=f"{settings.host}:{settings.port}")
    try:
        await worker.run()
        notifier.tell(STOPPING=1, STATUS="stopping: no new calls, running ones are recorded")
        log.info("stopping", hint="no new calls; running ones are recorded")
    finally:
        bells.shutdown(wait=False)
        left = await stop.drain()
        await worker.close()
        await _sealing(house, worker)()
        await _guarded(worker, marker.bring)()
        if crew and turning:
            turning.cancel()
            await crew.close()
        server.should_exit = True
        await serving
        beating.cancel()
        await pulse.close()
        log.info("stopped", running_calls_left=left)


async def _join(house: House, worker: Worker) -> Crew | None:
    """None: this worker is alone on its database."""
    if not house.store.is_shared:
        return None

    def noticed() -> None:
        worker.wake.set()
        worker.look.set()

    own = goes_by(house.settings)
    crew = Crew(house, worker.name, noticed, worker.take_over, worker.troubles, goes_by=own)
    await crew.open()
    worker.present = crew.is_present
    return crew


async def _listen(server: web.Server, host: str, port: int, hooks: socket.socket | None) -> None:
    """Where nobody calls back, a port that is taken must not keep borrowers from being reminded: it is said."""
    try:
        # Our own socket: of one that it can't have uvicorn would say so in words of its own.
        await server.serve([hooks or web.listen(host, port)])
    except (SystemExit, OSError):
        log.error(
            "web_not_listening",
            host=host,
            port=port,
            hint="it dials on; see the address and the port of [web], another program may have it",
        )


def _bells(house: House, worker: Worker, marker: Marker, started_at: datetime, crew: Crew | None) -> AsyncIOScheduler:
    """APScheduler only rings; what is to be done stands in the database. Of many workers the one on duty does it."""
    # It warns where a bell rings while its work still goes on: that is meant to be left out.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    bells = AsyncIOScheduler(timezone=house.settings.lender.time_zone, job_defaults=defaults)

    async def daily() -> None:
        await sweep.daily(house)
        worker.wake.set()
        log.info("outlook", today=await house.store.read(lambda tx: outlook.tell(tx, house)), see="dialer status")

    async def minutely() -> None:
        await sweep.expire(house)
        await sweep.standstill(house, worker.dialer.last_placed_at, started_at)

    duty, guarded = partial(_on_duty, crew), partial(_guarded, worker)
    bells.add_job(guarded(duty(daily)), CronTrigger(hour=0, minute=5, timezone=house.zone))

    def today() -> None:
        """At the start too, and when the duty comes to us: who was down at 00:05 must not forget the day."""
        bells.add_job(guarded(duty(daily)), next_run_time=house.clock.now())

    today()
    if crew is not None:
        crew.began = today
    bells.add_job(guarded(worker.report_lines), IntervalTrigger(seconds=60, timezone=house.zone))
    bells.add_job(guarded(duty(minutely)), IntervalTrigger(seconds=60, timezone=house.zone))
    bells.add_job(guarded(marker.bring), IntervalTrigger(seconds=60, timezone=house.zone))
    bells.add_job(_sealing(house, worker), IntervalTrigger(seconds=60, timezone=house.zone))
    if house.settings.digest is not None:
        # Its libraries take their time to import.
        from dialer.digest_send import Courier

        ring = guarded(duty(Courier(house).ring))
        # On the minute, and at the start for an hour that was missed.
        bells.add_job(ring, CronTrigger(minute="*", timezone=house.zone), next_run_time=house.clock.now())
    return bells


def _on_duty(crew: Crew | None, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """What only one of many workers does."""

    async def ring() -> None:
        if crew is None or crew.on_duty:
            await work()

    return ring


def _sealing(house: House, worker: Worker) -> Callable[[], Awaitable[None]]:
    """Seals what was recorded since, into this worker's chain."""

    async def work() -> None:
        await record.seal(house, worker.name)

    return _guarded(worker, work)


def _guarded(worker: Worker, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """A bell's failure is said; it rings again."""

    async def ring() -> None:
        try:
            with suppress(asyncio.CancelledError):  # it stops: APScheduler would tell it as a fault
                await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the daemon goes on
            if worker.troubles.is_news("bell", error, lasts=False):
                log.error("bell_failed", error=said(error), hint="it is tried again at its next time")

    return ring
