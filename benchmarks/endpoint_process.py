"""The local endpoint of `tests/` as a process, and what its log says was bought."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests" / "support"))

from invented_answers import digest  # noqa: E402  (needs the path above)

START_S = 20.0


@dataclass
class Arrival:
    """One request that arrived: `body` is its hash, `billed` tokens in and out, `status` 0 where no answer was sent in full."""

    n: int
    pid: int
    time: float
    body: str
    fault: str
    billed: tuple[int, int]
    status: int = 0


class EndpointProcess:
    """`tests/support/local_endpoint.py` at work; every start of one with the same log adds to it."""

    def __init__(self, folder: Path, *options: Any, log: str = "endpoint.jsonl") -> None:
        """Start it and wait until it listens."""
        self.log, port_file = folder / log, folder / f"port-{time.monotonic_ns()}"
        script = str(PROJECT / "tests" / "support" / "local_endpoint.py")
        given = ("--port-file", port_file, "--log", self.log, "--with-parent", *options)
        self._start([sys.executable, script, *map(str, given)], port_file)

    def _start(self, words: list[str], port_file: Path, stderr: int | None = None) -> None:
        """Start a server that writes its port into a file, and wait for it."""
        self.process = subprocess.Popen(words, stderr=stderr)
        deadline = time.monotonic() + START_S
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the local endpoint did not start")
            time.sleep(0.01)
        self.port = int(port_file.read_text())
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> EndpointProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait(10)


def arrivals(log: Path) -> list[Arrival]:
    """Read a log: the requests in the order of their arrival."""
    found: dict[tuple[int, int], Arrival] = {}
    for line in log.read_bytes().split(b"\n"):
        told = json.loads(line) if line.endswith(b"}") else {}  # the last line may be on its way
        if "body" in told:
            del told["path"]
            found[told["pid"], told["n"]] = Arrival(**{**told, "billed": tuple(told["billed"])})
        elif told.get("finished"):
            found[told["pid"], told["n"]].status = told["status"]
    return list(found.values())


def bodies(out: Path, table: str) -> Counter[str]:
    """The hashes of the bodies of what a journal's table names: answers, attempts, or the requests themselves."""
    if not (out / "journal.sqlite").exists():
        return Counter()
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return Counter()
        of = "request" if table == "request" else f"{table} JOIN request USING (key)"
        return Counter(body_hash(body) for (body,) in db.execute(f"SELECT body FROM {of}"))


def body_hash(body: str, model: str = "local") -> str:
    """Return the hash by which the log names a request whose body, without its model, is this JSON."""
    return digest({"model": model, **json.loads(body)})


def clean_environment() -> dict[str, str]:
    """The environment without the endpoint and the key of the machine."""
    return {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")} | {"COLUMNS": "100"}


def command(out: Path, base_url: str, *options: Any) -> list[str]:
    """The command line of a generation at an endpoint."""
    words = [sys.executable, "-m", "datagen", "self-instruct", "-o", out, "--model", "local", "--base-url", base_url, *options]
    return [str(w) for w in words]


def dollars(billed: Any, price_in: float, price_out: float) -> float:
    """What tokens cost at prices per million: pairs of tokens in and out."""
    went_in, came_out = (sum(part) for part in zip(*billed, strict=True)) if (billed := list(billed)) else (0, 0)
    return (went_in * price_in + came_out * price_out) / 1e6
