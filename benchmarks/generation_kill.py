"""SIGKILL at 50 random moments of one run, the endpoint on another port after each: the rows of a run that nobody killed.

Once for prompts that show seed tasks only, once for prompts that show rows of the run. The endpoint's own log proves that
nothing recorded was bought twice. `--quick`: 10 kills.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bars import Bars
from endpoint_process import EndpointProcess, arrivals, bodies, clean_environment, command, dollars

FAULTS = "429:0.03,500:0.03,reset:0.02,hang_up:0.01,cut:0.05,broken:0.02,no_usage:0.03,null_text:0.01"
RUNS = {
    "prompts of seed tasks": [], "prompts of the run's own rows": ["--machine-examples", "2"],
    "a task, then its answer": ["--method", "one"],
}  # fmt: skip
PRICES = ["--price-in", 0.5, "--price-out", 1.5]
ENDPOINT = ["--seed", 7, "--faults", FAULTS, "--delay-ms", 30]
ROWS_PER_KILL = 24
AT_START, AT_END = 0.1, 0.2  # shares of the kills that come before the first request, and after the last
START_S, END_S = 1.5, 3.0


def usage(out: Path) -> list[tuple[int, int]]:
    """Tokens in and out of every recorded answer that tells them."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        raws = [raw for (raw,) in db.execute("SELECT raw FROM answer")]
    found = []
    for raw in raws:
        try:
            told = json.loads(raw).get("usage")
        except ValueError:
            continue
        found += [(told["prompt_tokens"], told["completion_tokens"])] if told else []
    return found


def started(out: Path, endpoint: EndpointProcess, options: list[Any]) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own."""
    return subprocess.Popen(
        command(out, endpoint.base_url, *options), env=clean_environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def struck(process: subprocess.Popen[bytes], log: Path, more: int | None, wait_s: float) -> bool:
    """Kill a run some time after so many more requests arrived (None: not waiting for any); return whether it still ran."""
    size = log.stat().st_size
    while more and process.poll() is None:
        with log.open("rb") as f:
            f.seek(size)
            if f.read().count(b'"body"') >= more:
                break
        time.sleep(0.002)
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait(10) == -signal.SIGKILL


def killed(folder: Path, out: Path, options: list[Any], kills: int, requests: int) -> dict[str, int]:
    """Kill a run again and again, the endpoint with it; return counts: kills that struck, ports, answers bought twice."""
    draw, ports, again, hits, life_s = random.Random(17), set[int](), 0, 0, END_S
    tail, log = round(AT_END * kills), folder / "killed.jsonl"
    log.touch()
    while True:
        with EndpointProcess(folder, *ENDPOINT, log=log.name) as endpoint:
            if endpoint.port in ports:
                continue
            ports.add(endpoint.port)
            paid, before, left = bodies(out, "answer"), len(arrivals(log)), kills - hits
            # A run that came to its end makes its rows again: there is work to kill.
            began, fresh = time.monotonic(), ["--fresh"] if (out / "run.json").exists() else []
            process = started(out, endpoint, [*options, *fresh])
            if not left:
                code = process.wait(300)
            elif left <= tail:  # what is left of requests is asked, then the rows are written
                hit = struck(process, log, None, draw.uniform(0.2, life_s))
                hits += hit
                life_s = life_s if hit else min(life_s, time.monotonic() - began)
            elif draw.random() < AT_START:
                hits += struck(process, log, None, draw.uniform(0, START_S))
            else:
                share = (requests - len(paid)) / (left - tail)
                hits += struck(process, log, draw.randint(1, max(1, round(2 * share))), draw.uniform(0, 0.06))
            again += sum(paid[a.body] > 0 for a in arrivals(log)[before:])
            if not left:
                return {"hits": hits, "ports": len(ports), "again": again, "code": code}


def compared(bars: Bars, title: str, extra: list[str], folder: Path, kills: int) -> None:
    """Run once whole and once killed; print the table of what they have in common."""
    options = ["-n", ROWS_PER_KILL * kills, *PRICES, *extra]
    whole, out = folder / "whole", folder / "killed"
    with EndpointProcess(folder, *ENDPOINT, log="whole.jsonl") as endpoint:
        assert started(whole, endpoint, options).wait(300) == 0
    expected = bodies(whole, "answer")
    found = killed(folder, out, options, kills, expected.total())
    bars.title(title)
    bars.equal("kills that struck a running process", kills, found["hits"])
    bars.equal("ports of the endpoint", kills + 1, found["ports"], holds=found["ports"] > kills)
    bars.equal("exit code at last", 0, found["code"])
    for part in ("kept", "dropped"):
        one, other = ({p.name: p for p in sorted((folder_ / part).glob("*"))} for folder_ in (whole, out))
        bars.equal(f"{part}/: rows", pq.read_table(whole / part).num_rows, pq.read_table(out / part).num_rows)
        same = one.keys() == other.keys() and all(one[n].read_bytes() == other[n].read_bytes() for n in one)
        equal = pq.read_table(whole / part).equals(pq.read_table(out / part))
        bars.equal(
            f"{part}/: Parquet content, bytes", "equal, equal", ", ".join("equal" if x else "other" for x in (equal, same))
        )
    bars.equal("recorded answers", expected.total(), bodies(out, "answer").total())
    bars.equal("recorded requests: same bodies", "equal", "equal" if bodies(out, "answer") == expected else "other")
    for name, of in (("recorded answers", usage), ("run.json", None)):
        one, other = (
            f"{dollars(of(o), 0.5, 1.5) if of else cost(o):.6f}" for o in (whole, out)
        )  # fmt: skip
        bars.equal(f"dollars, by {name}", one, other)
    log = arrivals(folder / "killed.jsonl")
    bars.equal("recorded requests that arrived again", 0, found["again"])
    untold = Counter(a.body for a in log) - bodies(out, "attempt")
    bars.equal("arrivals that no attempt in the journal names", 0, untold.total())
    full = sum(a.status == 200 for a in log)
    print(
        f"{title}: {full:,} answers sent in full, of which {full - expected.total():,} to a process that was killed meanwhile"
    )


def cost(out: Path) -> float:
    """The dollars of a run's own account."""
    return float(json.loads((out / "run.json").read_text())["stages"][0]["cost"]["usd"])


def main() -> None:
    """Print a table per run."""
    kills = 10 if "--quick" in sys.argv else 50
    bars, began = Bars(), time.monotonic()
    for title, extra in RUNS.items():
        with tempfile.TemporaryDirectory() as name:
            compared(bars, f"{kills} kills, {title}", extra, Path(name), kills)
    print(f"{time.monotonic() - began:.0f} s")
    bars.end()


if __name__ == "__main__":
    main()
