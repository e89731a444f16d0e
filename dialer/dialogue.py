"""The running dialogues: which step each call stands at, kept in memory and, with every key, in the database."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from adapters import contract
from campaigns import script as scripts
from campaigns.file import Script
from campaigns.message import Values, choose, forms, render
from campaigns.model import Channel
from config.settings import LineSettings
from dialer import confirmation, secret
from dialer.attempt import Kind, State
from dialer.house import House, Launched
from dialer.inbound import Inbox
from dialer.news import News
from dialer.store import Tx
from dialer.store import attempts as attempt_store

NOTHING = Decimal(0)
LATE = timedelta(hours=1)
"""So long after its end what was heard in a call is still taken: the news of the end may have overtaken it."""
SILENCE_S = 5.0
"""Seconds without a key that count as silence."""
UNVERIFIED = "the person on the phone could not be verified; nothing was told"
"""For the task of whoever looks into it."""


@dataclass(slots=True)
class Dialogue:
    """One call's script, what its templates' names stand for, and where it stands."""

    script: Script
    values: Values
    position: scripts.Position | None = None
    voicemail: str | None = None
    """What the rule packs have said to a machine, a template; None: the script's own."""
    knows: scripts.Knows | None = None
    """Whether digits are what the person was asked for; None: nothing is on file, or it is not loaded."""
    is_loaded: bool = False
    """Whether `knows` was looked for; it is only where the script asks for digits."""
    heard: int = 0
    """How many things were heard: numbers the news, so that a repeated one is known."""
    is_keyed: bool = False
    """Whether a person has pressed a key."""
    notice: str = ""
    """What is said before all else: that the call is recorded."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A provider may ask twice at once; the second gets the first one's answer."""


def values_of(house: House, row: Any, accounts: list[Any], language: str, now: datetime) -> Values:
    """What a template's names stand for, from the accounts of an attempt (its row) that are still open.

    Without any, which only a confirmation can be, for it names nobody: its person has another number by now.
    """
    lender = house.settings.lender
    zone = ZoneInfo(row.zones[0] if row.zones else lender.time_zone)
    still = [account for account in accounts if account.is_open] or accounts
    first = still[0] if still else None
    return Values(
        name=first.name if first else "",
        lender=lender.name,
        lender_phone=lender.phone,
        due_on=row.due_on,
        amounts=tuple([max(account.amount - account.paid_amount, NOTHING) for account in still]),
        currency=first.currency if first else lender.currency,
        pay_to=tuple([account.pay_to for account in still if account.pay_to]),
        today=now.astimezone(zone).date(),
        language=language or (first.language if first else "") or lender.language,
    )


def record_notice(line: LineSettings, language: str) -> str:
    """What a recorded call on this line begins with; empty: in this language no call is recorded."""
    return line.record_notice.get(language) or line.record_notice.get(language.partition("-")[0], "")


@dataclass(slots=True)
class Words:
    """All that one attempt may say. `script`, `voicemail` and `notice` as of a dialogue; of a message the text."""

    values: Values
    text: str
    script: Script | None
    voicemail: str | None
    notice: str


