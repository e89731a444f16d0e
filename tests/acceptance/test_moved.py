"""A move to PostgreSQL in real processes: the attempts that were planned on SQLite are placed there, each once."""

import json
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.acceptance.test_daemon import load
from tests.support import postgres
from tests.support.live import Installation, installation

PEOPLE = 12


def test_what_was_planned_before_a_move_is_placed_after_it(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=4)
    load(here)
    settings = tmp_path / "dialer.toml"
    with postgres.database(is_empty=True) as url:
        with here.daemon() as process:
            here.wait("some calls", lambda: len(here.journal()) >= 3)
            assert "another daemon" in here.dialer("db", "copy", url, check=1)
            here.dialer("halt", "--reason", "moving")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        before = len(here.journal())
        assert before < PEOPLE
        told = json.loads(here.dialer("db", "copy", url, "--json"))
        assert {one["table"]: one["rows"] for one in told["tables"]}["attempts"] == PEOPLE
        settings.write_text(settings.read_text().replace("sqlite:///dialer.db", url.replace(":@", "@")))
        with here.daemon() as process:
            here.dialer("unhalt")
            here.wait("all that is due is at its end", lambda: over(here), 60, 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        placed = here.journal()
        assert len(placed) > before
        assert max(Counter(line["to"] for line in placed).values()) == 1
        assert max(int(line["attempt_id"]) for line in placed) < 1 << 36, "they kept their ids"
        assert here.dialer("audit", "verify").strip().endswith("The record is as it was sealed.")


def over(here: Installation) -> bool:
    """Whether nothing runs, and nothing that is due waits."""
    now = datetime.now(UTC)
    states = [one for one in here.attempts() if one["state"] not in ("settled", "expired", "cancelled", "blocked")]
    return not [one for one in states if one["state"] != "planned" or datetime.fromisoformat(one["planned_for"]) < now]
