"""Wrong usage in the words of all other faults: `command line: --from: what is wrong; what is accepted`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from typer import Abort, BadParameter, Typer, echo

from config.faults import nearest
from config.files import UNFIT
from dialer.errors import BrokenOff

UsageError: type[Exception] = BadParameter.__bases__[0]
"""What the parser raises for every wrong usage. Typer exports only this child of it."""


_EMPTY = '""'
WORD_MAX = 4_096
"""Characters of one word of the command line: as long as a path may be."""


def called(app: Typer) -> Any:
    """Runs the command; gives its exit code. Raises BrokenOff for Ctrl-C, also where it asks something."""
    try:
        code = app(standalone_mode=False)
    except Abort as error:
        echo(err=True)  # ends the line of the question
        raise BrokenOff from error
    if code == BrokenOff.exit_code:  # what Typer makes of Ctrl-C
        raise BrokenOff
    return code


def check_words(words: Sequence[str]) -> None:
    """Raises BadParameter for words that can neither be kept nor printed: a shell hands over any bytes."""
    wrong = []
    for number, word in enumerate(words, 1):
        if len(word) > WORD_MAX:
            wrong.append(f"word {number}: has {len(word):,} characters; accepted: at most {WORD_MAX:,}")
        elif UNFIT.search(word):
            wrong.append(f"word {number}: holds control characters, or is not UTF-8; accepted: one line of text")
    if wrong:
        raise BadParameter("\n".join(wrong))


def faults(error: Any, words: Sequence[str]) -> list[str]:
    """What is wrong with the command line's words, a line each; `error` is a UsageError. Empty: its help was shown
    instead."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return []
    return [f"command line: {told}" for told in _told(error, words).splitlines()]


def _told(error: Any, words: Sequence[str]) -> str:
    command = error.ctx.command if error.ctx else None
    params = command.params if command else []
    match type(error).__name__:
        case "NoSuchOption" if _is_of_commands(error.option_name, command):
            has_command = any(word in getattr(command, "commands", {}) for word in words)
            stands = "stands before the command" if has_command else "belongs behind a command, and none is named"
            return f"{error.option_name}: {stands}; accepted: behind it"
        case "NoSuchOption":
            return f"{error.option_name}: is not known{_one_of(error.option_name, _options(params))}"
        case "MissingParameter":
            name = _name(error.param)
            wanted = f"{name} {_value(error.param)}" if name.startswith("-") else _usage(error)
            return f"{name}: is missing; accepted: {wanted}"
        case "BadOptionUsage":
            return f"{error.option_name}: has no value; accepted: one behind it"
        case "BadParameter" if error.message.endswith("is not readable."):
            wrong = f"{_path(error.message)} may not be read by this user"
            return f"{_name(error.param)}: {wrong}; accepted: a path that may"
        case "BadParameter" if error.param is not None:  # Typer's own: all options but texts and paths are numbers
            return f"{_name(error.param)}: {_no_number(error.param, error.message)}"
        case "BadParameter":
            return "\n".join(f"{_place(error)}{line}" for line in error.message.splitlines())
    if error.message.startswith("No such command"):
        word = error.message.split("'")[1]
        return f"{word or _EMPTY}: is no command{_one_of(word, command.list_commands(error.ctx) if command else ())}"
    if "extra argument" in error.message:
        words = error.message.rpartition("(")[2].rstrip(").")
        return f"{words or _EMPTY}: is one word too many; accepted: {_usage(error)}"
    return f"{error.message.rstrip('.').lower()}; accepted: see --help"


def _path(message: str) -> str:
    """The path in Typer's message: `File 'dialer.toml' is not readable.`"""
    return message.partition(" ")[2].removesuffix(" is not readable.").strip("'\"")


def _no_number(param: Any, message: str) -> str:
    """`is too large; accepted: a whole number from 1 to 100000`. `message`: Typer's, in pydantic's words."""
    wrong = "is no whole number"
    if "greater than" in message or "less than" in message:
        wrong = f"is too {'small' if 'greater' in message else 'large'}"
    return f"{wrong}; accepted: a whole number{'' if param.min is None else f' from {param.min} to {param.max}'}"


def _one_of(word: str, known: Iterable[str]) -> str:
    names = [*known]
    return f"{nearest(word, names)}; accepted: {', '.join(names)}"


def _options(params: Iterable[Any]) -> list[str]:
    return [*(name for param in params for name in param.opts if name.startswith("--")), "--help"]


def _is_of_commands(option: str, group: Any) -> bool:
    """Whether it is an option of any command of this group, before which it was written."""
    return any(option in _options(one.params) for one in getattr(group, "commands", {}).values())


def _name(param: Any) -> str:
    """`--from`, or `CAMPAIGN`."""
    longest = max(param.opts, key=len)
    return str(longest if longest.startswith("-") else (param.metavar or param.name).upper().strip("[]."))


def _value(param: Any) -> str:
    """What stands behind an option: FILE, YYYY-MM-DD."""
    return str(param.metavar or "FILE")


def _place(error: Any) -> str:
    """The option that is wrong; an error that is about several names them itself."""
    return f"{error.param_hint}: " if error.param_hint else ""


def _usage(error: Any) -> str:
    """`dialer plan [OPTIONS] CAMPAIGN`."""
    usage = str(error.ctx.command.get_usage(error.ctx)).partition(": ")[2]
    return re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), usage)
