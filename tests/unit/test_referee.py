"""The referee on hand-made evidence: a clean week gives no finding, each breach planted in it gives its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dialer.referee import INVARIANTS, Verdicts, judge, read
from tests.support.evidence import CAMPAIGN, INSTALLMENTS, LI, PACKS, WANG, Made, at

Change = Callable[[Made], object]


def verdicts_of(folder: Path, *changes: Change, counted: bool = False) -> Verdicts:
    made = Made()
    for change in changes:
        change(made)
    if counted:
        made.count()
    return judge(read(made.write(folder), PACKS))


def found(verdicts: Verdicts) -> set[str]:
    return {one.invariant for one in verdicts.findings}


def test_a_clean_week_is_checked_for_everything_and_nothing_is_found(tmp_path: Path) -> None:
    verdicts = verdicts_of(tmp_path, counted=True)
    assert verdicts.findings == []
    assert verdicts.unchecked == []
    assert list(verdicts.checked) == list(INVARIANTS)
    assert all(verdicts.checked.values()), verdicts.checked


def say(outcome: str, number: int = 1, account: str = "L-1", **more: object) -> Change:
    """In this round's call the person said it, at its end."""

    def change(made: Made) -> None:
        row = made.row(account, number)
        row["outcome"] = outcome
        when = row["ended_at"]
        row["events"].append(
            {"kind": "keyed", "at": when, "received_at": when, "stray": False, "said": outcome, **more}
        )

    return change


def promise(made: Made) -> None:
    say("promised", promise="+1d")(made)
    row = made.row("L-1", 1)
    row["promises"] = [{"account_id": "L-1", "installment_id": "2026-01-15", "promised_on": "2026-01-15",
                        "made_at": row["ended_at"]}]  # fmt: skip


def act(day: str, wall: str, action: str, **fields: object) -> Change:
    def change(made: Made) -> None:
        made.actions.append(made.do(day, wall, action, **fields))
        made.actions.sort(key=lambda one: str(one["at"]))

    return change


def drop(account: str, *numbers: int, **instead: object) -> Change:
    return lambda made: made.drop(account, *numbers, **instead)


def move(account: str, number: int, to: str) -> Change:
    return lambda made: made.move(account, number, to)


def edit(account: str, number: int, **fields: object) -> Change:
    return lambda made: made.row(account, number).update(fields)


def again(made: Made) -> None:
    made.journal.append({**made.line("L-1", 1), "at": at("14", "01:55")})


def share_the_number(made: Made) -> None:
    """Both have Wang's number, and are called 20 s apart: the first call takes half a minute."""
    made.line("L-2", 1)["to"] = WANG
    made.actions[0]["text"] = made.actions[0]["text"].replace("13800138002", WANG)
    moved = at("14", "01:40:20.000")
    made.move("L-2", 1, moved)


def follow_up(number: int, to: str, **more: object) -> Change:
    """A retry of Wang's round, placed at this instant."""

    def change(made: Made) -> None:
        made.call("L-1", "P-1", WANG, number, **{"try": 2, "cause": "retry", **more})
        made.attempts.insert(0, made.attempts.pop())  # found first by `move`
        made.move("L-1", number, to)

    return change


def reply(text: str, acknowledged: bool = True) -> Change:
    def change(made: Made) -> None:
        when = at("14", "04:00")
        made.hear("replied", when, sender=WANG, text=text, acknowledged_at=when if acknowledged else None)

    return change


def forget_an_event(made: Made) -> None:
    made.row("L-1", 1)["events"].pop(0)


def confirmation(made: Made) -> None:
    """The message that confirms Wang's stop, a minute after it."""
    made.call("L-1", "P-1", WANG, 2, **{"try": 0, "cause": "confirmation", "channel": "sms"})
    made.attempts.insert(0, made.attempts.pop())
    made.move("L-1", 2, at("14", "04:01:00.000"))


def relaunch(made: Made) -> None:
    text = CAMPAIGN.replace('["14:00", "16:00"]', '["15:00", "17:00"]')
    act("14", "05:00", "launch", campaign="monthly", text=text)(made)


paid_in_full = act("14", "05:00", "paid", account_id="L-1", due_on="2026-01-15", amount=None, paid_on="2026-01-14")
paid_by_file = act("14", "05:00", "import", kind="installments",
                   text=INSTALLMENTS + "L-1,2026-01-15,100.00,CNY,2026-01-14,100.00\n")  # fmt: skip
stop_wang = act("14", "05:00", "suppress", phone=WANG, person_id=None, channel="", until=None, reason="asked")
cancelled = {"state": "cancelled", "reason": "paid"}
rest = drop("L-1", 2, 3, 4, state="cancelled", reason="opted_out", settled_at=at("14", "05:00"))

