"""The report's counts equal the journal's."""

from collections import Counter
from typing import Any

from dialer.referee.model import Attempt
from dialer.referee.scene import Scene

COLUMNS = ("refused", "cancelled", "expired", "waiting")
ENDINGS = ("reached", "promised", "says_paid", "opted_out", "other", "not_reached", "running")


def counts(scene: Scene) -> None:
    report = scene.evidence.report
    if report is None:
        return
    if report.get("day"):
        scene.sheet.unchecked["counts: the report is of one day"] += 1
        return
    checking = _Counts(scene, report)
    checking.totals()
    checking.rounds()
    checking.lines()
    checking.expect("outside_window", report["outside_window"], 0)


class _Counts:
    """One report beside what the carrier has, and what was taken up and never came to it."""

    def __init__(self, scene: Scene, report: dict[str, Any]) -> None:
        self._scene, self._report = scene, report
        campaign = report.get("campaign")
        self._attempts = [one for one in scene.evidence.attempts if campaign in (None, one.campaign)]
        self._made = [one for one in self._attempts if one.attempt_id in scene.placed or one.claimed_at is not None]
        self._reminders = [one for one in self._made if one.is_reminder]
        known = {one.attempt_id for one in scene.evidence.attempts}
        self._unknown = [one for one in scene.evidence.placements if one.attempt_id not in known]

    def expect(self, about: str, reported: Any, counted: Any) -> None:
        self._scene.sheet.checked["counts"] += 1
        if reported != counted:
            self._scene.sheet.found("counts", None, "", about, f"the report says {reported}, the journal {counted}")

    def totals(self) -> None:
        totals = self._report["totals"]
        self.expect("totals.placed", totals["placed"], len(self._reminders) + len(self._unknown))
        self._adds_up("totals", totals)
        self.expect("totals.running", totals["running"], sum(one.state != "settled" for one in self._reminders))
        reminders = [one for one in self._attempts if one.is_reminder]
        self.expect("totals.planned", totals["planned"], sum(one.cause == "round" for one in reminders))
        self.expect("totals.follow_ups", totals["follow_ups"], sum(one.cause != "round" for one in reminders))
        messages = sum(one.channel == "sms" for one in self._reminders)
        self.expect("messages.placed", self._report["messages"]["placed"], messages)

    def _adds_up(self, about: str, row: dict[str, Any]) -> None:
        self.expect(f"{about}: how what was placed ended", sum(row[name] for name in ENDINGS), row["placed"])
        planned = row["planned"] + row["follow_ups"]
        self.expect(f"{about}: all that was planned", row["placed"] + sum(row[name] for name in COLUMNS), planned)

    def rounds(self) -> None:
        made = Counter((one.segment, one.round) for one in self._reminders)
        for row in self._report["rounds"]:
            about = f"rounds {row['segment']} {row['round']}"
            self.expect(f"{about}.placed", row["placed"], made.pop((row["segment"], row["round"]), 0))
            self._adds_up(about, row)
        for (segment, number), count in sorted(made.items()):
            self.expect(f"rounds {segment} {number}", 0, count)

    def lines(self) -> None:
        """Confirmations of opt-outs included."""
        lines = {one.attempt_id: one.line for one in self._scene.evidence.placements}
        made = Counter((self._line(one, lines), one.channel) for one in self._made)
        for row in self._report["lines"]:
            for name, channel in (("calls", "voice"), ("messages", "sms")):
                self.expect(f"line {row['line']}.{name}", row[name], made.pop((row["line"], channel), 0))
        for (line, channel), count in sorted(made.items()):
            self.expect(f"line {line} {channel}", 0, count)
        self.expect("load", sum(row["placed"] for row in self._report["load"]), len(self._made))

    @staticmethod
    def _line(attempt: Attempt, lines: dict[str, str]) -> str:
        """The journal's line where the carrier took it."""
        return lines.get(attempt.attempt_id) or attempt.line or ""
