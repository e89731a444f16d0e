"""The files, read into plain values. What can't be read is told with its line, all of it at once."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from dialer.referee.days import zone_of
from dialer.referee.model import SLACK_S, Action, Attempt, Evidence, Heard, Taken

T = TypeVar("T")
ACTIONS = {
    "import": ("kind", "text"),
    "launch": ("campaign", "text"),
    "pause": ("campaign",),
    "resume": ("campaign",),
    "cancel": ("campaign",),
    "halt": (),
    "unhalt": (),
    "paid": ("account_id", "due_on"),
    "suppress": (),
    "lift": (),
}
"""Action → what it can't do without."""
LOOSEN = frozenset({"resume", "unhalt", "lift"})
"""Their `at` is when they began: nothing of them took effect before it."""
FAULTS_MAX = 100
"""So many faults are told; a file with more is no file of this kind."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, and what is accepted."""

    path: Path
    line: int
    where: str
    wrong: str
    accepted: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.where}: {self.wrong}; accepted: {self.accepted}"


class Unreadable(Exception):
    """A file that can't be judged. `faults` has all that is wrong."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the files are. None: there is none; `packs` is the folder of the rule packs' TOML files."""

    journal: Path
    attempts: Path
    settings: Path
    packs: Path
    actions: Path | None = None
    network: Path | None = None
    report: Path | None = None

    @classmethod
    def of(cls, folder: Path, packs: Path) -> "Paths":
        """By the names that `dialer simulate --out` gives them."""

        def there(name: str) -> Path | None:
            return folder / name if (folder / name).is_file() else None

        return cls(
            folder / "journal.jsonl", folder / "attempts.jsonl", folder / "settings.toml", packs,
            there("actions.jsonl"), there("network.jsonl"), there("report.json"),
        )  # fmt: skip


def read(folder: Path | None = None, packs: Path | None = None, *, paths: Paths | None = None) -> Evidence:
    """Everything in `folder`, with the packs' files in `packs`; or what `paths` names. Raises Unreadable."""
    if paths is None:
        if folder is None or packs is None:
            raise ValueError("read needs folder and packs, or paths")
        paths = Paths.of(folder, packs)
    faults: list[Fault] = []
    settings = _settings(paths.settings, faults)
    evidence = Evidence(
        _lines(paths.journal, _taken, faults),
        _lines(paths.attempts, _attempt, faults),
        None if paths.actions is None else _lines(paths.actions, _action, faults),
        None if paths.network is None else _lines(paths.network, _heard, faults),
        None if paths.report is None else _report(paths.report, faults),
        settings,
        _packs(paths, settings, faults),
    )
    if faults:
        raise Unreadable(faults[:FAULTS_MAX])
    if evidence.actions is not None:
        evidence.actions.sort(key=lambda one: one.at)
    evidence.missing = _missing(evidence)
    return evidence


def _missing(evidence: Evidence) -> list[str]:
    told = []
    if evidence.actions is None:
        told.append("actions.jsonl is missing: no file, payment, stop, pause or campaign is known, so windows of "
                    "campaigns, suppressions, payments, pauses and rounds are not checked")  # fmt: skip
    elif any("***" in str(one.fields.get("phone") or one.fields.get("text") or "") for one in evidence.actions):
        told.append("phones in actions.jsonl are masked: suppressions by number are not checked (--reveal)")
    if evidence.network is None:
        told.append("network.jsonl is missing: ends of calls are those of the exports, replies and acknowledgements "
                    "are not checked")  # fmt: skip
    if evidence.report is None:
        told.append("report.json is missing: counts are not checked")
    return told


def _lines(path: Path, make: Callable[[dict[str, Any]], T], faults: list[Fault]) -> list[T]:
    found: list[T] = []
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    _line(path, number, line, make, found, faults)
    except OSError as error:
        faults.append(Fault(path, 1, "file", f"cannot be read ({error.strerror})", "a file of JSON lines"))
    return found


