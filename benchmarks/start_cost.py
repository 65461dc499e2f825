"""What it costs to begin: processor seconds of `--help`, of the imports of a run, and of a run with nothing to do.

Processor seconds (user and system) of a process of its own, the least of some. Those of a run stand beside what Arrow and numpy
take, with which every run reads its rows: the ratio is the same on a slow machine. Then where the imports go, by package.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bars import Bars

TIMES = 15  # that each process is started; the first of them reads its files into memory
ROWS = 200
SHOWN = 8  # packages
ARROW = ["-c", "import numpy, pyarrow.compute, pyarrow.parquet"]
IMPORTS = ["-c", "import datagen.runner, datagen.steps"]
PLACE = str(Path(__file__).resolve().parents[1])


def started(arguments: list[str], folder: Path, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python to its end; the checkout that this file is in is the one that it imports."""
    environment = {**os.environ, "PYTHONPATH": PLACE, **(more or {})}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)


def seconds(arguments: list[str], folder: Path) -> float:
    """Return the processor seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started(arguments, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def by_package(arguments: list[str], folder: Path) -> list[tuple[str, float]]:
    """Return the packages whose own modules took longest to import, and their milliseconds (wall clock)."""
    told = started(arguments, folder, {"PYTHONPROFILEIMPORTTIME": "1"}).stderr.splitlines()
    found: Counter[str] = Counter()
    for line in told:
        if not line.startswith("import time:"):
            continue
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdecimal():  # the first line is a heading
            package = name.strip().split(".")[0]
            found["the standard library" if package.lstrip("_") in sys.stdlib_module_names else package] += int(own)
    return [(name, micro / 1000) for name, micro in found.most_common(SHOWN)]


def main() -> None:
    """Print the figures and their bars."""
    bars = Bars()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = ({"instruction": f"What is {n} times {n + 3}?", "output": f"It is {n * (n + 3)}."} for n in range(ROWS))
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        again = ["-m", "datagen", "filter", "rows.jsonl", "-o", "out"]
        started(again, folder)
        programs = {
            "python": ["-c", "pass"], "numpy and Arrow": ARROW, "datagen --help": ["-m", "datagen", "--help"],
            "import datagen.runner, datagen.steps": IMPORTS, f"filter of {ROWS} rows, nothing to do": again,
        }  # fmt: skip
        # In turn, so that what else the machine does meets all of them.
        rounds = [[seconds(arguments, folder) for arguments in programs.values()] for _ in range(TIMES)]
        cost = dict(zip(programs, map(min, zip(*rounds, strict=True)), strict=True))
        for what, took in cost.items():
            print(f"{what:<52}{took:>12.3f} s", flush=True)
        _, arrow, showing, importing, running = cost.values()
        print("\nmilliseconds of the imports of that run, each package's own")
        for package, took in by_package(again, folder):
            print(f"  {package:<50}{took:>12.0f}", flush=True)
        print()
    bars.at_most("datagen --help, processor time", 0.15, showing, " s")
    bars.at_most("the imports of a run, as numpy and Arrow", 2.0, importing / arrow, " x")
    bars.at_most("a run with nothing to do, as numpy and Arrow", 2.5, running / arrow, " x")
    bars.end()


if __name__ == "__main__":
    main()
