"""One exception tree; the exit code of the command line is a property of the class.

    DatagenError            1  something datagen itself got wrong
    ├── UsageError          2  a command, option or recipe that cannot be followed
    ├── DataError           3  an input that is missing or unreadable, or rows that ended as `error`
    ├── ModelError          4  a model or an endpoint that is absent or answers wrongly
    └── BudgetError         5  a limit on money or requests was reached; everything bought is saved

Every message is one line that says which file, which key and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of what is known when nothing is close."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""
