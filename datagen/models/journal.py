"""Every request to a model and its raw answer, on disk before anything reads it.

One SQLite file per run folder (WAL, synchronous=FULL). A request's key is the hash of the model, the API path, the body and
the index of the draw; the endpoint's address stands beside it and is never hashed, so that a run can go on elsewhere. A
request whose answer is recorded is never sent again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS request (key TEXT PRIMARY KEY, path TEXT NOT NULL, body TEXT NOT NULL, draw INTEGER NOT NULL,
                                    endpoint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY REFERENCES request(key), raw TEXT NOT NULL);
"""


def request_key(model: str, path: str, body: Mapping[str, Any], draw: int) -> str:
    """Return the key of a request: hex of a 128-bit digest of model, API path, body and draw index."""
    text = json.dumps([model, path, body, draw], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Journal:
    """The requests and raw answers of one run folder."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; one thread at a time may use it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_TABLES)

    def answer(self, key: str) -> str | None:
        """Return the recorded raw answer of a request, or None."""
        found = self._db.execute("SELECT raw FROM answer WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    def asked(self, key: str, path: str, body: Mapping[str, Any], draw: int, endpoint: str) -> None:
        """Record a request, before it is sent."""
        row = (key, path, json.dumps(body, ensure_ascii=False), draw, endpoint)
        self._db.execute("INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?)", row)

    def answered(self, key: str, raw: str) -> None:
        """Record the raw answer of a request, before it is parsed."""
        self._db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?)", (key, raw))

    def counts(self) -> tuple[int, int]:
        """Number of requests recorded, and of those answered."""
        asked = self._db.execute("SELECT count(*) FROM request").fetchone()[0]
        return int(asked), int(self._db.execute("SELECT count(*) FROM answer").fetchone()[0])

    def close(self) -> None:
        """Close the file; everything in it is already on disk."""
        self._db.close()
