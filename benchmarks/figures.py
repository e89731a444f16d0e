"""Seconds as percentiles in milliseconds, and what a process holds in memory."""

import statistics
from collections.abc import Sequence
from pathlib import Path


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The least, the median, the 99th of a hundred, the most; milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    found = {"least": min(seconds), "p50": cuts[49], "p99": cuts[98], "most": max(seconds)}
    return {name: value * 1e3 for name, value in found.items()} | {"count": float(len(seconds))}


def peak_mb() -> float:
    """The most memory that this process ever held. (`ru_maxrss` would begin with what its parent held.)"""
    return _status_mb("VmHWM")


def resident_mb() -> float:
    """What this process holds in memory now."""
    return _status_mb("VmRSS")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
