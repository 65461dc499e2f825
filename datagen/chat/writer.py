"""A thread that writes to a database: what many have to say at one time is one transaction and one fsync."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from datagen.errors import DataError

Statement = tuple[str, tuple[Any, ...]]


def connected(path: Path) -> sqlite3.Connection:
    """Open a database whose every commit is on disk when it returns."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


class Writer:
    """The thread, its connection, and the line of those who have something to write."""

    def __init__(self, path: Path) -> None:
        """Start it."""
        self._path, self._closed = path, False
        self._queue: queue.SimpleQueue[tuple[Sequence[Statement], Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    async def write(self, *statements: Statement) -> None:
        """Write statements in one transaction; on disk when this returns. Raises DataError."""
        if self._closed:
            raise DataError(f"{self._path} is closed")
        done: Future[None] = Future()
        self._queue.put((statements, done))
        await asyncio.shield(asyncio.wrap_future(done))  # what was begun is written, whoever stops waiting

    def close(self) -> None:
        """Write what is waiting and end the thread."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        """Write what comes in, all that waits in one transaction, until it is closed."""
        db = connected(self._path)
        last = False
        while not last:
            waiting = [self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get())
            last = None in waiting
            work = [w for w in waiting if w is not None]
            self._commit(db, work)
        db.close()

    def _commit(self, db: sqlite3.Connection, work: Sequence[tuple[Sequence[Statement], Future[None]]]) -> None:
        """Write all of it in one transaction; where that fails each by itself, so that one takes no other with it."""
        try:
            db.execute("BEGIN")
            for statements, _ in work:
                for sql, values in statements:
                    db.execute(sql, values)
            db.execute("COMMIT")
            for _, done in work:
                done.set_result(None)
        except Exception as e:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            if db.in_transaction:
                db.execute("ROLLBACK")
            if len(work) > 1:
                for one in work:
                    self._commit(db, [one])
            else:
                fix = "; free some space, and give the same command again" if "full" in str(e) or "I/O" in str(e) else ""
                for _, done in work:
                    done.set_exception(DataError(f"{self._path} cannot be written: {e}; nothing more is bought{fix}"))
