"""Child processes in Python: they import nothing of the current folder, and end with their parent."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

WATCH_EVERY_S = 0.2


def python(module: str, *arguments: object) -> list[str]:
    """Return the words that run a module in a process of its own.

    `-m` alone puts the current folder on the import path, first: a file there would hide a module of its name, and run. Where
    datagen itself lies in that folder it stays.
    """
    safe = [] if Path(__file__).parents[1] == Path.cwd() else ["-P"]
    return [sys.executable, *safe, "-m", module, *map(str, arguments)]


def end_with_parent(parent: int) -> None:
    """End this process, from a thread of its own, soon after its parent is gone, SIGKILL included.

    Args:
        parent: the parent's process id, as that process told it: it may be gone before this one can ask.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_EVERY_S)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
