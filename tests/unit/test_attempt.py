"""The state table: every state with every event."""

import pytest

from campaigns.model import Disposition, Outcome
from dialer.attempt import FINAL, OWN, QUIET, TABLE, IllegalTransition, Kind, State, advance, disposition_of, outcome_of

# The design's table, written out once more by hand: state → what moves it → where.
EXPECTED = """
planned: passed>placing deferred>planned blocked>blocked cancelled>cancelled window_closed>expired
placing: accepted>placed sent>settled refused>settled unavailable>planned withdrawn>planned uncertain>lost
placing: lease_expired>lost ringing>ringing answered>talking ended>settled delivered>settled undelivered>settled
placed: ringing>ringing answered>talking ended>settled delivered>settled undelivered>settled silent>lost
ringing: answered>talking ended>settled silent>lost
talking: keyed>talking human_detected>talking machine_detected>talking transferred>talking ended>settled silent>lost
lost: sent>settled ringing>ringing answered>talking ended>settled delivered>settled undelivered>settled
lost: not_found>settled deadline>settled
"""


def expected() -> dict[tuple[State, Kind], State]:
    found = {}
    for line in EXPECTED.strip().splitlines():
        state, moves = line.split(": ")
        for move in moves.split():
            kind, to = move.split(">")
            found[State(state), Kind(kind)] = State(to)
    return found


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_state_meets_every_event(state: State, kind: Kind) -> None:
    wanted = expected().get((state, kind))
    if wanted is None and kind in OWN and kind not in QUIET:
        with pytest.raises(IllegalTransition, match=f"{kind} in state {state}"):
            advance(state, kind)
    else:
        assert advance(state, kind) == wanted


def test_only_what_was_proved_unsent_leads_back_to_planned() -> None:
    back = {(state, kind) for state in State for kind, to in TABLE[state].items() if to == State.PLANNED}
    assert back == {
        (State.PLANNED, Kind.DEFERRED),
        (State.PLACING, Kind.UNAVAILABLE),
        (State.PLACING, Kind.WITHDRAWN),
    }


def test_final_states_have_no_way_out() -> None:
    assert all(not TABLE[state] for state in FINAL)


def test_placing_is_reached_only_from_planned() -> None:
    assert [s for s in State if State.PLACING in TABLE[s].values()] == [State.PLANNED]


@pytest.mark.parametrize(
    ("reported", "answered", "detected", "disposition"),
    [
        ("", True, None, "answered"),
        ("answered", True, None, "answered"),
        ("answered", True, "human", "human"),
        ("human", True, None, "answered"),  # the provider's word alone is no detection
        ("answered", True, "machine", "machine"),
        ("machine", True, None, "machine"),
        ("", False, None, "no_answer"),
        ("busy", False, None, "busy"),
        ("no_answer", False, None, "no_answer"),
        ("some new word", True, "human", "human"),
        ("some new word", False, None, "no_answer"),
        ("invalid_number", False, None, "invalid_number"),
    ],
)
def test_disposition(reported: str, answered: bool, detected: str | None, disposition: str) -> None:
    assert disposition_of(reported, answered, detected) == disposition


@pytest.mark.parametrize("disposition", list(Disposition))
def test_every_disposition_has_an_outcome_and_what_was_said_comes_first(disposition: Disposition) -> None:
    assert outcome_of(disposition, None) in Outcome
    assert outcome_of(disposition, Outcome.PROMISED) == Outcome.PROMISED


def test_no_contact_is_no_reached_person() -> None:
    for word in ("machine", "no_answer", "busy", "declined", "phone_off", "unreachable", "undelivered"):
        assert outcome_of(Disposition(word), None) == Outcome.NO_CONTACT