@dataclass(slots=True)
class Spoken:
    """What one attempt would say, worked out when it is first asked for. `row`: an attempt's. It is the `Wording` that
    the gate is asked about."""

    house: House
    one: Launched
    row: Any
    accounts: list[Any]
    now: datetime
    _values: Values | None = None
    _text: str | None = None
    _names: Mapping[str, tuple[str, ...]] | None = None

    @property
    def values(self) -> Values:
        """What the names stand for, from the accounts that are still open."""
        if self._values is None:
            row = self.row
            language = self.one.file.script[row.script].language if row.channel == Channel.VOICE else ""
            self._values = values_of(self.house, row, self.accounts, language, self.now)
        return self._values

    @property
    def text(self) -> str:
        """The message as it is sent, in the person's language; of a call what is said first."""
        if self._text is None:
            values, row, file = self.values, self.row, self.one.file
            if row.channel == Channel.VOICE:
                script = file.script[row.script]
                first = script.step[script.first]
                template = choose(first.say, first.say_many, len(values.amounts))
            elif row.cause == confirmation.CAUSE:
                template = confirmation.template(self.house.settings, values.language)
            else:
                message = file.message[row.script]
                template = choose(message.text, message.text_many, len(values.amounts))
            self._text = render(template, values)
        return self._text

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """What the names say, in all their forms."""
        if self._names is None:
            self._names = forms(self.values)
        return self._names

    @property
    def offers_stop(self) -> bool:
        """Whether a key of the call stops all contact."""
        return self.row.channel == Channel.VOICE and self.one.offers_stop(self.row.script)

    def words(self, line: LineSettings) -> Words:
        """All that it says on this line."""
        row, values = self.row, self.values
        if row.channel != Channel.VOICE:
            return Words(values, self.text, None, None, "")
        script = self.one.file.script[row.script]
        voicemail = self.one.rules(self.accounts, row.country).limited_message(script.language)
        return Words(values, "", script, voicemail, record_notice(line, values.language))


