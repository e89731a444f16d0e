"""A file that takes its place when it is complete: nobody ever reads half of it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dialer.errors import DialerError


@contextmanager
def whole_file(path: Path, private: bool = True) -> Iterator[IO[str]]:
    """UTF-8 text on its way to `path`. `private`: readable by its owner only, for personal data.

    A link is followed; what is no regular file (a device, a pipe) is written to as it stands, never replaced. Raises
    DialerError where it can't be written, and then leaves what was there.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # its links lead in a circle
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            return
        with _beside(target, private) as stream:
            yield stream
    except OSError as error:
        raise DialerError(f"{path}: cannot be written ({error.strerror}); name a file in a folder that can") from error


@contextmanager
def _beside(target: Path, private: bool) -> Iterator[IO[str]]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if not private:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
