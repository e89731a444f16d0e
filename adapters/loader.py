"""Name → adapter. Third parties register theirs under the entry-point group `dialer.adapters`."""

from importlib.metadata import EntryPoint, entry_points

from adapters.contract import Spec

GROUP = "dialer.adapters"
BUILT_IN = {"mock": "adapters.mock:ADAPTER", "twilio": "adapters.twilio:ADAPTER"}
"""What a source tree that was never installed knows."""


def known() -> list[str]:
    """The names that `load` accepts, sorted."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def load(name: str) -> Spec:
    """The adapter registered under this name.

    Raises LookupError for an unknown or doubly registered name, ImportError (with the reason) for one
    that cannot be loaded: a start must not go on without an adapter that its settings name.
    """
    targets = {point.value for point in entry_points(group=GROUP, name=name)}
    if not targets and name in BUILT_IN:
        targets = {BUILT_IN[name]}
    if not targets:
        raise LookupError(f"no adapter is named {name!r}; known are {', '.join(known())}")
    if len(targets) > 1:
        raise LookupError(f"the adapter {name!r} is registered more than once: {', '.join(sorted(targets))}")
    target = targets.pop()
    try:
        spec = EntryPoint(name, target, GROUP).load()
    except Exception as error:  # an import runs foreign code: whatever it raises is the reason
        raise ImportError(f"the adapter {name!r} ({target}) cannot be loaded: {error!r}") from error
    if not isinstance(spec, Spec):
        raise ImportError(f"the adapter {name!r} ({target}) is a {type(spec).__name__}, not a Spec")
    return spec
