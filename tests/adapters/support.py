"""What the tests of the mock adapter share."""

from adapters.contract import Heard, Order, Step

WANG = "+8613800138001"


def an_order(attempt_id: str = "a-1", to: str = WANG, channel: str = "voice", **changes: object) -> Order:
    return Order(attempt_id, channel, to, "+864001234567", "main", **changes)  # type: ignore[arg-type]


def two_questions(attempt_id: str, heard: Heard) -> Step:
    if heard.what == "start":
        return Step("greet", "已经处理请按1,还没有处理请按2。", "gather", keys="12")
    if heard.what == "keys" and heard.digits == "2":
        return Step("when", "今天还款请按1,明天还款请按2。", "gather", keys="12")
    return Step("bye", "再见。", "hang_up")
