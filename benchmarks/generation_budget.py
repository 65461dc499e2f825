"""200 random budgets with 64 requests in flight and answers of random length: never passed, and at least 40 % used.

What was spent is what the endpoint billed, whether its answer arrived or not. In half of the trials the endpoint misbehaves.
`--quick`: 20 trials.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bars import Bars
from endpoint_process import dollars
from local_endpoint import LocalEndpoint

from datagen.errors import BudgetError
from datagen.recipe import make
from datagen.runner import execute

FAULTS = {
    "429": 0.04, "500": 0.03, "504": 0.005, "reset": 0.02, "hang_up": 0.01, "hang": 0.003, "cut": 0.05, "no_usage": 0.03,
    "broken": 0.02, "reasoning": 0.03, "think_cut": 0.01,
}  # fmt: skip
IN_FLIGHT = 64
USED = 0.4
MOST_INPUT = 4000  # bytes of a prompt and what a template adds: no request needs more
# A budget in worst cases of one request. What is lost on the way stays held, which a small budget cannot bear.
LEAST, LEAST_WITH_FAULTS, MOST = 2, 12, 130


@dataclass
class Trial:
    """One run to the end of its budget."""

    budget_usd: float
    billed_usd: float
    counted_usd: float  # spent and held, by the run's own account
    unread: int  # recorded answers whose tasks are not among the rows: a request before them has no answer
    rows: int
    requests: int
    exit_code: int
    most_in_flight: int
    faulty: bool

    @property
    def used(self) -> float:
        """Share of the budget that was billed."""
        return self.billed_usd / self.budget_usd


def tried(number: int, folder: Path) -> Trial:
    """Draw a trial and run it."""
    draw = random.Random(f"17:{number}")
    faulty = number % 2 == 1
    price_in, price_out = 10 ** draw.uniform(-1.5, 1.5), 10 ** draw.uniform(-1, 2)
    limit = draw.choice((150, 400, 1000, 3072))
    lengths = sorted((draw.randint(20, round(1.3 * limit)), draw.randint(20, round(1.3 * limit))))
    times = LEAST_WITH_FAULTS if faulty else LEAST
    times *= (MOST / times) ** draw.random()
    budget = times * (price_in * MOST_INPUT + price_out * limit) / 1e6
    with LocalEndpoint(
        faults=FAULTS if faulty else {}, seed=number, output_tokens=f"uniform:{lengths[0]}:{lengths[1]}",
        delay_s=draw.choice((0.0, 0.005, 0.02)),
    ) as server:  # fmt: skip
        options = {
            "n": 1_000_000, "model": "local", "base_url": server.base_url, "concurrency": IN_FLIGHT, "window": IN_FLIGHT,
            "budget_usd": budget, "price_in": price_in, "price_out": price_out, "max_output_tokens": limit,
            "timeout_s": 1.0, "machine_examples": draw.choice((0, 2)), "seed": number,
        }  # fmt: skip
        try:
            result = execute(make([{"self_instruct": options}]), folder)
        except BudgetError as e:  # it ended without a row
            told: dict[str, Any] = {"requests": {"recorded": recorded(folder), "judged": 0}, "rows_in": 0}
            told |= {"cost": {"usd": 0.0, "held_usd": 0.0}, "stopped": {"exit_code": e.exit_code}}
        else:
            told = result.summary["stages"][0]
        return Trial(
            budget, dollars([tuple(server.billed)], price_in, price_out), told["cost"]["usd"] + told["cost"]["held_usd"],
            told["requests"]["recorded"] - told["requests"]["judged"], told["rows_in"], server.requests,
            (told["stopped"] or {"exit_code": 0})["exit_code"], server.most_at_once, faulty,
        )  # fmt: skip


def recorded(folder: Path) -> int:
    """How many answers a folder's journal holds."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return int(db.execute("SELECT count(*) FROM answer").fetchone()[0])


def main() -> None:
    """Print the table."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        os.environ.pop(name, None)
    trials, began = 20 if "--quick" in sys.argv else 200, time.monotonic()
    done = []
    for number in range(trials):
        with tempfile.TemporaryDirectory() as name:
            done.append(tried(number, Path(name) / "out"))
    print(f"{'trials':<14}{'':>6}{'requests':>10}{'most in flight':>16}{'least used':>12}{'median':>8}{'most used':>11}")
    for title, of in (("whole", [t for t in done if not t.faulty]), ("misbehaving", [t for t in done if t.faulty])):
        used = sorted(t.used for t in of)
        print(
            f"{title:<14}{len(of):>6}{sum(t.requests for t in of):>10,}{max(t.most_in_flight for t in of):>16}"
            f"{used[0]:>12.1%}{used[len(used) // 2]:>8.1%}{used[-1]:>11.1%}"
        )
    print(f"recorded answers that are not among the rows yet, at most: {max(t.unread for t in done)}")
    # Where the first request itself is lost again and again, a small budget ends before it is answered.
    waiting = sum(t.unread > 0 and not t.rows for t in done)
    print(f"runs whose answers are all recorded, but wait for that of the first request: {waiting}")
    print(f"{time.monotonic() - began:.0f} s")
    bars = Bars(f"{trials} random budgets, up to {IN_FLIGHT} in flight")
    bars.equal("budgets that were passed", 0, sum(t.billed_usd > t.budget_usd for t in done))
    bars.equal("budgets passed by the run's own account", 0, sum(t.counted_usd > t.budget_usd * (1 + 1e-9) for t in done))
    bars.equal("least share of a budget that was used", f">= {USED:.0%}", f"{min(t.used for t in done):.1%}",
               holds=min(t.used for t in done) >= USED)  # fmt: skip
    bars.equal("runs that ended with exit code 5", trials, sum(t.exit_code == 5 for t in done))
    most = max(t.most_in_flight for t in done)
    # How many are in flight at once is the machine's load, not a promise: of few trials it is printed only.
    bars.equal("most requests in flight at one time", IN_FLIGHT, most, holds=most == IN_FLIGHT or trials < 200)
    bars.end()


if __name__ == "__main__":
    main()
