"""What a lender and its operator do while the daemon dials, at random moments: each act as its command does it."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from dialer import check, intake, operate
from dialer.errors import DialerError
from dialer.house import House
from dialer.log import log
from dialer.planning import replan_touched
from dialer.roster import Account, Chunk, Installment, Suppression
from dialer.simulated import diary as told
from dialer.simulated.diary import Diary
from dialer.store import Tx

_WINDOW = re.compile(r'\["(\d\d):(\d\d)", "(\d\d):(\d\d)"\]')


@dataclass(slots=True)
class Portfolio:
    """The lender's own books: what its files say today."""

    accounts: dict[str, Account] = field(default_factory=dict)
    installments: dict[tuple[str, str], Installment] = field(default_factory=dict)

    def due_around(self, day: date) -> list[Installment]:
        """Open, and due within the days in which rounds are made."""
        return [one for one in self.installments.values() if one.is_open and -1 <= (one.due_on - day).days <= 4]


@dataclass(slots=True)
class Life:
    """Acts at random. `wake`: tells the daemon, as its polling would."""

    house: House
    campaign: Path
    folder: Path
    """For files that are launched or imported."""
    seed: int
    diary: Diary
    wake: Callable[[], None]
    books: Portfolio = field(default_factory=Portfolio)
    _draw: Random = field(init=False)
    _stopped: list[Suppression] = field(default_factory=list)
    _paid: list[Installment] = field(default_factory=list)
    _versions: int = 1
    _name: str = ""

    def __post_init__(self) -> None:
        self._draw = Random(f"{self.seed}|life")
        self._name = check.read_campaign(self.campaign, self.house.settings).name

    async def act(self) -> None:
        """One thing, drawn by its weight."""
        acts: dict[Callable[[], Coroutine[Any, Any, None]], int] = {
            self._pay: 30, self._reverse: 4, self._suppress: 12, self._lift: 4, self._pause: 6, self._halt: 5,
            self._relaunch: 8, self._move: 12, self._import_again: 8, self._pay_in_part: 6,
        }  # fmt: skip
        work = self._draw.choices(list(acts), list(acts.values()))[0]
        try:
            await work()
        except DialerError as error:
            # Said to the operator, who leaves it: nothing was changed.
            log.warning("act_refused", act=work.__name__, error=str(error))
        self.wake()

    # --- files ------------------------------------------------------------------------------------------------------

    async def import_accounts(self, rows: list[Account]) -> None:
        self.books.accounts.update((row.account_id, row) for row in rows)
        await self._load("accounts", rows, told.accounts_csv(rows))

    async def import_installments(self, rows: list[Installment]) -> None:
        for row in rows:
            self.books.installments[row[:2]] = row
        await self._load("installments", rows, told.installments_csv(rows))

    async def import_suppressions(self, rows: list[Suppression]) -> None:
        await self._load("suppressions", rows, told.suppressions_csv(rows))

    async def _load(self, kind: str, rows: list[Any], text: str) -> None:
        what: intake.Kind[Any] = intake.KINDS[kind]
        touched = replan_touched(self.house)
        for start in range(0, len(rows), 500):
            chunk: Chunk[Any] = Chunk([(None, row) for row in rows[start : start + 500]], [])  # type: ignore[misc]
            now = self.house.clock.now()
            await self.house.store.write(partial(what.load, chunk=chunk, now=now, touched=touched))
        self._note("import", kind=kind, text=text)

    async def launch(self, text: str) -> None:
        path = self.folder / f"version-{self._versions}.toml"
        path.write_text(text, encoding="utf-8")
        done = await operate.launch(self.house, path)
        self._note("launch", campaign=done.name, text=text)

    # --- acts -------------------------------------------------------------------------------------------------------

    async def _pay(self) -> None:
        if (one := self._due()) is None:
            return
        today = self.house.today(self.house.clock.now())

        def pay(tx: Tx) -> object:
            return intake.record_payment(
                tx, one.account_id, one.due_on, None, today, self.house.clock.now(), replan_touched(self.house)
            )

        await self.house.store.write(pay)
        self._book(one, one.amount, today)
        self._note_payment(one, today, reverse=False)
        self._paid.append(one)

    async def _pay_in_part(self) -> None:
        """By the next file: cumulative."""
        if (one := self._due()) is not None:
            part = (one.paid_amount + one.amount) / 2
            day = self.house.today(self.house.clock.now())
            await self.import_installments([one._replace(paid_on=day, paid_amount=part.quantize(one.amount))])

    async def _reverse(self) -> None:
        if not self._paid:
            return
        one = self._paid.pop(self._draw.randrange(len(self._paid)))
        at = self.house.clock.now()

        def reverse(tx: Tx) -> object:
            return intake.reverse_payment(tx, one.account_id, one.due_on, None, at, replan_touched(self.house))

        await self.house.store.write(reverse)
        self._book(one, one.amount * 0, None)
        self._note_payment(one, self.house.today(at), reverse=True, at=at)

    async def _suppress(self) -> None:
        account = self._someone()
        by_phone, channel = self._draw.random() < 0.5, self._draw.choice(("", "", "voice", "sms"))
        until = None if self._draw.random() < 0.7 else self.house.today(self.house.clock.now()) + timedelta(days=1)
        phone, person = (account.phone, None) if by_phone else (None, account.person_id)
        value = Suppression(phone, person, channel, "asked by mail", until)
        touched = replan_touched(self.house)
        await self.house.store.write(lambda tx: intake.suppress(tx, value, "command", self.house.clock.now(), touched))
        self._stopped.append(value)
        self._note("suppress", **{**value._asdict(), "until": None if until is None else str(until)})

    async def _lift(self) -> None:
        if not self._stopped:
            return
        value = self._stopped.pop(self._draw.randrange(len(self._stopped)))
        at, touched = self.house.clock.now(), replan_touched(self.house)
        await self.house.store.write(
            lambda tx: intake.lift(tx, value.phone, value.person_id, value.channel, "a mistake", at, touched)
        )
        self._note("lift", at=at, phone=value.phone, person_id=value.person_id, channel=value.channel)

    async def _pause(self) -> None:
        await operate.set_status(self.house, self._name, "paused")
        self._note("pause", campaign=self._name)
        await self._sleep(timedelta(minutes=self._draw.randrange(1, 90)))
        at = self.house.clock.now()
        await operate.set_status(self.house, self._name, "active")
        self._note("resume", at=at, campaign=self._name)

    async def _halt(self) -> None:
        await operate.halt(self.house, "a drill")
        self._note("halt")
        await self._sleep(timedelta(minutes=self._draw.randrange(1, 30)))
        at = self.house.clock.now()
        await operate.unhalt(self.house)
        self._note("unhalt", at=at)

    async def _relaunch(self) -> None:
        """Another version: the same rounds, in windows that end a little sooner, or the same windows."""
        text = self.campaign.read_text(encoding="utf-8-sig")
        self._versions += 1
        windows = list(_WINDOW.finditer(text))
        if windows and self._draw.random() < 0.7:
            text = _sooner(text, self._draw.choice(windows), self._draw.choice((5, 10, 20)))
        await self.launch(f"{text}\n# version {self._versions}\n")

    async def _move(self) -> None:
        """A person has another number, or moved, or an account is another person's."""
        account = self._someone()
        kind = self._draw.choice(("phone", "phone", "person", "consent"))
        if kind == "phone":
            account = account._replace(phone=f"{account.phone[:-6]}{self._draw.randrange(10**6):06d}")
        elif kind == "person":
            account = account._replace(person_id=f"{account.person_id}-x")
        else:
            account = account._replace(consent_voice=self._draw.choice(("yes", "no", "")))
        await self.import_accounts([account])

    async def _import_again(self) -> None:
        """Yesterday's files once more."""
        names = self._draw.sample(sorted(self.books.accounts), min(50, len(self.books.accounts)))
        await self.import_accounts([self.books.accounts[name] for name in names])
        await self.import_installments(
            [one for one in self.books.installments.values() if one.account_id in set(names)]
        )

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _due(self) -> Installment | None:
        found = self.books.due_around(self.house.today(self.house.clock.now()))
        return self._draw.choice(found) if found else None

    def _someone(self) -> Account:
        """Mostly somebody who is called these days."""
        one = self._due()
        return self.books.accounts[one.account_id if one else self._draw.choice(sorted(self.books.accounts))]

    def _book(self, one: Installment, amount: Any, day: date | None) -> None:
        self.books.installments[one[:2]] = one._replace(paid_on=day, paid_amount=amount)

    def _note_payment(self, one: Installment, day: date, *, reverse: bool, at: datetime | None = None) -> None:
        self._note(
            "paid",
            at,
            account_id=one.account_id,
            due_on=str(one.due_on),
            amount=None,
            paid_on=str(day),
            reverse=reverse,
        )

    def _note(self, action: str, at: datetime | None = None, **what: Any) -> None:
        self.diary.act(at or self.house.clock.now(), action, **what)

    async def _sleep(self, span: timedelta) -> None:
        self.wake()
        await self.house.clock.sleep_until(self.house.clock.now() + span)


def _sooner(text: str, window: "re.Match[str]", minutes: int) -> str:
    """The file with one window that ends so much sooner, where it is longer than an hour."""
    begins, ends = (int(window[n]) * 60 + int(window[n + 1]) for n in (1, 3))
    if ends - begins < 60 + minutes:
        return text
    ends -= minutes
    changed = f'["{window[1]}:{window[2]}", "{ends // 60:02d}:{ends % 60:02d}"]'
    return text[: window.start()] + changed + text[window.end() :]
