"""Who is there? Calls that ask for the last four digits before anything of the debt is said, on virtual time."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import Event, EventKind, Heard, Step
from dialer import export
from dialer.dialogue import Dialogues
from dialer.explain import explain
from dialer.news import of_event
from dialer.store import InlineStore
from tests.support.scene import ACCOUNTS_HEAD, ALICE, CAMPAIGN, Scene, due, play

HEAD = ACCOUNTS_HEAD.strip() + ",verify\n"
DIGITS = "7391"
ASKING = (
    CAMPAIGN.replace('first = "greet"', 'first = "who"')
    + """
[script.reminder.step.who]
say = "{name}本人请按1,不是请按2。"
keys = { 1 = "code", 2 = "stranger", 9 = "stop" }
[script.reminder.step.code]
say = "请输入证件号码后四位。"
verify = "greet"
digits = 4
wrong = { repeat = 1, then = "safe" }
[script.reminder.step.safe]
say = "请致电{lender_phone}。"
[script.reminder.step.stranger]
say = "打扰了。"
outcome = "wrong_number"
"""
)
SAFE = "请致电+864001234567。"


def account(number: int, verify: str) -> str:
    return f"L-{number},P-1,王丽,{ALICE},zh-CN,,CN,工商银行,yes,yes,{verify}\n"


def call(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keys: str, verify: tuple[str, ...] = (DIGITS,),
    machine: bool = False, campaign: str = ASKING,
) -> tuple[list[str], dict[str, Any]]:  # fmt: skip
    """One call in which these keys are pressed: what was said, and what is then known of it."""
    said: list[str] = []
    found: dict[str, Any] = {}

    step = Dialogues.step

    async def listen(dialogues: Dialogues, attempt_id: int, heard: Heard) -> Step:
        answer = await step(dialogues, attempt_id, heard)
        said.append(answer.text)
        return answer

    monkeypatch.setattr(Dialogues, "step", listen)

    async def act(scene: Scene) -> None:
        number = scene.mock.on(ALICE)
        _ = number.machine() if machine else number.answers(keys)
        rows = "".join(account(n, one) for n, one in enumerate(verify, 1))
        await scene.take("accounts", scene.file("accounts.csv", HEAD + rows))
        await scene.load(installments="".join(due(n, "2026-01-15") for n in range(1, len(verify) + 1)))
        await scene.launch(campaign)
        await scene.start()
        await scene.until("2026-01-14 13:00")
        store = scene.house.store
        assert isinstance(store, InlineStore)
        path = folder / "a.jsonl"
        store.run(lambda tx: export.write_jsonl(tx, path, reveal=True, currency="CNY"))
        found["attempts"] = [json.loads(line) for line in path.read_text().splitlines()]
        found["tasks"] = [(row.kind, row.detail) for row in scene.rows("tasks")]
        found["explain"] = store.run(lambda tx: explain(tx, scene.house, "L-1")).model_dump_json()
        found["all"] = str([scene.rows(table) for table in ("attempts", "events", "accounts", "tasks", "verdicts")])

    play(folder, "2026-01-13 08:00", act)
    return said, found


@pytest.mark.parametrize("keys", [f"1,{DIGITS},1", f"1,0000,{DIGITS},1"])
def test_the_right_digits_lead_to_the_debt_and_are_written_down_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    said, found = call(tmp_path, monkeypatch, keys)
    assert not any("100.00" in text for text in said[: keys.count(",")])
    assert "100.00" in said[keys.count(",")]
    attempt = found["attempts"][0]
    assert (attempt["outcome"], attempt["disposition"]) == ("says_paid", "human")
    assert [one.get("verified") for one in attempt["events"] if one.get("verified")][-1] == "yes"
    assert [one["digits"] for one in attempt["events"] if one.get("digits")] == ["1", "1"]
    assert DIGITS not in str(found)
    assert "身份核对无误" in found["explain"]
    assert found["tasks"] == []


def test_wrong_digits_hear_the_safe_ending_and_a_human_looks_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, found = call(tmp_path, monkeypatch, "1,1111,2222,3333")
    assert said == ["王丽本人请按1,不是请按2。", "请输入证件号码后四位。", "请输入证件号码后四位。", SAFE]
    assert found["attempts"][0]["outcome"] == "no_contact"
    assert found["tasks"] == [("review", "the person on the phone could not be verified; nothing was told")]
    assert not {"1111", "2222", "3333"} & set(str(found["attempts"]).split("'"))
    assert [one.get("verified") for one in found["attempts"][0]["events"] if one.get("verified")] == ["no", "no"]


def test_who_keys_in_nothing_hears_the_safe_ending_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, found = call(tmp_path, monkeypatch, "1,,,")
    assert said[-1] == SAFE
    assert found["attempts"][0]["outcome"] == "no_contact"


@pytest.mark.parametrize("verify", [("",), ("", "")])
def test_without_anything_on_file_nobody_can_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: tuple[str, ...]
) -> None:
    said, found = call(tmp_path, monkeypatch, f"1,{DIGITS},1", verify)
    assert said == ["王丽本人请按1,不是请按2。", SAFE]
    assert found["attempts"][0]["outcome"] == "no_contact"
    assert len(found["tasks"]) == 1


def test_of_several_accounts_the_digits_of_any_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, _ = call(tmp_path, monkeypatch, f"1,{DIGITS},1", ("", "1111", DIGITS))
    assert "3笔" in said[2]


def test_what_the_provider_reports_of_the_keys_is_masked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(f"1,{DIGITS},1")
        await scene.take("accounts", scene.file("accounts.csv", HEAD + account(1, DIGITS)))
        await scene.load(installments=due(1, "2026-01-15"))
        await scene.launch(ASKING)
        await scene.start()
        await scene.clock.sleep_until(scene.rows(round=1)[0].planned_for)
        while not (talking := scene.rows(state="talking")):
            await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=1))
        key = str(talking[0].attempt_id)
        for n, digits in enumerate((DIGITS, *DIGITS)):
            event = Event(EventKind.KEYED, scene.clock.now(), key, identity=f"provider-{n}", digits=digits)
            await scene.worker.inbox.take([of_event(event)])
        await scene.until("2026-01-14 13:00")
        found = [row.data.get("digits") for row in scene.rows("events") if (row.identity or "").startswith("provider")]
        assert found == ["****"] * 5

    play(tmp_path, "2026-01-13 08:00", act)


def test_a_machine_hears_only_what_is_neutral(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neutral = ASKING.replace('first = "who"', 'first = "who"\nvoicemail = "请致电{lender_phone}。"')
    said, found = call(tmp_path, monkeypatch, "", machine=True, campaign=neutral)
    assert said[-1] == SAFE
    assert found["attempts"][0]["outcome"] == "voicemail_left"
