"""The adapter in docs/adapters.md does what the page says."""

from pathlib import Path
from types import ModuleType

import pytest

from adapters.contract import EventKind, Order, Spec, Unavailable
from adapters.testing import VirtualHost
from tests.style.pages import blocks

NOTE = Order("a-1", "sms", "+8613800138001", caller="+864001234567", line="main", text="您好")


@pytest.fixture(scope="module")
def spec() -> Spec:
    (code,) = blocks("docs/adapters.md", "python")
    module = ModuleType("outbox")
    exec(compile(code, "docs/adapters.md", "exec"), module.__dict__)
    found = module.__dict__["ADAPTER"]
    assert isinstance(found, Spec)
    return found


async def test_what_was_placed_is_found(spec: Spec, tmp_path: Path) -> None:
    adapter, host = spec.build(spec.settings(file=tmp_path / "out.jsonl")), VirtualHost()
    await adapter.open(host)
    assert await adapter.find(NOTE) == []
    receipt = await adapter.place(NOTE)
    (event,) = await adapter.find(NOTE)
    assert (event.kind, event.attempt_id, event.ref) == (EventKind.ACCEPTED, "a-1", receipt.ref)
    assert "您好" in (tmp_path / "out.jsonl").read_text(encoding="utf-8")


async def test_what_cannot_be_opened_was_not_sent(spec: Spec, tmp_path: Path) -> None:
    adapter = spec.build(spec.settings(file=tmp_path / "no" / "folder"))
    await adapter.open(VirtualHost())
    with pytest.raises(Unavailable):
        await adapter.place(NOTE)
