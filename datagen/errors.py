"""One exception tree; the exit code of the command line is a property of the class.

    DatagenError            1  something datagen itself got wrong
    ├── UsageError          2  a command, option or recipe that cannot be followed
    ├── DataError           3  an input that is missing or unreadable, or rows that ended as `error`
    ├── ModelError          4  a model or an endpoint that is absent or answers wrongly
    └── BudgetError         5  a limit on money or requests was reached; everything bought is saved

Every message is one line that says which file, which key and what to do about it.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import re
from collections.abc import Iterable, Iterator


class DatagenError(Exception):
    """Root of the tree; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(DatagenError):
    """A command, option or recipe that cannot be followed."""

    exit_code = 2


class DataError(DatagenError):
    """Input that is missing or cannot be read, or rows that ended with the reason `error`."""

    exit_code = 3


class ModelError(DatagenError):
    """A model that is not there, or an endpoint that does not answer as it should."""

    exit_code = 4


class BudgetError(DatagenError):
    """A limit on money or requests was reached; all that was bought is on disk."""

    exit_code = 5


class Stopped(KeyboardInterrupt):
    """Ctrl+C or SIGTERM that was followed when what was at work could be saved; the message says what is."""

    def __init__(self, message: str, signal: int) -> None:
        """Take the line to be shown and the number of the signal."""
        super().__init__(message)
        self.exit_code = 128 + signal  # as shells have it


# What the system says of a place, not of what is written or read there, and what to do.
_OF_PLACES = {
    errno.ENOSPC: "its disk is full; free some space, and give the same command again",
    errno.EDQUOT: "the quota of its disk is used up; free some space, and give the same command again",
    errno.EFBIG: "a file may not grow so large here; raise the limit (ulimit -f), and give the same command again",
    errno.EROFS: "it lies on a disk that can only be read; name another place",
    errno.EACCES: "there is no permission for it; change its owner or mode, or name another place",
    errno.EPERM: "there is no permission for it; change its owner or mode, or name another place",
    errno.ENOTDIR: "a file stands where a folder is needed; move it away, or name another place",
    errno.EEXIST: "something of that name is there; move it away, or name another place",
    errno.EISDIR: "it is a folder, and a file is needed; name a file",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n), and give the same command again",
}
LASTING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE})  # whatever is written next


def of_place(error: Exception, place: object) -> DataError | None:
    """Return the error that names a path and what to do, where the system (or a writer in Rust) said what is wrong with it.

    Args:
        error: an OSError, Arrow's too, or one of safetensors, which holds the number in its words.
        place: the path that is named where the error does not know its own.
    """
    found = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno if isinstance(error, OSError) else int(found[1]) if found else None
    if number not in _OF_PLACES or isinstance(error, BrokenPipeError):
        return None
    return DataError(f"{getattr(error, 'filename', None) or place}: {_OF_PLACES[number]}")


@contextlib.contextmanager
def writing(place: object) -> Iterator[None]:
    """Name a path where what is written there fails for want of space or permission.

    Raises:
        DataError: with the path, and what to do.
    """
    try:
        yield
    except Exception as e:
        if isinstance(e, DatagenError) or (named := of_place(e, place)) is None:
            raise
        raise named from e


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or "" when nothing is close."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of what is known when nothing is close."""
    names = sorted(known)
    return nearest(word, names) or (f"; known: {', '.join(names)}" if names else "")


def first_line(error: BaseException, most: int = 200) -> str:
    """Return the first line of what an error says, or its kind where it says nothing; at most so many characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip()[:most]