# fmt: off
BREACHES: list[tuple[str, tuple[Change, ...]]] = [
    ("placed_twice", (again,)),
    ("one_live_call", (share_the_number,)),
    ("outside_window", (move("L-1", 1, at("14", "03:31")),)),
    ("outside_window", (move("L-1", 1, at("14", "01:29")),)),
    ("outside_window", (relaunch,)),
    ("outside_window", (follow_up(2, at("14", "13:30:00.000")),)),
    ("cap_exceeded", (follow_up(1, at("14", "02:39:00.000")),)),  # 59 minutes after the round's call
    ("cap_exceeded", (follow_up(1, at("14", "03:00:00.000")), follow_up(1, at("14", "04:10:00.000"), **{"try": 3}))),
    ("after_stop", (stop_wang,)),
    ("after_stop", (act("14", "05:00", "suppress", phone=None, person_id="P-1", channel="voice", until=None),)),
    ("after_stop", (act("14", "05:00", "suppress", phone=WANG, person_id=None, channel="", until="2026-01-14"),)),
    ("after_stop", (stop_wang, act("14", "09:00", "lift", phone=WANG, person_id=None, channel=""))),
    ("after_stop", (act("14", "05:00", "import", kind="suppressions",
                        text="phone,person_id,channel,reason,until\n,P-1,,asked,\n"),)),
    ("after_stop", (say("opted_out"),)),
    ("after_stop", (say("refused"),)),
    ("after_stop", (say("wrong_number"),)),
    ("after_stop", (edit("L-1", 1, outcome="invalid_number", disposition="invalid_number"),)),
    ("after_stop", (reply("td"),)),
    ("after_stop", (reply("TD"), rest, confirmation, confirmation)),
    ("after_payment", (paid_in_full,)),
    ("after_payment", (paid_by_file,)),
    ("while_stopped", (act("14", "05:00", "pause", campaign="monthly"),)),
    ("while_stopped", (act("14", "05:00", "cancel", campaign="monthly"),)),
    ("while_stopped", (act("14", "05:00", "halt"),)),
    ("while_stopped", (act("14", "05:00", "halt"), act("14", "09:00", "unhalt"))),
    ("while_promised", (promise,)),
    ("while_promised", (say("says_paid"),)),
    ("rounds", (drop("L-1", 3),)),
    ("rounds", (drop("L-1", 1, 2, 3, 4),)),
    ("rounds", (drop("L-1", 3, **cancelled, settled_at=at("14", "12:00")),)),
    ("rounds", (drop("L-1", 3, state="cancelled", reason="replanned", settled_at=at("14", "12:00")),)),
    ("rounds", (drop("L-1", 3, state="cancelled", reason="campaign_cancelled", settled_at=at("14", "12:00")),)),
    ("rounds", (drop("L-1", 3, state="expired", reason="window_closed", settled_at=at("15", "02:00")),)),
    ("rounds", (drop("L-1", 3, state="blocked", settled_at=at("15", "02:00")),)),
    ("rounds", (drop("L-1", 3, state="expired", settled_at=at("15", "04:00")),)),
    ("rounds", (edit("L-1", 1, segment="B"),)),
    ("rounds", (follow_up(1, at("14", "03:00:00.000"), **{"try": 1, "cause": "round"}),)),
    ("ends", (edit("L-1", 1, state="talking"),)),
    ("ends", (edit("L-1", 1, outcome=None),)),
    ("ends", (drop("L-1", 1, state="lost"),)),
    ("ends", (drop("L-1", 1, state="planned"),)),
    ("ends", (lambda made: made.attempts.remove(made.row("L-1", 1)),)),
    ("not_placed", (lambda made: made.journal.remove(made.line("L-1", 1)),)),
    ("not_placed", (edit("L-1", 1, claimed_at=None),)),
    ("acknowledged", (forget_an_event,)),
    ("acknowledged", (edit("L-1", 1, disposition="unknown", outcome="unknown"),)),
]
# fmt: on


@pytest.mark.parametrize(("invariant", "changes"), BREACHES, ids=[f"{n}-{one[0]}" for n, one in enumerate(BREACHES)])
def test_a_planted_breach_is_found(tmp_path: Path, invariant: str, changes: tuple[Change, ...]) -> None:
    verdicts = verdicts_of(tmp_path, *changes)
    assert invariant in found(verdicts), verdicts.findings


