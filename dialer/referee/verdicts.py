"""The verdicts: every check on one evidence."""

from dialer.referee import caps, counts, placing, rounds, stops, windows
from dialer.referee.law import read_law
from dialer.referee.model import Evidence, Limits, Sheet, Verdicts
from dialer.referee.scene import Scene


def judge(evidence: Evidence, limits: Limits = Limits()) -> Verdicts:
    """Everything that is wrong, in an order that the evidence alone decides. Reads nothing and changes nothing."""
    sheet = Sheet()
    scene = Scene(evidence, limits, sheet)
    law, known = read_law(scene), stops.read_stops(scene)
    placing.placed_twice(scene)
    placing.one_live_call(scene)
    windows.outside_window(scene, law)
    caps.cap_exceeded(scene, law)
    stops.after_stop(scene, known)
    stops.after_payment(scene)
    stops.while_stopped(scene)
    stops.while_promised(scene, known)
    rounds.rounds(scene)
    placing.ends(scene)
    placing.not_placed(scene)
    placing.acknowledged(scene)
    counts.counts(scene)
    if scene.ledger.unread:
        sheet.unchecked["a launched file can't be read as a campaign"] = scene.ledger.unread
    verdicts = sheet.verdicts()
    verdicts.unchecked = [*evidence.missing, *verdicts.unchecked]
    return verdicts
