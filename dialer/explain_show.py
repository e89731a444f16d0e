"""How `dialer explain` prints an account's story, in its language."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dialer.explain_model import Answer, Explanation, Refusing, Room
from dialer.explain_words import day, listed, moment, sentences, tongue
from dialer.report_words import Speech
from dialer.timeline import Entry
from dialer.verdict_words import MADE
from dialer.wide import WideText

_STYLES = {
    "block": "bold red", "defer": "yellow", "pass": "green", "blocked": "bold red", "cancelled": "dim",
    "expired": "yellow", "settled": "bold",
}  # fmt: skip


def show(found: Explanation, console: Console) -> None:
    """Prints it: who, the answer in short, what is owed, the story, the gate's words, the rules that decided."""
    shown = _Shown(found, tongue(found.language))
    for line in shown.head():
        console.print(Group(shown.text(line)), soft_wrap=False)
    console.print()
    console.print(shown.story())
    console.print()
    show_gate(found, console)


def show_gate(found: Explanation, console: Console) -> None:
    """The gate's words, and the rules that decided."""
    shown = _Shown(found, tongue(found.language))
    for line in shown.gate():
        console.print(Group(shown.text(line)), soft_wrap=False)
    if rules := shown.rules():
        console.print()
        console.print(rules)


@dataclass(frozen=True)
class _Shown:
    """The parts of the page, in a language."""

    found: Explanation
    words: Speech

    def text(self, markup: str) -> Text:
        """A text that breaks between words, also where the console would leave that to the terminal."""
        found = Text.from_markup(markup)
        return WideText(found.plain, spans=found.spans) if self.words.words else found

    def head(self) -> Iterator[str]:
        """Who, the answer in short, what is owed. Account, name and phone come first: they are looked for."""
        found, say = self.found, self.words.say
        consents = [f"{say(channel)} {say(consent or 'unknown')}"
                    for channel, consent in (("voice", found.consent_voice), ("sms", found.consent_sms))]  # fmt: skip
        who = say(
            "person {0}; times of {1}; consent: {2}", found.person_id, found.time_zone, listed(self.words, consents)
        )
        whom = f"{escape(found.name)} {escape(found.phone)}"
        yield say("{0}, {1}", f"[bold]{escape(found.account_id)}[/] {whom}", escape(who))
        yield f"[bold]{escape(found.summary)}[/]"
        still = [one for one in found.installments if one.is_open]
        for one in still:
            yield escape(
                say("Open: due {0}, {1} of {2} {3} paid", one.due_on, one.paid_amount, one.amount, one.currency)
            )
        if not still:
            yield escape(say("Nothing is left to pay."))

    def story(self) -> Table:
        """A heading for each day; a line between what was and what is planned."""
        found, say = self.found, self.words.say
        table = _table(say("when"), say("what"), say("attempt"), "")
        for column in table.columns[:3]:
            column.no_wrap = True
        heading, is_past = "", True
        for entries in _together(found):
            first = entries[0]
            if is_past and first.at > found.asked_at:
                is_past = False
                table.add_row(*self._asked())
            if day(self.words, first.at) != heading:
                heading = day(self.words, first.at)
                table.add_row(f"[bold]{heading}[/]")
            numbers = _numbers([one.attempt_id for one in entries if one.attempt_id is not None])
            cells = (f"{first.at:%H:%M:%S}", say(first.kind), numbers, self.text(escape(_text(entries))))
            table.add_row(*cells, style=_style(first, is_past))
        if is_past:
            table.add_row(*self._asked())
        return table

    def _asked(self) -> Iterator[str]:
        lies = self.words.say("the instant asked about; what follows lies ahead")
        parts = (f"{self.found.asked_at:%H:%M:%S}", self.words.say("asked"), "", lies)
        return (f"[bold cyan]{part}[/]" if part else "" for part in parts)

    def gate(self) -> Iterator[str]:
        """What the gate would say, what it saw, what else refuses, what room is left, whose rules were asked."""
        found, say = self.found, self.words.say
        asked = moment(found.asked_at)
        if not found.answers:
            yield escape(say("At {} nothing would be placed: no campaign is launched.", asked))
        for packs, answers in groupby(found.answers, lambda answer: answer.packs):
            for answer in answers:
                of_what, said = escape(self._of_what(answer)), self._said(answer)
                yield say("At {0} the gate would say of {1}: {2}", asked, of_what, said)
                yield from (escape(self._other(one)) for one in answer.others)
                if rooms := [self._room(one) for one in answer.rooms]:
                    yield escape(say("Used of the limits: {}.", listed(self.words, rooms)))
            if packs:
                told = [say("{0} ({1} rule{1:|s})", one.name, one.rules) for one in packs]
                yield escape(say("Asked: {}.", say(", ").join(told)))

    def _of_what(self, answer: Answer) -> str:
        say = self.words.say
        if answer.attempt_id is None or answer.due_at is None:
            return say("any {0} in {1}, none being planned", say(MADE[answer.channel]), answer.campaign)
        due_at = moment(answer.due_at)
        return say("attempt {0} in {1}, due at {2}", str(answer.attempt_id), answer.campaign, due_at)

    def _said(self, answer: Answer) -> str:
        say, style = self.words.say, _STYLES[answer.verdict]
        verdict = f"[{style}]{say(answer.verdict)}[/]"
        if answer.verdict == "pass":
            last = answer.placeable_until
            until = say(", until {} at the latest", moment(last)) if last else ""
            broken = say(", {}", answer.reason) if answer.reason else ""
            return say("{}.", f"{verdict}{escape(broken)}{escape(until)}")
        reason = f"{answer.reason} [{answer.rule}]"
        seen = say("Seen: {}.", answer.seen) if answer.seen else ""
        told = sentences(self.words, filter(None, (say("{}.", reason), seen, *self._when(answer))))
        return say("{0}, {1}", verdict, escape(told))

    def _when(self, answer: Answer) -> Iterator[str]:
        """When the named rule would pass, and when all would."""
        say, alone = self.words.say, answer.rule_passes_at
        if answer.passes_at is None:
            yield say("It would not pass by waiting alone.")
        elif alone is not None and alone != answer.passes_at:
            yield say("This rule would first pass at {0}, all of them at {1}.", moment(alone), moment(answer.passes_at))
        else:
            yield say("It would first pass at {}.", moment(answer.passes_at))
        if answer.expires and answer.valid_until is not None:
            yield say("By then it has expired ({}).", moment(answer.valid_until))

    def _other(self, one: Refusing) -> str:
        say = self.words.say
        when = say("passes at {}", moment(one.passes_at)) if one.passes_at else say("not by waiting")
        return say("Refuses as well: {0} [{1}]; {2}.", one.reason, one.rule, when)

    def _room(self, one: Room) -> str:
        return self.words.say("{0} {1} of {2}", one.rule, one.used, one.max)

    def rules(self) -> Table | None:
        """The rules that decided something, each once: what it says and its source."""
        answers = self.found.answers
        told: list[Entry | Answer | Refusing | Room] = [*self.found.timeline, *answers]
        for answer in answers:
            told += [*answer.others, *answer.rooms]
        found = {one.rule: one for one in told if one.rule}
        if not found:
            return None
        say = self.words.say
        table = _table(say("rule"), say("says"), say("source"))
        for rule, one in sorted(found.items()):
            source = ", ".join(part for part in (one.citation, getattr(one, "url", None)) if part)
            source = source or say("no longer in the rule packs")
            table.add_row(self.text(escape(str(rule))), self.text(escape(one.says or "")), self.text(escape(source)))
        return table


