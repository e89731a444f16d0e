"""The report as one page of HTML: no script, no outside address, readable on a phone and in the dark."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from dialer.report_model import Report


def render(found: Report, language: str, columns: Mapping[str, str], pays_within: int) -> str:
    """The page in Chinese for a zh language, else in English. `columns`: name → title of the counts to show."""
    chinese = language.lower().startswith("zh")
    words = _chinese() if chinese else {}

    def word(text: str) -> str:
        """The text in the page's language; in English as it is, `_` as a space."""
        return words.get(text, text.replace("_", " "))

    template = _environment().get_template("report.html.j2")
    return template.render(
        report=found,
        columns=columns,
        pays_within=pays_within,
        at=found.at.astimezone(ZoneInfo(found.time_zone)).strftime("%Y-%m-%d %H:%M"),
        _=word,
        language="zh-CN" if chinese else "en",
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dialer", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


@cache
def _chinese() -> dict[str, str]:
    """English → Chinese, from the file beside the template."""
    text = (files("dialer") / "templates" / "report.zh.toml").read_text(encoding="utf-8")
    found: dict[str, str] = tomllib.loads(text)
    return found
