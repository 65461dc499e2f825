"""Seconds of `rouge` and `minhash` from 52,000 to 1,000,000 rows, and peak memory at 2,000,000: rewritten variants of Alpaca.

benchmarks/growth.py            seconds in one process, tokenising and decision apart, with the exponent
benchmarks/growth.py --memory   peak memory of `datagen filter` for each stage, growth per row, and what fits in 4 GB
benchmarks/growth.py --rows N   the largest set
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bars import Bars
from shared_data import ALPACA, needed, records

from datagen import stage
from datagen.data.rows import Row, new_row, table_of
from datagen.stage import Context

BATCH = 10_000
SHARE = 0.35  # of the words of a variant that are another one
STAGES = {"rouge": {"field": "instruction", "same_answer": None}, "minhash": {}}
GB = 1 << 30


def rewritten(count: int) -> Iterator[tuple[str, str]]:
    """Yield task and answer of so many rows: the set, then variants with other words of the set's own frequencies."""
    found = records("rows/alpaca_en_52k.jsonl.gz")
    rows = [(r["instruction"], (r["input"] + "\n" + r["output"]).strip()) for r in found]
    words = [w for task, _ in rows for w in task.split()]
    draw = random.Random(17)

    def other(text: str) -> str:
        return " ".join(words[draw.randrange(len(words))] if draw.random() < SHARE else w for w in text.split(" "))

    for at in range(count):
        task, answer = rows[at % len(rows)]
        yield (task, answer) if at < len(rows) else (other(task), other(answer))


def timed(name: str, count: int) -> tuple[float, float, int]:
    """Return the seconds of scores and of the decision in this process, and how many rows go."""
    made = stage.make(name, STAGES[name])
    scoring, columns, batch = 0.0, [], []
    for at, (task, answer) in enumerate(rewritten(count), start=1):
        batch.append(new_row(instruction=task, output=answer))
        if len(batch) == BATCH or at == count:
            table = table_of(batch)
            started = time.perf_counter()
            columns.append(stage.scored(made, table, Context()))
            scoring += time.perf_counter() - started
            batch: list[Row] = []
    import pyarrow as pa

    whole, alive = pa.concat_tables(columns), np.ones(count, bool)
    started = time.perf_counter()
    stage.apply(made, whole, alive, Context())
    return scoring, time.perf_counter() - started, count - int(alive.sum())


def growth(most: int) -> None:
    """Print seconds by rows."""
    bars = Bars()
    sizes = [n for n in (52_002, 104_004, 208_008, 416_016) if n < most] + [most]
    for name in STAGES:
        timed(name, 2_000)  # compiles the kernels where they are not yet
        print(f"{name:<10}{'rows':>11}{'tokenising s':>14}{'decision s':>12}{'dropped':>10}{'exponent':>10}")
        before: tuple[int, float] | None = None
        for count in sizes:
            scoring, deciding, gone = timed(name, count)
            exponent = f"{math.log(deciding / before[1]) / math.log(count / before[0]):.2f}" if before else ""
            print(f"{'':<10}{count:>11,}{scoring:>14.1f}{deciding:>12.1f}{gone:>10,}{exponent:>10}", flush=True)
            before = (count, deciding)
        if name == "rouge" and most == 1_000_000:
            bars.at_most("rouge at 1,000,000 rows, with tokenising", 240, scoring + deciding, " s")
    bars.end()


def peak(path: Path, out: Path, name: str) -> tuple[float, float]:
    """Return the peak memory (bytes) of the largest process of a command with one stage, and its seconds."""
    options = ",".join(f"{k}={'off' if v is None else v}" for k, v in STAGES.get(name, {}).items())
    words = ["filter", str(path), "-o", str(out), "--stage", f"{name}:{options}" if options else name, "--allow-wipeout"]
    code = (
        "import resource, sys; from datagen.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "finally:\n    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):\n"
        "        print('peak', resource.getrusage(who).ru_maxrss * 1024, file=sys.stderr)\n"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    peaks = [float(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("peak ")]
    return max(peaks), time.perf_counter() - started


def memory(most: int) -> None:
    """Print peak memory by stage and rows, what a row adds, and how many rows fit in 4 GB."""
    print(f"{'stage':<10}{'rows':>11}{'seconds':>10}{'peak MB':>10}{'bytes/row':>11}{'rows in 4 GB':>15}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (most // 4, most):
            with (folder / f"{count}.jsonl").open("w") as f:
                f.writelines(json.dumps({"instruction": t, "output": a}) + "\n" for t, a in rewritten(count))
        for kind in STAGES:
            found = []
            for count in (most // 4, most):
                bytes_, seconds = peak(folder / f"{count}.jsonl", folder / f"{kind}{count}", kind)
                found.append(bytes_)
                subprocess.run(["rm", "-rf", str(folder / f"{kind}{count}")], check=True)
                if count == most:
                    each = (found[1] - found[0]) / (most - most // 4)
                    fits = (4 * GB - found[0]) / each + most // 4 if each > 0 else math.inf
                    print(
                        f"{kind:<10}{count:>11,}{seconds:>10.1f}{bytes_ / 1e6:>10,.0f}{each:>11,.0f}{fits:>15,.0f}", flush=True
                    )
                else:
                    print(f"{kind:<10}{count:>11,}{seconds:>10.1f}{bytes_ / 1e6:>10,.0f}", flush=True)


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--rows", type=int)
    asked = parser.parse_args()
    needed(ALPACA)
    if asked.memory:
        memory(asked.rows or 2_000_000)
    else:
        growth(asked.rows or 1_000_000)


if __name__ == "__main__":
    main()
