"""Hostile records in every format: each export is in its documented shape, says the same, and is the same bytes once more.

The records are those of `hostile_rows.py`: every dialect, broken turns, calls of any role, known names that hold anything. What
of them can be read is written in each format of records, read, and written again. The shapes are checked by
`tests/support/export_shapes.py`, which knows nothing of the package. Rows with a call that is none, or a side of a preference
that says nothing, are held to the shape alone: what they say is written as a text.

    python benchmarks/export_round_trip.py            # 20,000 records, about a minute
    python benchmarks/export_round_trip.py --quick    # 2,000
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bars import Bars
from hostile_rows import Hostile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from export_shapes import is_sound, speech, told, wrong

from datagen.data.rows import Row
from datagen.formats import alpaca, axolotl, messages, openai, prompt_completion, sharegpt
from datagen.formats.records import rows_of
from datagen.formats.write import Fitting
from datagen.json_text import finite

FORMATS = (alpaca, sharegpt, messages, prompt_completion, openai, axolotl)
WHOLE = (alpaca, messages, prompt_completion)  # formats that say all that a row says


def readable(record: Any) -> list[Row]:
    """Return the rows of a record; none where it cannot be read."""
    try:
        return rows_of(finite(record))
    except (ValueError, RecursionError, OverflowError):
        return []


def fault(form: Any, row: Row) -> str:
    """Return in what the export of a row is not right; "" where it is."""
    written = form.write_record(row)
    if problem := wrong(form.NAME, written):
        return f"shape: {problem}"
    if not is_sound(row):
        return ""
    again = readable(json.loads(json.dumps(written)))
    if len(again) != 1:
        return f"read as {len(again)} rows"
    if form in WHOLE and told(again[0]) != told(row):
        return "says something else"
    if form is sharegpt and speech(again[0]) != speech(row):
        return "says something else"
    return "" if json.dumps(form.write_record(again[0])) == json.dumps(written) else "is not the same once more"


def main() -> None:
    """Write records in every format; exit with 1 where one is not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--quick", action="store_true", help="2,000 records")
    options = parser.parse_args()
    count, hostile, bars = 2_000 if options.quick else options.records, Hostile(options.seed), Bars()
    exports: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for _ in range(count):
        record = hostile.record()
        for row in readable(record):
            for form in FORMATS:
                for fitted in Fitting(form.FORMAT).through([row]):
                    exports[form.NAME] += 1
                    if problem := fault(form, fitted):
                        faults[form.NAME] += 1
                        print(f"{form.NAME}: {problem[:200]}: {ascii(record)[:300]}")
    for name in exports:
        print(f"{name:<20}{exports[name]:>10,} records")
    bars.at_least("records written", count, exports.total())
    for name in exports:
        bars.at_most(f"{name}: records that are not right", 0, faults[name])
    bars.end()


if __name__ == "__main__":
    main()
