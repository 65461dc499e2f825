"""The command of a child process in Python that imports nothing of the current folder."""

from __future__ import annotations

import sys
from pathlib import Path


def python(module: str, *arguments: object) -> list[str]:
    """Return the words that run a module in a process of its own.

    `-m` alone puts the current folder on the import path, first: a file there would hide a module of its name, and run. Where
    datagen itself lies in that folder it stays.
    """
    safe = [] if Path(__file__).parents[1] == Path.cwd() else ["-P"]
    return [sys.executable, *safe, "-m", module, *map(str, arguments)]
