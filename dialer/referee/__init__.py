"""The referee: what must hold of any run, looked at from outside. It imports nothing of the engine.

It reads the carrier's journal, what was given and done (`actions.jsonl`), the exports, the settings and the rule packs'
files, and where there is one the network's own record. docs/referee.md has the formats and what each invariant means.
"""

from dialer.referee.model import INVARIANTS, Evidence, Finding, Limits, Verdicts
from dialer.referee.reading import Fault, Paths, Unreadable, read
from dialer.referee.verdicts import judge

__all__ = ["INVARIANTS", "Evidence", "Fault", "Finding", "Limits", "Paths", "Unreadable", "Verdicts", "judge", "read"]