def _line(
    path: Path, number: int, line: bytes, make: Callable[[dict[str, Any]], T], found: list[T], faults: list[Fault]
) -> None:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError("is no object")
        found.append(make(fields))
    except KeyError as error:
        faults.append(Fault(path, number, str(error.args[0]), "is missing", "every field of docs/referee.md"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        faults.append(Fault(path, number, "line", f"can't be read ({error})", "a JSON object of docs/referee.md"))


def instant(text: str) -> datetime:
    """An ISO instant with its offset, of the years 2000 to 2199. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if not 2000 <= at.year < 2200:
        raise ValueError(f"{text} is too far away")
    if at.tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def _maybe(text: str | None) -> datetime | None:
    return instant(text) if text else None


def _texts(line: dict[str, Any], *names: str, may_lack: tuple[str, ...] = ()) -> None:
    """Raises ValueError unless these are texts; `may_lack` may be null or missing as well."""
    for name in (*names, *may_lack):
        if not isinstance(line[name] if name in names else line.get(name) or "", str):
            raise ValueError(f"{name} is no text")


def _taken(line: dict[str, Any]) -> Taken:
    _texts(line, "channel", "to", "line")
    return Taken(instant(line["at"]), str(line["attempt_id"]), line["channel"], line["to"], line["line"])


def _action(line: dict[str, Any]) -> Action:
    at, name = instant(line["at"]), line["action"]
    if name not in ACTIONS:
        raise ValueError(f'"{name}" is no action')
    _texts(line, *ACTIONS[name], may_lack=("amount", "paid_on", "phone", "person_id", "channel", "until"))
    if name == "paid":
        date.fromisoformat(line["due_on"])
    loosens = name in LOOSEN or (name == "paid" and line.get("reverse"))
    asked = _maybe(line.get("asked_at")) or (at if loosens else at - timedelta(seconds=SLACK_S))
    return Action(at, asked, name, line)


def _heard(line: dict[str, Any]) -> Heard:
    _texts(line, "kind", may_lack=("disposition", "sender", "text"))
    return Heard(
        instant(line["at"]), str(line["attempt_id"] or ""), line["kind"], line.get("disposition") or "",
        line.get("sender") or "", line.get("text") or "", _maybe(line["acknowledged_at"]),
    )  # fmt: skip


def _attempt(line: dict[str, Any]) -> Attempt:
    _texts(line, "campaign", "person_id", "segment", "cause", "channel", "state", may_lack=("disposition", "outcome"))
    if not isinstance(line["round"], int):
        raise ValueError("round is no number")
    for event in line["events"]:
        _texts(event, "kind", "at", "received_at", may_lack=("said",))
    every = tuple((one["account_id"], one["installment_id"]) for one in line["installments"])
    live = tuple((one["account_id"], one["installment_id"]) for one in line["installments"] if not one["cancelled"])
    return Attempt(
        str(line["attempt_id"]), line["campaign"], line["person_id"], line["segment"],
        date.fromisoformat(line["due_on"]), line["round"], line["try"], line["cause"], line["channel"], line["line"],
        tuple(line["zones"] or ()), line["state"], line["reason"], line["rule"], line["disposition"], line["outcome"],
        instant(line["planned_for"]), instant(line["window_from"]), instant(line["window_until"]),
        _maybe(line["claimed_at"]), _maybe(line["placed_at"]), _maybe(line["answered_at"]), _maybe(line["ended_at"]),
        _maybe(line["settled_at"]), live or every, every, line["promises"], line["events"],
    )  # fmt: skip


def _report(path: Path, faults: list[Fault]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
        faults.append(Fault(path, 1, "file", "is no JSON object", "what `dialer report --json` prints"))
    except OSError as error:
        faults.append(
            Fault(path, 1, "file", f"cannot be read ({error.strerror})", "what `dialer report --json` prints")
        )
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        faults.append(Fault(path, line, "file", f"is no JSON ({error})", "what `dialer report --json` prints"))
    return {}


def _toml(path: Path, faults: list[Fault]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        faults.append(Fault(path, 1, "file", f"cannot be read ({error.strerror})", "a TOML file"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError, and so is what is no UTF-8
        faults.append(Fault(path, 1, "file", f"is no TOML ({error})", "a TOML file"))
    return {}


def _settings(path: Path, faults: list[Fault]) -> dict[str, Any]:
    """The settings' file, with what the checks stand on."""
    found = _toml(path, faults)
    lender = found.get("lender")
    lender = lender if isinstance(lender, dict) else {}
    for name, is_fine, accepted in (
        ("time_zone", zone_of(str(lender.get("time_zone", ""))) is not None, "an IANA name such as Asia/Shanghai"),
        ("country", str(lender.get("country", "")).isalpha(), "two letters such as CN"),
        ("actor", lender.get("actor", "creditor") in ("creditor", "third_party"), "creditor or third_party"),
    ):
        if not is_fine and not faults:
            faults.append(Fault(path, 1, f"lender.{name}", "is missing or not known", accepted))
    return found


def _packs(paths: Paths, settings: dict[str, Any], faults: list[Fault]) -> dict[str, list[dict[str, Any]]]:
    """The shipped packs, and those that the settings name, relative to the settings' folder."""
    if not any(paths.packs.glob("*.toml")):
        faults.append(Fault(paths.packs, 1, "packs", "has no rule packs", "a folder of packs' TOML files"))
    own = [paths.settings.parent / str(name) for name in settings.get("rules", ())]
    found = {}
    for file in [*sorted(paths.packs.glob("*.toml")), *own]:
        pack = _toml(file, faults)
        found[str(pack.get("name", file.stem))] = list(pack.get("rule", pack.get("rules", ())))
    return found
