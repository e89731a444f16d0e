"""Name → adapter: entry points, the built-in table, and every way a load can fail."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from adapters import loader
from adapters.mock import ADAPTER


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points that are installed; none, until the test adds some."""
    points: list[EntryPoint] = []
    monkeypatch.setattr(loader, "entry_points", lambda group, name=None: [p for p in points if name in (None, p.name)])
    return points


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("acme_adapter")
    monkeypatch.setitem(sys.modules, "acme_adapter", made)
    return made


def point(name: str, target: str) -> EntryPoint:
    return EntryPoint(name, target, loader.GROUP)


def test_the_mock_is_known_in_a_bare_source_tree(registered: list[EntryPoint]) -> None:
    assert loader.load("mock") is ADAPTER


def test_a_third_party_is_found_by_its_entry_point(registered: list[EntryPoint], module: ModuleType) -> None:
    module.ADAPTER = ADAPTER  # type: ignore[attr-defined]
    registered.append(point("acme", "acme_adapter:ADAPTER"))
    assert loader.load("acme") is ADAPTER
    assert loader.known() == ["acme", "mock", "twilio"]


def test_an_unknown_name_is_answered_with_the_known_ones(registered: list[EntryPoint]) -> None:
    registered.append(point("acme", "acme_adapter:ADAPTER"))
    with pytest.raises(LookupError, match="'twilo'; known are acme, mock, twilio"):
        loader.load("twilo")


def test_a_name_registered_twice_is_not_guessed(registered: list[EntryPoint]) -> None:
    registered += [point("acme", "one:ADAPTER"), point("acme", "two:ADAPTER")]
    with pytest.raises(LookupError, match="more than once: one:ADAPTER, two:ADAPTER"):
        loader.load("acme")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no_such_module:ADAPTER", "No module named 'no_such_module'"),
        ("acme_adapter:MISSING", "MISSING"),
        ("acme_adapter:NAME", "is a str, not a Spec"),
    ],
)
def test_a_failed_load_says_why(registered: list[EntryPoint], module: ModuleType, target: str, reason: str) -> None:
    module.NAME = "acme"  # type: ignore[attr-defined]
    registered.append(point("acme", target))
    with pytest.raises(ImportError, match=reason):
        loader.load("acme")
