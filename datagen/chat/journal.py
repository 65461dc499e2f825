"""Every request to a model, every attempt to send it and every raw answer, on disk before anything reads them.

One SQLite file per run folder (WAL, synchronous=FULL). A request's key is the hash of the model, the API path, the body and
the index of the draw; the endpoint's address stands beside it and is never hashed, so that a run can go on elsewhere. A
request whose answer is recorded is never sent again. An attempt without an outcome was cut off, by a kill or by Ctrl+C: whether
it was billed nobody knows, so it is held at its worst case.
What came in the place of an answer, as it came, is kept beside the attempt that it came to: it may have been billed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import queue
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.data.shards import write_text
from datagen.errors import DataError

VERSION = 1  # of the tables: bump when they change
_TABLES = """
CREATE TABLE IF NOT EXISTS request (key TEXT PRIMARY KEY, model TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL,
                                    draw INTEGER NOT NULL, endpoint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS attempt (id INTEGER PRIMARY KEY, key TEXT NOT NULL, most_input INTEGER NOT NULL,
                                    most_output INTEGER NOT NULL, most_usd REAL, outcome TEXT, said TEXT,
                                    input_tokens INTEGER, output_tokens INTEGER, usd REAL);
CREATE INDEX IF NOT EXISTS attempt_key ON attempt (key);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY REFERENCES request(key), raw TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (mark TEXT PRIMARY KEY, id TEXT, path TEXT NOT NULL, endpoint TEXT NOT NULL,
                                  ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS batch_item (mark TEXT NOT NULL REFERENCES batch(mark), attempt INTEGER NOT NULL, key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (attempt INTEGER PRIMARY KEY, key TEXT NOT NULL, raw TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS given_up (key TEXT PRIMARY KEY REFERENCES request(key), said TEXT NOT NULL);
"""
ANSWERED, FREE, UNKNOWN = "answered", "free", "unknown"


@dataclass(frozen=True)
class Tokens:
    """Numbers of tokens that go in and come out, reasoning among the latter."""

    input: int
    output: int


@dataclass(frozen=True)
class Attempt:
    """One sending of a request.

    `outcome` is `answered`, `free` (refused before any work), `unknown` (a failure that may have been billed), or None: cut
    off. `used` is what the endpoint reported, None where it did not. Dollars are those of its time, None where no price was
    known.
    """

    most: Tokens
    outcome: str | None
    used: Tokens | None
    most_usd: float | None = None
    usd: float | None = None


def request_key(model: str, path: str, body: Mapping[str, Any], draw: int) -> str:
    """Return the key of a request: hex of a 128-bit digest of model, API path, body and draw index."""
    text = json.dumps([model, path, body, draw], ensure_ascii=False, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Journal:
    """The requests, attempts and raw answers of one run folder."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            DataError: it is not a journal, or one of another version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._db = connected(path)
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0 and self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                version = -1
            if version not in (0, VERSION):
                raise DataError(f"{path} is of another version of datagen; give another -o")
            self._db.executescript(f"{_TABLES} PRAGMA user_version = {VERSION};")
            self._next = 1 + (self._db.execute("SELECT max(id) FROM attempt").fetchone()[0] or 0)
        except sqlite3.Error as e:
            fix = "free some space" if "full" in str(e) or "I/O" in str(e) else "restore it"
            raise DataError(f"{path} cannot be used as a journal: {e}; {fix}, or give another -o") from None
        self._writer = Writer(path)

    def answer(self, key: str) -> str | None:
        """Return the recorded raw answer of a request, or None."""
        return self._text("SELECT raw FROM answer WHERE key = ?", key)

    def usd(self, key: str) -> float | None:
        """Return the dollars that the answer to a request cost when it came; None where no price or no usage was known."""
        found = self._one("SELECT usd FROM attempt WHERE key = ? AND outcome = ? ORDER BY id DESC", key, ANSWERED)
        return None if found is None else float(found)

    def given_up(self, key: str) -> str | None:
        """Return why a request was given up, or None."""
        return self._text("SELECT said FROM given_up WHERE key = ?", key)

    def _text(self, sql: str, key: str) -> str | None:
        found = self._one(sql, key)
        return None if found is None else str(found)

    def _one(self, sql: str, *values: Any) -> Any:
        """Return the first value of the first row that a query finds, or None."""
        try:
            found = self._db.execute(sql, values).fetchone()
        except sqlite3.Error as e:
            raise DataError(f"{self._path} cannot be read: {e}; nothing more is bought") from None
        return found[0] if found else None

    def knows(self, model: str) -> bool:
        """Whether a model of this name was asked."""
        return self._one("SELECT 1 FROM request WHERE model = ? LIMIT 1", model) is not None

    async def asked(
        self, key: str, model: str, path: str, body: Mapping[str, Any], draw: int, endpoint: str, most: Tokens,
        most_usd: float | None = None,
    ) -> int:  # fmt: skip
        """Record a request and an attempt to send it; on disk when this returns. Return the attempt's number.

        Args:
            key: the request's key.
            model: the model's name, as it enters the key.
            path: the API path.
            body: the request without its model.
            draw: index that tells equal requests apart.
            endpoint: the address that it goes to.
            most: the most tokens that it can cost.
            most_usd: their dollars.
        """
        number, self._next = self._next, self._next + 1
        request = (key, model, path, json.dumps(body, ensure_ascii=False, allow_nan=False), draw, endpoint)
        await self._write(
            ("INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?, ?)", request),
            (
                "INSERT INTO attempt (id, key, most_input, most_output, most_usd) VALUES (?, ?, ?, ?, ?)",
                (number, key, most.input, most.output, most_usd),
            ),
        )
        return number

    async def answered(self, attempt: int, key: str, raw: str, used: Tokens | None, usd: float | None = None) -> None:
        """Record the raw answer to an attempt; on disk when this returns, before anything parses it."""
        spent = (ANSWERED, used and used.input, used and used.output, usd, attempt)
        await self._write(
            ("INSERT OR REPLACE INTO answer VALUES (?, ?)", (key, raw)),
            ("DELETE FROM given_up WHERE key = ?", (key,)),
            ("UPDATE attempt SET outcome = ?, input_tokens = ?, output_tokens = ?, usd = ? WHERE id = ?", spent),
        )

    async def failed(
        self, attempt: int, outcome: str, said: str, came: tuple[str, str] | None = None, used: Tokens | None = None,
        usd: float | None = None,
    ) -> None:  # fmt: skip
        """Record that an attempt failed; on disk when this returns.

        Args:
            attempt: its number.
            outcome: `free` or `unknown`.
            said: the endpoint's words.
            came: the request's key, and what came in the place of an answer, as it came.
            used: the tokens that it reports.
            usd: their dollars.
        """
        told = (outcome, said, used and used.input, used and used.output, usd, attempt)
        await self._write(
            *([("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", (attempt, *came))] if came else []),
            ("UPDATE attempt SET outcome = ?, said = ?, input_tokens = ?, output_tokens = ?, usd = ? WHERE id = ?", told),
        )

    async def give_up(self, key: str, said: str) -> None:
        """Record that a request is given up: it is not sent again unless that is asked for."""
        await self._write(("INSERT OR REPLACE INTO given_up VALUES (?, ?)", (key, said)))

    async def batched(self, mark: str, path: str, endpoint: str, items: Sequence[tuple[int, str]]) -> None:
        """Record a batch that is about to be sent: its mark, and the attempts and keys of its requests."""
        await self._write(
            ("INSERT INTO batch (mark, path, endpoint) VALUES (?, ?, ?)", (mark, path, endpoint)),
            *(("INSERT INTO batch_item VALUES (?, ?, ?)", (mark, attempt, key)) for attempt, key in items),
        )

    async def batch_named(self, mark: str, batch: str) -> None:
        """Record the endpoint's name of a batch."""
        await self._write(("UPDATE batch SET id = ? WHERE mark = ?", (batch, mark)))

    async def batch_ended(self, mark: str) -> None:
        """Record that all that came of a batch is recorded."""
        await self._write(("UPDATE batch SET ended = 1 WHERE mark = ?", (mark,)))

    def keep(self, name: str, text: str) -> None:
        """Write a file of a batch beside the journal, whole or not at all, before anything reads it."""
        folder = Path(f"{self._path}.batches")
        folder.mkdir(exist_ok=True)
        write_text(folder / re.sub(r"[^\w.-]", "_", name), text)

    def open_batches(self) -> list[tuple[str, str | None, str]]:
        """Return the mark, the endpoint's name (None: it was not told) and the address of each batch that has not ended."""
        return [(str(m), i, str(e)) for m, i, e in self._db.execute("SELECT mark, id, endpoint FROM batch WHERE NOT ended")]

    def batch_items(self, mark: str) -> list[tuple[int, str, Tokens, float | None]]:
        """Return the attempts of a batch that have no outcome: number, key, the most tokens and dollars."""
        found = self._db.execute(
            "SELECT attempt, batch_item.key, most_input, most_output, most_usd FROM batch_item JOIN attempt"
            " ON attempt.id = batch_item.attempt WHERE mark = ? AND outcome IS NULL ORDER BY attempt", (mark,)
        ).fetchall()  # fmt: skip
        return [(int(n), str(k), Tokens(int(i), int(o)), usd) for n, k, i, o, usd in found]

    def attempts(self) -> Iterator[Attempt]:
        """Yield every attempt ever made in this folder."""
        columns = "most_input, most_output, outcome, input_tokens, output_tokens, most_usd, usd"
        try:
            for found in self._db.execute(f"SELECT {columns} FROM attempt"):  # noqa: S608
                most_in, most_out, outcome, used_in, used_out, *dollars = found
                used = None if used_in is None or used_out is None else Tokens(int(used_in), int(used_out))
                most_usd, usd = (None if d is None else float(d) for d in dollars)
                yield Attempt(Tokens(int(most_in), int(most_out)), outcome, used, most_usd, usd)
        except (sqlite3.Error, ValueError, TypeError) as e:
            raise self._damaged(e) from None

    def cut_off(self, most: int = 100) -> list[dict[str, Any]]:
        """Return the attempts without an outcome, the first `most`: their request, endpoint and worst case."""
        found = self._db.execute(
            "SELECT attempt.key, endpoint, most_input, most_output, most_usd FROM attempt JOIN request USING (key)"
            " WHERE outcome IS NULL ORDER BY id LIMIT ?", (most,)
        ).fetchall()  # fmt: skip
        names = ("request_key", "endpoint", "most_input_tokens", "most_output_tokens", "most_usd")
        return [dict(zip(names, row, strict=True)) for row in found]

    def counts(self) -> dict[str, int]:
        """Return how many requests were `asked`, `recorded`, `given_up`; of `attempts` how many were `cut_off` or `failed`."""
        try:
            found = self._db.execute(
                "SELECT (SELECT count(*) FROM request), (SELECT count(*) FROM answer), (SELECT count(*) FROM given_up),"
                " (SELECT count(*) FROM attempt), (SELECT count(*) FROM attempt WHERE outcome IS NULL),"
                " (SELECT count(*) FROM attempt WHERE outcome IN (?, ?))", (FREE, UNKNOWN),
            ).fetchone()  # fmt: skip
        except sqlite3.Error as e:
            raise self._damaged(e) from None
        names = ("asked", "recorded", "given_up", "attempts", "cut_off", "failed")
        return dict(zip(names, map(int, found), strict=True))

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"{self._path} is damaged ({error}); restore it, or give another -o; nothing more is bought")

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._writer.close()
        self._db.close()

    async def _write(self, *statements: Statement) -> None:
        await self._writer.write(*statements)


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