@dataclass(slots=True)
class Dialogues:
    """Gives every adapter the next step; what was heard is durable before the answer."""

    house: House
    inbox: Inbox
    _running: dict[int, Dialogue] = field(default_factory=dict)

    def begin(self, attempt_id: int, dialogue: Dialogue) -> None:
        self._running[attempt_id] = dialogue

    def end(self, attempt_id: int) -> None:
        self._running.pop(attempt_id, None)

    async def step(self, attempt_id: int, heard: contract.Heard) -> contract.Step:
        """The next step. A call we know nothing of is hung up; what is heard twice moves nothing.

        A machine that is told of when a person has pressed a key, or while it hears its message, changes nothing.
        """
        dialogue = self._running.get(attempt_id)
        if dialogue is None or (heard.number or 0) > dialogue.heard:  # another worker led it since
            dialogue = await self._recall(attempt_id)
        if dialogue is None:
            return contract.Step("", "", "hang_up")
        async with dialogue.turn:
            told, position = heard.number is not None and heard.number < dialogue.heard, dialogue.position
            late = heard.what == "machine" and position is not None and (position.done or dialogue.is_keyed)
            if position is not None and (told or late):
                step = self._render(dialogue, scripts.resume(dialogue.script, position, dialogue.voicemail))
                return replace(step, goes_on=late)
            return await self._advance(attempt_id, dialogue, heard)

    async def _advance(self, attempt_id: int, dialogue: Dialogue, heard: contract.Heard) -> contract.Step:
        if not dialogue.is_loaded and scripts.asks_for_digits(dialogue.script):
            accounts = await self.house.store.look(lambda tx: attempt_store.roster(tx, [attempt_id])[attempt_id])
            dialogue.knows, dialogue.is_loaded = _knows(accounts), True
        if heard.what == "start" or dialogue.position is None:
            dialogue.position, said = scripts.begin(dialogue.script, dialogue.knows)
            if heard.what == "start":
                if said.unverified:
                    await self._take(attempt_id, dialogue, heard, dialogue.position, said)
                return self._render(dialogue, said, dialogue.notice)
        position, said = scripts.advance(
            dialogue.script, dialogue.position, _heard(heard), dialogue.knows, dialogue.voicemail
        )
        await self._take(attempt_id, dialogue, heard, position, said)
        dialogue.position = position
        return self._render(dialogue, said)

    async def _take(
        self, attempt_id: int, dialogue: Dialogue, heard: contract.Heard, position: scripts.Position, said: scripts.Said
    ) -> None:
        """What was heard, durable. The digits that a person is known by are not: only whether they were right."""
        digits = heard.digits
        if said.verified is not None:
            digits = ""
        elif len(digits) > 1 and scripts.asks_for_digits(dialogue.script):
            digits = secret.MASKED  # keyed in once more, or too late
        kind = {"machine": Kind.MACHINE_DETECTED, "transferred": Kind.TRANSFERRED}.get(heard.what, Kind.KEYED)
        news = News(
            kind,
            heard.at or self.house.clock.now(),
            attempt_id,
            identity=f"{attempt_id}/step/{dialogue.heard + 1}",
            digits=digits,
            verified="" if said.verified is None else "yes" if said.verified else "no",
            position=position.to_text(),
            said=said.outcome,
            promise=said.promise,
            unverified=UNVERIFIED if said.unverified else "",
        )
        await self.inbox.take([news])
        dialogue.heard += 1
        dialogue.is_keyed = dialogue.is_keyed or heard.what == "keys"

    def _render(self, dialogue: Dialogue, said: scripts.Said, notice: str = "") -> contract.Step:
        text = choose(said.say, said.say_many, len(dialogue.values.amounts))
        to = self.house.settings.transfers.get(said.transfer or "", "")
        return contract.Step(
            said.step,
            f"{notice} {render(text, dialogue.values) if text else ''}".strip(),
            said.then,
            dialogue.script.language,
            said.keys,
            said.digits,
            to=to,
            silence_s=SILENCE_S,
            number=dialogue.heard,
        )

    async def _recall(self, attempt_id: int) -> Dialogue | None:
        """A dialogue that another worker, or we before a restart, began."""

        def load(tx: Tx) -> tuple[Dialogue, bool] | None:
            row = attempt_store.by_id(tx, [attempt_id]).get(attempt_id)
            if row is None or row.channel != Channel.VOICE or not _may_speak(row, self.house.clock.now()):
                return None
            one = self.house.version(tx, row.campaign_id, row.version or 1)
            accounts = attempt_store.roster(tx, [attempt_id])[attempt_id]
            script = one.file.script.get(row.script)
            if script is None or not accounts:
                return None
            values = values_of(self.house, row, accounts, script.language, self.house.clock.now())
            position = scripts.Position.from_text(row.position) if row.position else None
            heard = attempt_store.steps_heard(tx, attempt_id)
            voicemail = one.rules(accounts, row.country).limited_message(script.language)
            line = self.house.settings.lines.get(row.line or "")
            notice = record_notice(line, values.language) if line else ""
            keyed, running = row.detected == "human" and heard > 0, row.state in attempt_store.RUNNING
            found = Dialogue(script, values, position, voicemail, heard=heard, notice=notice, is_keyed=keyed)
            return found, running

        dialogue, is_running = await self.house.store.look(load) or (None, False)
        if dialogue is not None and is_running:
            # Another request may have recalled it meanwhile: there is one, or two would be answered differently.
            known = self._running.get(attempt_id)
            if known is None or known.heard < dialogue.heard:
                self._running[attempt_id] = dialogue
            return self._running[attempt_id]
        return dialogue


def _may_speak(row: Any, now: datetime) -> bool:
    """Whether the call goes on, or ended so shortly ago that what was heard in it may still be on its way."""
    if row.state in attempt_store.RUNNING:
        return True
    return row.state == State.SETTLED and row.provider_ref is not None and now - row.ended_at <= LATE


def _knows(accounts: Iterable[Any]) -> scripts.Knows | None:
    """Digits of any of the accounts that the call is about; None where there are none on file."""
    kept = [(row.account_id, row.verify) for row in accounts if row.verify]
    return (lambda digits: secret.matches(digits, kept)) if kept else None


def _heard(heard: contract.Heard) -> scripts.Heard:
    match heard.what:
        case "keys":
            return scripts.Keys(heard.digits)
        case "machine":
            return scripts.Machine()
        case "transferred":
            return scripts.Transferred(heard.connected)
        case _:
            return scripts.Silence()
