"""What one question to the gate costs: five packs, ten earlier contacts, zones and days as in dialing.

`python -m benchmarks.gate [RUNS]`: medians of five runs of 20,000 questions, in CPU time: other work on the machine
is no part of it. The packs are those that bind a person in Massachusetts, those of DC and of a carrier's own limits
beside them: for a creditor, and for a third party, whom Regulation F binds as well.
"""

import statistics
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from time import process_time

from campaigns.gate import Ask, Facts, LineFacts, Pass, check
from campaigns.history import History
from campaigns.limits import Whose
from campaigns.model import Channel, Contact, Disposition
from campaigns.rulebook import Rulebook
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset
from config.files import parse_toml

QUESTIONS = 20_000
PHONE = "+16175550100"
NOON = datetime(2026, 9, 8, 16, tzinfo=UTC)


def book(actor: str) -> Rulebook:
    folder = files("config") / "rules"
    packs = {}
    for file in folder.iterdir():
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            packs[name] = Pack.model_validate({"name": name, **parse_toml(file.read_bytes(), file.name).data})
    return Rulebook(packs, ["house", "us"], actor)


def contacts() -> list[Contact]:
    """Ten, the last three days ago, so that every cap of a week has something to count and yet some room."""
    return [
        Contact(
            NOON - timedelta(days=3 + 7 * week), "voice", Disposition.NO_ANSWER, "P-1", PHONE, "1", ("L-1",), "creditor"
        )
        for week in range(9, -1, -1)
    ]  # fmt: skip


def facts(line: LineFacts, history: History) -> Facts:
    return Facts("", "active", True, "", "", "yes", history.of("P-1", PHONE), line)


def measure(rules: Ruleset, zones: tuple[str, ...]) -> float:
    """Microseconds of CPU a question, everything that dialing makes anew for each attempt included."""
    history = History(contacts())
    line = LineFacts("main", frozenset({"US"}), Decimal("0.1"), None, NOON)
    begun = process_time()
    for number in range(QUESTIONS):
        ask = Ask(Channel.VOICE, zones, "US", "mobile", 30.0, Whose("P-1", PHONE, "1", ("L-1",)), (date(2026, 9, 15),))
        verdict = check(ask, facts(line, history), rules, NOON + timedelta(milliseconds=number))
        if not isinstance(verdict, Pass):
            raise SystemExit(f"the benchmark's attempt does not pass: {verdict}")
    return (process_time() - begun) / QUESTIONS * 1e6


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    zones = ("America/New_York", "America/Chicago")
    for actor in ("creditor", "third_party"):
        known = book(actor)
        rules = known.of(("US-MA",), "US", ("carrier-aliyun", "us-dc"))
        counts = ", ".join(
            f"{len(found)} {what}"
            for what, found in (
                ("windows", rules.hours[Channel.VOICE]),
                ("limits", rules.limits[Channel.VOICE]),
                ("demands", rules.demands[Channel.VOICE]),
            )
        )
        medians = statistics.median(measure(rules, zones) for _ in range(runs))
        print(f"gate, {actor}: {medians:.1f} us of CPU a question; 5 packs ({counts}), 10 earlier contacts, 2 zones")


if __name__ == "__main__":
    main()
