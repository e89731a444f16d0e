"""Progress of what takes long: on standard error, after two seconds, and only for people.

On a terminal a bar or a spinner that goes when the work is done; in a pipe a line each ten seconds; with --json none.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

AFTER_S = 2.0
LINE_EVERY_S = 10.0
TURN_S = 0.1
"""How often a spinner turns."""


class Working:
    """One piece of work. `with` where `advance` is called often, `async with` where the event loop is free meanwhile.

    `total`: rows or the like, None where nobody knows. `console`: None for silence. `at_once`: for what is known to
    take long; a thread of its own turns that spinner, so no process may be forked beside it.
    """

    def __init__(
        self, text: str, console: Console | None, total: int | None = None, unit: str = "", *, at_once: bool = False
    ) -> None:
        self._console, self._unit = console, unit
        self._after_s = 0.0 if at_once else AFTER_S
        self._shown_s = 0.0
        counts = "{task.fields[told]}" if unit or total is not None else ""
        bar = [BarColumn(bar_width=30)] if total is not None else []
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), *bar, TextColumn(counts), TimeElapsedColumn(),
            console=console, transient=True, auto_refresh=at_once, disable=console is None,
        )  # fmt: skip
        self._task: TaskID = self._bar.add_task(text, total=total, told="")
        self._turning: asyncio.Task[None] | None = None

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self._bar.advance(self._task, count)
        self._show()

    def expect(self, total: int) -> None:
        """So many rows or the like there will be."""
        self._bar.update(self._task, total=total)

    def reach(self, done: int, told: str) -> None:
        """So many are done in all; `told` says where it is, such as a day."""
        self._bar.update(self._task, completed=done, told=told)
        self._show()

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # One that was never started would leave an empty line.
        if self._bar.live.is_started:
            self._bar.stop()

    async def __aenter__(self) -> Self:
        if self._console is not None:
            self._turning = asyncio.create_task(self._turn())
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._turning is not None:
            self._turning.cancel()
            with suppress(asyncio.CancelledError):
                await self._turning
        self.__exit__(kind, error, at)

    async def _turn(self) -> None:
        while True:
            await asyncio.sleep(TURN_S)
            self._show()

    def _show(self) -> None:
        if self._console is None:
            return
        task = self._bar.tasks[0]
        elapsed_s = task.elapsed or 0.0
        every_s = TURN_S if self._console.is_terminal else LINE_EVERY_S
        first_s = self._after_s if self._console.is_terminal else LINE_EVERY_S
        if elapsed_s < max(first_s, self._shown_s + every_s if self._shown_s else 0.0):
            return
        self._shown_s = elapsed_s
        if self._unit:
            self._bar.update(self._task, told=self._counted(task.completed, task.total))
        if self._console.is_terminal:
            # Only now: a bar that is never shown shall leave no trace.
            self._bar.start()
            self._bar.refresh()
        else:
            told = task.fields["told"]
            self._console.print(f"{task.description}: {f'{told}, ' if told else ''}{elapsed_s:.0f} s", markup=False)

    def _counted(self, done: float, total: float | None) -> str:
        return f"{done:,.0f}{f' of {total:,.0f}' if total is not None else ''} {self._unit}"
