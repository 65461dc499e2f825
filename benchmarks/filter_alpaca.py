"""Wall time, peak memory and drops of `datagen filter` on the whole Alpaca set, from process start to report.

The default chain, and the whole one: clean (ftfy), rules with the language of each row, minhash, rouge, decontaminate.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bars import Bars
from shared_data import ALPACA, DATA, needed

CHAINS = {
    "the default chain": [],
    "clean, rules with language, minhash, rouge, decontaminate": [
        "clean:do=unicode", "rules:languages=en", "minhash", "rouge", f"decontaminate:against={DATA / 'benchmarks'}",
    ],
}  # fmt: skip


def once(out: Path, stages: list[str]) -> tuple[float, dict[str, Any]]:
    """Run the command in a new process; return its seconds and run.json."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "datagen", "filter", str(ALPACA), "-o", str(out), "--json"]
    subprocess.run([*words, *(w for s in stages for w in ("--stage", s))], check=True, capture_output=True)
    return time.perf_counter() - started, json.loads((out / "run.json").read_text())


def main() -> None:
    """Print the tables."""
    needed(ALPACA)
    bars = Bars()
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, stages) in enumerate(CHAINS.items()):
            once(Path(folder, f"warm{number}"), stages)  # compiles the kernels where they are not yet
            runs = [once(Path(folder, f"{number}.{i}"), stages) for i in range(3)]
            seconds, run = min(runs, key=lambda r: r[0])
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            told = f"{run['rows_in']:,} rows, {run['rows_kept']:,} kept in {seconds:.2f} s"
            print(f"{name}: {told}; peak of a process {peak:,.0f} MB")
            for stage in run["stages"]:
                print(f"  {stage['name']:<14} {stage['seconds']:>6.2f} s  {stage['dropped']}")
            if stages:
                bars.at_most("wall time of the whole chain", 15, seconds, " s")
                bars.at_most("peak memory of a process", 1500, peak, " MB")
    bars.end()


if __name__ == "__main__":
    main()
