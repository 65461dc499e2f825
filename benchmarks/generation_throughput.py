"""64 requests in flight against an endpoint that answers in 500 ms: `datagen` against the bare `openai` client.

Both send the same prompts to the same endpoint process, each from a process of its own, one after the other in turns. The rate
is the slope of the endpoint's arrivals over time without the first and the last second; CPU time is what /proc says of the
process between the same two arrivals. `datagen` writes its journal and compares every task with the pool, which grows to 5,000
rows. Where latency varies, requests that wait for an earlier one to be judged show. `--quick`: one turn, 1,600 rows.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bars import Bars
from endpoint_process import Arrival, EndpointProcess, arrivals, clean_environment, command

IN_FLIGHT, DELAY_MS, BAR = 64, 500, 0.95
BARE, OURS = "bare openai client", "datagen"
SAMPLE_S = 0.02
EDGE = IN_FLIGHT  # arrivals at the beginning and at the end that are not counted


@dataclass
class Turn:
    """One process at work: requests per second, and CPU milliseconds per request, in steady state."""

    requests: int
    rate: float
    cpu_ms: float


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, all of its threads, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watched(words: list[str], log: Path) -> Turn:
    """Run a command to its end; return what the endpoint's log and /proc say of it."""
    before = len(arrivals(log))
    samples: list[tuple[float, float]] = []  # time, CPU seconds
    process = subprocess.Popen(words, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        samples.append((time.time(), cpu_s(process.pid)))
        time.sleep(SAMPLE_S)
    if process.returncode:
        sys.exit(f"exit code {process.returncode}: {process.stderr.read() if process.stderr else ''}")
    return steady(arrivals(log)[before:], samples)


def steady(log: list[Arrival], samples: list[tuple[float, float]]) -> Turn:
    """Return rate and CPU time between the arrivals that count."""
    times = [a.time for a in log][EDGE:-EDGE]
    slope = statistics.linear_regression(times, range(len(times))).slope
    first, last = (min(samples, key=lambda s, at=at: abs(s[0] - at))[1] for at in (times[0], times[-1]))
    return Turn(len(log), slope, 1000 * (last - first) / (len(times) - 1))


def prompts(out: Path) -> list[dict[str, Any]]:
    """The bodies that a run sent, in the order of its requests."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        return [json.loads(body) for (body,) in db.execute("SELECT body FROM request ORDER BY draw")]


def bare(url: str, bodies: list[dict[str, Any]]) -> None:
    """Send bodies with the openai client, so many at a time; the answers are thrown away."""
    from openai import AsyncOpenAI

    async def main() -> None:
        slots = asyncio.Semaphore(IN_FLIGHT)

        async def one(body: dict[str, Any]) -> int:
            async with slots:
                answer = await client.chat.completions.create(model="local", **body)
            return len(answer.choices[0].message.content or "")

        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            await asyncio.gather(*(one(body) for body in bodies))

    asyncio.run(main())


def measured(turns: int, rows: int, *endpoint_options: Any) -> dict[str, list[Turn]]:
    """Let both send the same prompts in turns."""
    found: dict[str, list[Turn]] = {BARE: [], OURS: []}
    with tempfile.TemporaryDirectory() as name, EndpointProcess(Path(name), *endpoint_options) as endpoint:
        folder, asked = Path(name), Path(name, "prompts.json")
        for turn in range(turns):
            options = ["-n", rows, "--concurrency", IN_FLIGHT, "--window", IN_FLIGHT]
            found[OURS].append(watched(command(folder / f"out-{turn}", endpoint.base_url, *options), endpoint.log))
            asked.write_text(json.dumps(prompts(folder / f"out-{turn}")))
            found[BARE].append(watched([sys.executable, __file__, "--bare", endpoint.base_url, str(asked)], endpoint.log))
    return found


def compared(title: str, found: dict[str, list[Turn]]) -> tuple[float, str]:
    """Print every turn; return the ratio of the median rates, and the median CPU times as words."""
    print(f"\n{title:<34}{'turn':>6}{'requests':>10}{'requests/s':>12}{'CPU ms/request':>16}")
    for name, done in found.items():
        for number, turn in enumerate(done, start=1):
            print(f"{name:<34}{number:>6}{turn.requests:>10,}{turn.rate:>12.1f}{turn.cpu_ms:>16.2f}")
    rate, cpu = ({n: statistics.median(getattr(t, of) for t in done) for n, done in found.items()} for of in ("rate", "cpu_ms"))
    return rate[OURS] / rate[BARE], f"{cpu[OURS]:.2f}, {cpu[BARE]:.2f}"


def main() -> None:
    """Print the tables."""
    turns, rows = (1, 1600) if "--quick" in sys.argv else (3, 5000)
    ratio, cpu = compared(f"{DELAY_MS} ms", measured(turns, rows, "--delay-ms", DELAY_MS))
    spread, _ = compared(f"{DELAY_MS} ms, 80 % more or less", measured(1, rows, "--delay-ms", DELAY_MS, "--delay-spread", 0.8))
    bars = Bars(f"{IN_FLIGHT} in flight, up to {rows:,} rows; medians")
    bars.equal("throughput against the bare client", f">= {BAR:.0%}", f"{ratio:.1%}", holds=ratio >= BAR)
    bars.equal("the same, answers of varying latency", "printed", f"{spread:.1%}", holds=True)
    bars.equal("CPU ms per request, datagen and bare", "printed", cpu, holds=True)
    bars.end()


if __name__ == "__main__":
    if "--bare" in sys.argv:
        bare(sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
    else:
        main()
