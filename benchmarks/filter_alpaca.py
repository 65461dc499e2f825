"""Wall time, peak memory and drops of `datagen filter` on the whole Alpaca set, from process start to report."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(os.environ.get("DATA", "../shared/data")) / "rows" / "alpaca_en_52k.jsonl.gz"


def once(out: Path) -> tuple[float, dict[str, object]]:
    """Run the command in a new process; return its seconds and run.json."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "datagen", "filter", str(DATA), "-o", str(out), "--json"], check=True, capture_output=True
    )
    return time.perf_counter() - started, json.loads((out / "run.json").read_text())


def main() -> None:
    """Print the table."""
    if not DATA.exists():
        sys.exit(f"skipped: {DATA} is not here; set DATA")
    with tempfile.TemporaryDirectory() as folder:
        once(Path(folder, "warm"))  # compiles the kernels where they are not yet
        seconds, run = min((once(Path(folder, str(i))) for i in range(3)), key=lambda r: r[0])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{'rows':>8} {'kept':>8} {'wall s':>8} {'peak MB of a process':>22}")
    print(f"{run['rows_in']:>8,} {run['rows_kept']:>8,} {seconds:>8.2f} {peak:>22,.0f}")
    for stage in run["stages"]:  # type: ignore[attr-defined]
        print(f"  {stage['name']:<10} {stage['seconds']:>6.2f} s  {stage['dropped']}")


if __name__ == "__main__":
    main()
