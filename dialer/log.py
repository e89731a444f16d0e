"""Logs: JSON or console, by structlog. Phones and names never appear whole."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

log = structlog.get_logger()

_PHONE = re.compile(r"\+\d{7,15}")
_STATEMENT = re.compile(r"\s*(\[SQL: .*|\(Background on this error at: \S+\))", re.DOTALL)
"""What SQLAlchemy puts behind what a database said."""


def mask_phone(phone: str) -> str:
    """+8613800138001 → +86138****8001: enough to recognise one's own, too little to call."""
    if len(phone) < 9:
        return "****"
    return f"{phone[:-8]}****{phone[-4:]}" if len(phone) >= 13 else f"{phone[:-7]}***{phone[-4:]}"


def mask_text(text: str) -> str:
    """Every phone number in a text masked."""
    return _PHONE.sub(lambda found: mask_phone(found.group()), text)


def mask_name(name: str) -> str:
    """王丽 → 王*; John Smith → J*."""
    return f"{name[:1]}*" if name else ""


def _masked(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in entry.items():
        if key in ("name", "person_name"):
            entry[key] = mask_name(str(value))
        elif isinstance(value, str):
            entry[key] = mask_text(_STATEMENT.sub("", value))
    return entry


def set_up(level: str = "info", form: str = "console", stream: Any = None) -> None:
    """Configures logging of this process, once. Logs go to standard error: standard output is for results."""
    out = stream or sys.stderr
    render: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _masked,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
