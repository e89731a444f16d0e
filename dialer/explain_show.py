"""How `dialer explain` prints an account's story."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaigns.model import Channel
from dialer.explain import Answer, Explanation
from dialer.timeline import Entry

_STYLES = {
    "block": "bold red", "defer": "yellow", "pass": "green", "blocked": "bold red", "cancelled": "dim",
    "expired": "yellow", "settled": "bold",
}  # fmt: skip


def show(found: Explanation, console: Console) -> None:
    """Prints it: who, the answer in short, what is owed, the story, the gate's words, the rules that decided."""
    consents = f"voice {found.consent_voice or 'unknown'}, sms {found.consent_sms or 'unknown'}"
    _say(
        console,
        f"[bold]{escape(found.account_id)}[/] {escape(found.name)} {escape(found.phone)}, person "
        f"{escape(found.person_id)}; times of {found.time_zone}; consent: {consents}",
    )
    _say(console, f"[bold]{escape(found.summary)}[/]")
    still = [one for one in found.installments if one.is_open]
    for one in still:
        _say(console, f"Open: due {one.due_on}, {one.paid_amount} of {one.amount} {one.currency} paid")
    if not still:
        _say(console, "Nothing is left to pay.")
    console.print()
    console.print(_story(found))
    console.print()
    for line in _gate(found):
        _say(console, line)
    if rules := _rules([*found.timeline, *found.answers]):
        console.print()
        console.print(rules)


def _say(console: Console, text: str) -> None:
    """A sentence, broken between words also where the console would leave that to the terminal."""
    console.print(text, soft_wrap=False, highlight=False)


def _story(found: Explanation) -> Table:
    """A heading for each day; a line between what was and what is planned."""
    table = Table("when", "what", "attempt", "", box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    day, is_past = "", True
    for entries in _together(found.timeline, found):
        first = entries[0]
        if is_past and first.at > found.asked_at:
            is_past = False
            table.add_row(f"[bold cyan]{found.asked_at:%H:%M:%S}[/]", "[bold cyan]asked[/]", "",
                          "[bold cyan]the instant asked about; what follows lies ahead[/]")  # fmt: skip
        if f"{first.at:%a %Y-%m-%d}" != day:
            day = f"{first.at:%a %Y-%m-%d}"
            table.add_row(f"[bold]{day}[/]")
        numbers = _numbers([one.attempt_id for one in entries if one.attempt_id is not None])
        style = _style(first, is_past)
        table.add_row(f"{first.at:%H:%M:%S}", first.kind, numbers, f"{escape(_text(entries))}", style=style)
    return table


def _together(entries: Iterable[Entry], found: Explanation) -> Iterator[list[Entry]]:
    """Entries that are told in one line: what happens to several attempts at once, and the events of one attempt."""

    def same(entry: Entry) -> object:
        if entry.kind == "event":
            return entry.kind, entry.attempt_id, entry.at.date(), entry.at > found.asked_at
        return entry.at, entry.kind, entry.text, entry.rule

    return (list(group) for _, group in groupby(entries, same))


def _numbers(attempts: Sequence[int]) -> str:
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
    word = entry.text.split()[0].strip(":") if entry.kind == "verdict" else entry.kind
    if entry.kind == "slot":
        return "dim" if entry.state == "cancelled" else ""
    return _STYLES.get(word, "") if is_past else "dim"


def _gate(found: Explanation) -> Iterator[str]:
    asked = f"{found.asked_at:%Y-%m-%d %H:%M:%S}"
    if not found.answers:
        yield f"At {asked} nothing would be placed: no campaign is launched."
    for answer in found.answers:
        yield f"At {asked} the gate would say of {_of_what(answer)}: {_said(answer)}"


def _of_what(answer: Answer) -> str:
    if answer.attempt_id is None:
        what = "call" if answer.channel is Channel.VOICE else "message"
        return escape(f"any {what} in {answer.campaign}, none being planned")
    return escape(f"attempt {answer.attempt_id} in {answer.campaign}, due at {answer.due_at:%Y-%m-%d %H:%M:%S}")


def _said(answer: Answer) -> str:
    style = _STYLES[answer.verdict]
    if answer.verdict == "pass":
        return f"[{style}]pass[/]."
    when = "It would not pass by waiting alone."
    if answer.passes_at is not None:
        when = f"It would first pass at {answer.passes_at:%Y-%m-%d %H:%M:%S}."
    if answer.expires:
        when += f" By then it has expired ({answer.valid_until:%Y-%m-%d %H:%M:%S})."
    return f"[{style}]{answer.verdict}[/], {escape(f'{answer.reason} [{answer.rule}]')}. {when}"


def _rules(told: Iterable[Entry | Answer]) -> Table | None:
    """The rules that decided something, each once: what it says and its source."""
    found = {one.rule: one for one in told if one.rule}
    if not found:
        return None
    table = Table("rule", "says", "source", box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for rule, one in sorted(found.items()):
        source = ", ".join(part for part in (one.citation, one.url) if part)
        table.add_row(escape(str(rule)), escape(one.says or ""), escape(source or "no longer in the rule packs"))
    return table
