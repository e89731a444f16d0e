"""The code and the commands that the documents show."""

import re

from tests.style.source import ROOT


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page, without their fences."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """Each `$ command` of a console block, with the output that is shown below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]