def _table(*titles: str) -> Table:
    table = Table(*titles, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for column in table.columns:
        column.overflow = "fold"  # in a narrow terminal nothing of a day or an address is lost
    return table


def _together(found: Explanation) -> Iterator[list[Entry]]:
    """Entries that are told in one line: what happens to several attempts at once, and the events of one attempt."""

    def same(entry: Entry) -> object:
        if entry.kind == "event":
            return entry.kind, entry.attempt_id, entry.at.date(), entry.at > found.asked_at
        return entry.at, entry.kind, entry.text, entry.rule

    return (list(group) for _, group in groupby(found.timeline, same))


def _numbers(attempts: Iterable[int]) -> str:
    """`11–13, 15`."""
    runs: list[list[int]] = []
    for number in sorted({*attempts}):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _text(entries: Sequence[Entry]) -> str:
    first, *more = entries
    if first.kind == "event":
        return " · ".join([first.text, *(f"{one.at:%H:%M:%S} {one.text}" for one in more)])
    return f"{first.text} [{first.rule}]" if first.rule else first.text


def _style(entry: Entry, is_past: bool) -> str:
    if entry.kind == "slot":
        return "dim" if entry.state == "cancelled" else ""
    word = entry.state if entry.kind == "verdict" else entry.kind
    return _STYLES.get(word or "", "") if is_past else "dim"
