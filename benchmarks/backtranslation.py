"""Documents to instruction rows on the embedded model, with a backward LoRA tuned on rows by people; a sample for the eye.

`--adapter FOLDER` takes one that is there (`datagen train … --direction backward`); else it is tuned first (half an hour on two
slow cores). The Thai articles go the same way at a scripted endpoint of `tests/`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

from endpoint_process import EndpointProcess
from shared_data import DATA, needed
from small_rows import dolly

import datagen as dg

PAGES, SHOWN, FIT = 100, 20, 0.4


def main() -> None:
    """Print the counts, the scores and the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("-o", "--out", type=Path)
    asked = parser.parse_args()
    needed(DATA / "documents")
    with tempfile.TemporaryDirectory() as name:
        folder = asked.out or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        seeds = dolly(folder, 1000)
        adapter = asked.adapter
        if adapter is None:
            dg.train(seeds, folder / "backward", direction="backward", steps=asked.steps, max_length=384)
            adapter = folder / "backward" / "adapter"
        pages = DATA / "documents" / "c4_en_300.jsonl.gz"
        for fit in ({}, {"fit": FIT}):  # the second buys no answer again
            told(dg.backtranslate(
                pages, folder / "english", model=str(adapter), judge_model="smollm2", limit=asked.pages, min_score=1.0,
                max_words=250, seed_rows=str(seeds), **fit,
            ))  # fmt: skip
        with EndpointProcess(folder) as endpoint:
            articles = DATA / "documents" / "thai_wiki.jsonl.gz"
            thai = dg.backtranslate(
                articles, folder / "thai", model="local", base_url=endpoint.base_url, limit=100, min_score=3.0
            )
            told(thai, sample=3)


def told(run: dg.api.Finished, sample: int = SHOWN) -> None:
    """Print what became of the documents, and some of the rows."""
    print(f"\n{run.folder.name}: {run.summary['rows_in']:,} rows in, {run.summary['rows_kept']:,} kept")
    for stage in run.summary["stages"]:
        print(f"  {stage['name']:<16}{stage['rows_in']:>6,} -> {stage['rows_kept']:>6,}  {stage['dropped']}")
        notes = stage.get("notes") or {}
        if notes.get("distribution"):
            print(f"    mean score {notes['mean_score']}, distribution {[n for _, _, n in notes['distribution']]}")
        if diverse := stage.get("diversity"):
            print(f"    new verbs {list(diverse.get('new', {}).get('verbs', {}))[:8]}")
    rows = [r for r in run.kept.to_pylist() if r["source"] == "backtranslated"]
    print("  languages", Counter(r["language"] for r in rows).most_common(3))
    for row in random.Random(17).sample(rows, min(sample, len(rows))):
        score = "" if row.get("judge_score") is None else f" (score {row['judge_score']:.2f})"
        print(f"\n  * {row['instruction']}{score}\n    -> {' '.join(row['output'].split())[:300]}")
        print(f"    {json.loads(row['extra'])['document']} {json.loads(row['extra'])['span']}")


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
