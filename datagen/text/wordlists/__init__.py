"""Word lists, one entry a line: what comes with datagen, or a file of the user's own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from datagen.errors import DataError

COMMENT = "#"


def entries(name_or_path: str) -> tuple[str, ...]:
    """Return the entries of a list that comes with datagen, by its name, or of a file; comments and empty lines left out.

    A file that was changed since it was last asked for is read again.

    Raises:
        DataError: there is no such file, or it is not text.
    """
    return _entries(name_or_path, stamp(name_or_path))


def stamp(name_or_path: str) -> tuple[int, int]:
    """Return what tells a file from a changed one of the same name, for caches: when it was changed, and its size."""
    try:
        state = Path(name_or_path).stat()
    except OSError:
        return 0, 0  # a shipped list, or none: reading it says so
    return state.st_mtime_ns, state.st_size


@lru_cache(maxsize=32)
def _entries(name_or_path: str, state: tuple[int, int]) -> tuple[str, ...]:
    path = file_of(name_or_path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{name_or_path}: cannot be read as a list of words, one a line: {e}") from None
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith(COMMENT))


def file_of(name_or_path: str) -> Path:
    """Return the file behind the name of a shipped list, or the path itself."""
    shipped = Path(__file__).parent / f"{name_or_path}.txt"
    return shipped if "/" not in name_or_path and shipped.is_file() else Path(name_or_path)
