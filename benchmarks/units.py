"""`units=graphemes` against `units=words` on Thai and Chinese instructions: what each keeps, with examples of what it drops.

The stage as it is, which compares answers too; then the instructions alone at 0.7, so that the units are all that differs.
"""

from __future__ import annotations

import numpy as np
from shared_data import DATA, needed

from datagen import stage
from datagen.data.rows import table_of
from datagen.formats.read import read
from datagen.stage import Context

SETS = {"Thai": "thai_wiki_qa.jsonl.gz", "Chinese": "zh_own_10k.jsonl.gz"}
SHOWN = 6


def main() -> None:
    """Print the table and the examples."""
    for language, file in SETS.items():
        needed(DATA / "rows" / file)
        table = table_of([r for r in read(str(DATA / "rows" / file)) if "reason" not in r])
        texts = table.column("instruction").to_pylist()
        found = {}
        for units in ("graphemes", "words"):
            made = stage.make("rouge", {"units": units})
            alive = np.ones(len(texts), bool)
            stage.apply(made, stage.scored(made, table, Context()), alive, Context())
            print(f"{language}, units={units:<10} {len(texts):>7,} rows, {int(alive.sum()):>7,} kept by the stage as it is")
            made = stage.make("rouge", {"field": "instruction", "same_answer": None, "same_facts": False, "units": units})
            alive = np.ones(len(texts), bool)
            found[units] = stage.apply(made, stage.scored(made, table, Context()), alive, Context()).dropped.to_pylist()
            print(f"{language}, units={units:<10} {len(texts):>7,} rows, {int(alive.sum()):>7,} kept by instructions alone")
        rows = {units: {d["row"] for d in dropped} for units, dropped in found.items()}
        for units, other in (("graphemes", "words"), ("words", "graphemes")):
            alone = [d for d in found[units] if d["row"] not in rows[other]]
            print(f"  {len(alone):,} rows are dropped by {units} alone, such as")
            for d in alone[:: max(1, len(alone) // SHOWN)][:SHOWN]:
                print(f"    {d['score']:.2f}  {texts[d['row']][:60]!r}  as  {texts[d['witness']][:60]!r}")


if __name__ == "__main__":
    main()
