"""What must not take the square of its input: hostile texts, requests of a taxonomy, a report of many dropped rows.

Each is timed at one size and at four times that, in processor time of one run: a linear way takes 4 times as long, a
quadratic one 16 times. The least of a few tries counts, for other work only adds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bars import Bars

from datagen.data.rows import LEDGER, ROW, dropped_row, new_row
from datagen.data.shards import ShardWriter
from datagen.generate.generation import Topics, read
from datagen.report.page import write_report
from datagen.text.language import is_in
from datagen.text.verbs import verb_noun

HOSTILE = ["{", "[", "(", "`", "$", "\\(", '"', "“", "'", "<a", "a@", "_a", "A.", "a\n", "for ", "\\begin{a}", "{[", "aA"]
PARTS = ["running, ", "given, ", "in which ", "how to ", "need to ", "a-", "does the cat ", "' ", "把", "的"]
TIMES, TRIES, BAR = 4, 3, 8.0
LEAST_S = 0.02  # below this a ratio says nothing: the bar holds


def grown(work: Callable[[int], object], n: int) -> tuple[float, float]:
    """Return the seconds at TIMES n, and how many times those at n they are."""
    seconds = []
    for size in (n, TIMES * n):
        tries = []
        for _ in range(TRIES):
            started = time.process_time()
            work(size)
            tries.append(time.process_time() - started)
        seconds.append(min(tries))
    return seconds[1], seconds[1] / max(seconds[0], LEAST_S / TIMES)


def write_run(folder: Path, dropped: int) -> dict[str, object]:
    """Write a run folder of so many dropped rows; return its summary."""
    for name, schema, rows in (
        ("kept", ROW, [new_row(instruction=f"Task {i} of many", output=f"Answer {i} " * 20) for i in range(2000)]),
        ("dropped", LEDGER, [
            dropped_row(new_row(instruction=f"Task {i}", output=f"Answer {i} " * 30), "minhash", f"r{i % 12}")
            for i in range(dropped)
        ]),
    ):  # fmt: skip
        with ShardWriter(folder / name, schema) as writer:
            for row in rows:
                writer.add(row)
    return {"datagen": "", "rows_in": 2000 + dropped, "rows_kept": 2000, "rows_dropped": dropped, "seconds": 1.0, "stages": []}


def report(n: int) -> float:
    """Return the processor seconds of the report of a run with n dropped rows."""
    with tempfile.TemporaryDirectory() as place:
        summary = write_run(Path(place), n)
        write_report(Path(place), summary)
        started = time.process_time()
        write_report(Path(place), summary)
        return time.process_time() - started


def main() -> None:
    """Print the worst of each kind."""
    bars = Bars()
    for _ in ("the models and kernels load", "…"):
        is_in("one text", "zh"), verb_noun("write a poem", "en"), verb_noun("写一首诗", "zh"), verb_noun("เขียนกลอน", "th")
    hostile = [(t, *grown(lambda n, t=t: (is_in(t * n, "zh"), is_in(t * n, "en")), 12_500)) for t in HOSTILE]  # type: ignore[misc]
    parts = [
        (t, *grown(lambda n, t=t: [verb_noun(t * n, language) for language in ("en", "zh", "th")], 1250))  # type: ignore[misc]
        for t in PARTS
    ]
    for what, found in (("language of a hostile text", hostile), ("verb of a hostile text", parts)):
        text, seconds, ratio = max(found, key=lambda f: f[2])
        bars.at_most(f"{what}: 4 times as long ({text!r}, {seconds:.2f} s)", BAR, ratio, " ×")
    cells = read("default", "zh")
    seconds, ratio = grown(lambda n: Topics(cells).of(n - 1), 250_000)
    bars.at_most(f"the topic of the millionth request ({seconds:.2f} s)", BAR, ratio, " ×")
    few, many = report(15_000), report(60_000)
    bars.at_most(f"a report of 60,000 dropped rows beside 15,000 ({many:.2f} s)", BAR, many / few, " ×")
    bars.end()


if __name__ == "__main__":
    main()
