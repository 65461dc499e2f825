"""Seconds of a new user's first commands, each in a process of its own: `datagen try`, and a filter of 60 rows.

Cold has an empty cache of numba and warm the one that a filter of 3,000 rows has filled, which is large enough to be compiled.
Processor seconds are of the process and what it starts; other work on the machine moves the others, hardly these.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bars import Bars

TOP = Path(__file__).resolve().parents[1]
SAMPLE = TOP / "datagen" / "sample" / "rows.jsonl"
SMALL, LARGE = 60, 3000  # rows


def spent(folder: Path, cache: Path, *args: str) -> tuple[float, float]:
    """Run a command in a folder; return its seconds and its processor seconds."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(TOP)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "datagen", *args], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    bars = Bars()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = SAMPLE.read_text("utf-8").splitlines()
        (folder / "small.jsonl").write_text("\n".join(lines[:SMALL]), "utf-8")
        many = (line.replace('"output": "', f'"output": "{i} ', 1) for i in range(LARGE // len(lines)) for line in lines)
        (folder / "large.jsonl").write_text("\n".join(many), "utf-8")
        filled = folder / "filled"
        spent(folder, filled, "filter", "large.jsonl", "-o", "large", "--allow-wipeout")
        found: dict[str, tuple[float, float]] = {}
        print(f"{'':<40}{'seconds':>10}{'CPU s':>10}")
        for name, args in (("try", ("try",)), (f"filter of {SMALL} rows", ("filter", "small.jsonl"))):
            for state, cache in (("cold", folder / f"empty-{args[0]}"), ("warm", filled)):
                found[f"{name}, {state}"] = spent(folder, cache, *args, "-o", f"{args[0]}-{state}")
                seconds, cpu_seconds = found[f"{name}, {state}"]
                print(f"{f'datagen {name}, {state}':<40}{seconds:>10.1f}{cpu_seconds:>10.1f}")
        for command in ("try", "filter"):
            bars.holds(f"{command}, cold: nothing was compiled", not (folder / f"empty-{command}").exists())
    bars.at_most("try, cold: seconds", 10, found["try, cold"][0], " s")
    bars.at_most("try, cold: CPU seconds", 10, found["try, cold"][1], " s")
    bars.at_most(f"filter of {SMALL} rows, cold: CPU seconds", 4, found[f"filter of {SMALL} rows, cold"][1], " s")
    bars.end()


if __name__ == "__main__":
    main()
