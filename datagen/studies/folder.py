"""The folder of a study: held by one process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from datagen.errors import UsageError, writing

LOCK = ".study"


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Make a study's folder and hold it alone.

    Raises:
        UsageError: another process holds it, or it is a folder of other things.
    """
    from filelock import FileLock, Timeout

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; -o names a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / LOCK).exists():
        raise UsageError(f"{out} holds other files; give -o a folder that is new, empty or an earlier study's")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another datagen process is at work in {out}; wait for it, or give another -o") from None
    try:
        yield
    finally:
        lock.release()
