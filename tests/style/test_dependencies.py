"""Every dependency has its reason in docs/dependencies.md and a licence that lets others use the project."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from tests.style.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PERMISSIVE = re.compile(r"\b(MIT|BSD|ISC|Apache|PSF|Python Software Foundation|Unlicense)\b")
DATA = {"certifi"}
"""No program: Mozilla's list of certificate authorities under MPL, as it is; docs/dependencies.md says who needs it."""
WEAK = re.compile(r"\b(MPL|Mozilla|LGPL)\b")


def _named(requirements: list[str]) -> list[str]:
    return [re.split(r"[\[<>=!~ ;]", requirement)[0] for requirement in requirements]


RUN = _named(PROJECT["project"]["dependencies"])
DEVELOP = _named(PROJECT["dependency-groups"]["dev"])
MEASURE = _named(PROJECT["dependency-groups"]["bench"])


def _page(title: str) -> dict[str, list[str]]:
    """package → the other cells of its row under this heading."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return {cells[0]: cells[1:] for cells in rows[2:]}


def _licence(package: str) -> str:
    """Everything that the package says of its licence, on one line."""
    known = metadata(package)
    said = [*(known.get_all("License-Expression") or []), *(text[:60] for text in known.get_all("License") or [])]
    said += [each for each in known.get_all("Classifier") or [] if each.startswith("License ::")]
    return " ".join(said)


@pytest.mark.parametrize(("title", "packages"), [("To run", RUN), ("To develop", DEVELOP), ("To measure", MEASURE)])
def test_each_dependency_has_its_line(title: str, packages: list[str]) -> None:
    page = _page(title)
    assert list(page) == sorted(packages)
    assert all(all(cells) for cells in page.values())


@pytest.mark.parametrize(("title", "package"), [*(("To run", p) for p in RUN), *(("To develop", p) for p in DEVELOP)])
def test_the_page_names_the_licence_that_the_package_names(title: str, package: str) -> None:
    families = {"BSD", "MIT", "ISC", "Apache", "MPL", "PSF"}
    written = {family for family in families if family in _page(title)[package][-1]}
    assert written
    assert written == {family for family in families if re.search(rf"\b{family}\b", _licence(package))}


def _locked(lock: str) -> list[str]:
    return re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "allowed"), [("requirements.lock", [PERMISSIVE]), ("requirements-dev.lock", [PERMISSIVE, WEAK])]
)
def test_all_that_is_locked_may_be_used(lock: str, allowed: list[re.Pattern[str]]) -> None:
    refused, seen = [], 0
    for package in _locked(lock):
        try:
            licence = _licence(package)
        except PackageNotFoundError:  # for another operating system
            continue
        seen += 1
        if package in DATA and "MPL" in licence:
            continue
        if "AGPL" in licence or not any(pattern.search(licence) for pattern in allowed):
            refused.append(f"{package}: {licence}")
    assert refused == []
    assert seen > len(RUN)


def test_what_runs_is_part_of_what_is_developed() -> None:
    assert set(_locked("requirements.lock")) < set(_locked("requirements-dev.lock"))
    assert set(RUN) <= set(_locked("requirements.lock"))
    assert set(DEVELOP) <= set(_locked("requirements-dev.lock"))
