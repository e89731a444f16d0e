"""The errors a command ends with. Whatever else is raised is a mistake of ours.

DialerError            exit 1: it could not be done; the message says what, and what to do
├── InvalidInput       exit 2: what the user gave is wrong; every fault with file, line and remedy, nothing changed
└── BrokenOff          exit 130: Ctrl-C; the message says what is left by it
"""

from collections.abc import Sequence

from config.files import Fault


class DialerError(Exception):
    """It could not be done. The message is for the user: what could not be done, and what to do."""

    exit_code = 1


class InvalidInput(DialerError):
    """Settings, campaign or data are faulty. `faults` are all of them, in the order of the files and lines."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class BrokenOff(DialerError):
    """Ctrl-C. `left`: what it leaves, and what to do, where it is not all the same."""

    exit_code = 130

    def __init__(self, left: str = "") -> None:
        super().__init__(f"broken off: {left}" if left else "broken off")
