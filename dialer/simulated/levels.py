"""How much goes wrong in a simulation: the three levels of `--faults`."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Level:
    """Shares are between 0 and 1; what happens `a_day` is a mean."""

    mishaps: float = 0.0
    """Of placements: the carrier refuses, is congested, loses the answer, reports nothing, twice, late, backwards."""
    dropped: float = 0.0
    """Of callbacks: never sent."""
    delayed: float = 0.0
    """Of callbacks: seconds to an hour late, so that others overtake them."""
    repeated: float = 0.0
    """Of callbacks: sent again later although they were taken."""
    forged: float = 0.0
    """Callbacks nobody can have sent, per true one."""
    texts: float = 0.0
    """Of placements: within the hour somebody there writes that it has to stop."""
    hidden: float = 0.0
    """Of placements: `find` does not know them for some seconds."""
    slow: float = 0.0
    """Of calls of the database: up to 3 s."""
    locked: float = 0.0
    """Of transactions: another process holds the database."""
    held: float = 0.0
    """Of transactions: another process holds the database for up to half a minute, and lets it go."""
    failed: float = 0.0
    """Of transactions: the disk fails before the commit."""
    unsure: float = 0.0
    """Of transactions: the disk fails after the commit took effect."""
    crashes: float = 0.0
    """Of calls of the database and of placements: the process ends right before or after."""
    crashes_a_day: float = 0.0
    """The process ends at any other moment."""
    replaced_a_day: float = 0.0
    """A second worker starts while the first one still works; later the first one ends."""
    stops_a_day: float = 0.0
    """The process is asked to stop, and does so cleanly."""
    sleeps_a_day: float = 0.0
    """The host sleeps, seconds to hours."""
    steps_a_day: float = 0.0
    """The wall clock is set by seconds to hours, and set right within a minute."""
    outages_a_day: float = 0.0
    """The carrier goes away, half a minute to half an hour."""
    acts_a_day: float = 0.0
    """The lender and the operator do something, per 100 accounts: pay, stop, import, pause, halt, relaunch."""

    @property
    def is_calm(self) -> bool:
        return self == CALM


CALM = Level()
LEVELS = {
    "none": CALM,
    "mild": Level(
        mishaps=0.02, dropped=0.002, delayed=0.02, repeated=0.02, forged=0.01, texts=0.005, hidden=0.02, slow=0.01,
        locked=0.002, held=0.0002, failed=0.001, unsure=0.001, crashes=0.0002, crashes_a_day=0.5, replaced_a_day=0.2,
        stops_a_day=0.3, sleeps_a_day=0.2, steps_a_day=0.3, outages_a_day=0.3, acts_a_day=1.0,
    ),
    "hostile": Level(
        mishaps=0.2, dropped=0.03, delayed=0.15, repeated=0.1, forged=0.1, texts=0.02, hidden=0.2, slow=0.05,
        locked=0.01, held=0.002, failed=0.01, unsure=0.01, crashes=0.002, crashes_a_day=4.0, replaced_a_day=2.0,
        stops_a_day=1.0, sleeps_a_day=1.0, steps_a_day=2.0, outages_a_day=2.0, acts_a_day=6.0,
    ),
}  # fmt: skip
"""`none`: people are as they are, and everything works. `hostile`: a bad month in each week."""

OPEN_S = 15.0
"""How long the network waits for an answer to a callback."""
RETRIES_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""After these it sends a callback again that was not acknowledged; then it gives up."""
RIGHT_AGAIN = timedelta(seconds=50)
"""A wall clock that was set wrong is right again within this: a machine can't know more than that it was set."""