PERMITTED: list[tuple[Change, ...]] = [
    # so near to what is in force that it was on its way
    (act("14", "06:09:59.500", "pause", campaign="monthly"),
     act("14", "06:20", "resume", campaign="monthly")),
    (act("14", "05:00", "pause", campaign="monthly"), act("14", "05:30", "resume", campaign="monthly")),
    (act("14", "05:00", "halt"), act("14", "05:30", "unhalt")),
    (stop_wang, rest),
    (stop_wang, act("14", "05:30", "lift", phone=WANG, person_id=None, channel="")),
    (act("14", "05:00", "suppress", phone=WANG, person_id=None, channel="sms", until=None),),
    (act("14", "05:00", "suppress", phone=WANG, person_id=None, channel="", until="2026-01-13"),),
    (act("14", "05:00", "suppress", phone=LI, person_id=None, channel="", until=None),
     drop("L-2", 2, 3, 4, state="cancelled", reason="opted_out", settled_at=at("14", "05:00"))),
    (say("opted_out"), rest),
    (say("agent"),),
    (reply("TD", acknowledged=False),),
    (reply("thank you"),),
    (reply("TD"), rest, confirmation),
    (paid_in_full, drop("L-1", 2, 3, 4, **cancelled, settled_at=at("14", "05:00"))),
    (paid_in_full,
     act("14", "05:10", "paid", account_id="L-1", due_on="2026-01-15", amount=None, paid_on=None, reverse=True)),
    (act("14", "05:00", "paid", account_id="L-1", due_on="2026-01-15", amount="99.99", paid_on="2026-01-14"),),
    # yesterday's file does not un-pay anybody
    (paid_in_full, act("14", "05:30", "import", kind="installments", text=INSTALLMENTS
                       + "L-1,2026-01-15,100.00,CNY,,\n"),
     drop("L-1", 2, 3, 4, **cancelled, settled_at=at("14", "05:00"))),
    (promise, drop("L-1", 2, 3, 4, state="cancelled", reason="paused_until", settled_at=at("14", "02:00"))),
    (say("says_paid"), drop("L-1", 2, 3, state="cancelled", reason="paused_until", settled_at=at("14", "02:00"))),
    (drop("L-1", 3, state="expired", reason="window_closed", settled_at=at("15", "03:30")),),
    (drop("L-1", 3, state="expired", reason="window_closed", rule="house.gap", settled_at=at("15", "02:00")),),
    (drop("L-1", 3, state="blocked", rule="dialer.consent", settled_at=at("15", "02:00")),),
    (follow_up(1, at("14", "02:41:00.000")),),
    (follow_up(1, at("14", "02:00:00.000"), **{"channel": "sms", "disposition": "delivered"}),),
    # what failed in the network's own machinery is no contact
    (edit("L-1", 1, disposition="infrastructure"), follow_up(1, at("14", "01:45:00.000"))),
    (relaunch, move("L-1", 2, at("14", "08:30")), move("L-2", 2, at("14", "08:30")),
     move("L-1", 4, at("15", "08:30")), move("L-2", 4, at("15", "08:30"))),
    (edit("L-1", 1, disposition="unknown", outcome="unknown"), lambda made: setattr(made, "network", None)),
]  # fmt: skip


@pytest.mark.parametrize("changes", PERMITTED)
def test_what_is_permitted_is_not_found(tmp_path: Path, changes: tuple[Change, ...]) -> None:
    assert verdicts_of(tmp_path, *changes).findings == []


@pytest.mark.parametrize(
    "path",
    [("totals", "placed"), ("totals", "running"), ("totals", "reached"), ("outside_window",), ("rounds", 1, "placed"),
     ("lines", 0, "calls"), ("messages", "placed"), ("load", 0, "placed")],
)  # fmt: skip
def test_a_report_that_counts_otherwise_is_found(tmp_path: Path, path: tuple[str | int, ...]) -> None:
    made = Made()
    made.count()
    table: object = made.report
    for key in path[:-1]:
        table = table[key]  # type: ignore[index]
    table[path[-1]] += 1  # type: ignore[index]
    assert found(judge(read(made.write(tmp_path), PACKS))) == {"counts"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    made = Made()
    made.write(tmp_path)
    for name in ("actions.jsonl", "network.jsonl"):
        (tmp_path / name).unlink()
    verdicts = judge(read(tmp_path, PACKS))
    assert verdicts.findings == []
    assert [one.split()[0] for one in verdicts.unchecked][:3] == ["actions.jsonl", "network.jsonl", "report.json"]
    assert verdicts.checked["rounds"] == verdicts.checked["after_payment"] == verdicts.checked["acknowledged"] == 0


def test_a_rule_that_is_not_read_is_said_and_not_guessed(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    packs.mkdir()
    for name in ("house", "cn"):
        (packs / f"{name}.toml").write_bytes((PACKS / f"{name}.toml").read_bytes())
    with (packs / "cn.toml").open("a", encoding="utf-8") as stream:
        stream.write(
            '\n[[rule]]\nid = "cn-x.holidays"\nkind = "window"\nactor = ["creditor"]\nchannels = ["voice"]\n'
            'open = [{ days = "workdays", from = "09:00", until = "10:00" }]\nholidays = "CN"\n'
        )
    verdicts = judge(read(Made().write(tmp_path / "files"), packs))
    assert verdicts.findings == []
    assert "rule cn-x.holidays: has holidays (8)" in verdicts.unchecked


def test_the_same_evidence_gives_the_same_verdicts(tmp_path: Path) -> None:
    folder = Made().write(tmp_path)
    assert judge(read(folder, PACKS)) == judge(read(folder, PACKS))
