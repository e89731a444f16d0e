"""What systemd is told (sd_notify): ready, how it goes, alive, stopping. Without systemd: nothing to nobody.

One datagram on the socket that $NOTIFY_SOCKET names. A message that can't be sent is no reason to stop dialing.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notifier:
    """`address`: the socket, empty where nobody listens. `watchdog_s`: seconds; None where none is wanted."""

    address: str = ""
    watchdog_s: float | None = None

    def tell(self, **facts: str | int) -> None:
        """`tell(READY=1, STATUS="dialing")`: all in one datagram."""
        if not self.address:
            return
        lines = "\n".join(f"{name}={_one_line(value)}" for name, value in facts.items())
        # A name that begins with @ is abstract: no file, its first byte is 0.
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            # Not waiting: a reader that does not read must not hold up the daemon.
            out.setblocking(False)
            out.sendto(lines.encode(), address)


def from_environment(env: Mapping[str, str]) -> Notifier:
    """By $NOTIFY_SOCKET and $WATCHDOG_USEC; a watchdog that is another process's ($WATCHDOG_PID) is not ours."""
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return Notifier()
    microseconds = env.get("WATCHDOG_USEC", "")
    ours = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    wanted = ours and microseconds.isdecimal() and int(microseconds) > 0
    return Notifier(address, int(microseconds) / 1e6 if wanted else None)


def _one_line(value: str | int) -> str:
    return " ".join(str(value).split())
