"""Two runs side by side, and one set of rows in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from datagen.data.rows import Row, conversation_turns
from datagen.data.shards import read_all, read_json
from datagen.errors import DataError, UsageError
from datagen.text.language import identify
from datagen.text.tokens import tokens
from datagen.text.verbs import LANGUAGES, verb_noun

TOP = 20  # verbs and pairs that are told
READ = 20_000  # rows whose verbs are looked up
SHOWN = 10  # rows of each kind that a comparison names


def diff(a: Path, b: Path) -> dict[str, Any]:
    """Return what two finished runs decided otherwise; a row that `clean` mended counts by the id that it was read with.

    Returns:
        `both`, `only_a`, `only_b`: numbers of kept ids; `why_not_in_a`, `why_not_in_b`: for the rows that only the other kept,
        how many by `stage: reason` (`not in its input` where the run never had the row); `examples_a`, `examples_b`: some of
        their ids.

    Raises:
        DataError: one is not a finished run.
    """
    kept, why = [], []
    moved = [_first_ids(folder) for folder in (a, b)]
    for folder, first in zip((a, b), moved, strict=True):
        if read_json(folder / "run.json") is None:
            raise DataError(f"{folder} is not a finished run: it has no run.json; run its command again to complete it")
        ids = read_all(folder / "kept", ["id"]).column("id").to_pylist()
        kept.append(dict.fromkeys(first.get(i, i) for i in ids))
        table = read_all(folder / "dropped", ["id", "stage", "reason"]).to_pylist()
        why.append({first.get(r["id"], r["id"]): f"{r['stage']}: {r['reason']}" for r in table})
    only = [[i for i in kept[0] if i not in kept[1]], [i for i in kept[1] if i not in kept[0]]]

    def told(ids: list[str], other: int) -> dict[str, int]:
        return dict(Counter(why[other].get(i, "not in its input") for i in ids).most_common())

    return {
        "both": len(kept[0]) - len(only[0]), "only_a": len(only[0]), "only_b": len(only[1]),
        "why_not_in_b": told(only[0], 1), "why_not_in_a": told(only[1], 0),
        # Those that the other run dropped come first: it can say why.
        "examples_a": sorted(only[0], key=lambda i: i not in why[1])[:SHOWN],
        "examples_b": sorted(only[1], key=lambda i: i not in why[0])[:SHOWN],
    }  # fmt: skip


def _first_ids(folder: Path) -> dict[str, str]:
    """Return the id that each row of a run had when it was read, by the id that mending gave it."""
    moved: dict[str, str] = {}
    for row in read_all(folder / "rewritten", ["old_id", "new_id"]).to_pylist() if (folder / "rewritten").is_dir() else ():
        moved[row["new_id"]] = moved.get(row["old_id"], row["old_id"])
    return moved


def stats(rows: Iterable[Row]) -> dict[str, Any]:
    """Return rows in numbers: counts by source and language, turns, lengths in tokens, root verbs and their nouns.

    Verbs are those of the first READ rows whose language has a reader (en, zh, th); `unreadable` counts what is no row.
    """
    sources, languages, turns, verbs, pairs, tags = (Counter[Any]() for _ in range(6))
    task, answer, unreadable, count = [], [], 0, 0
    for row in rows:
        if "reason" in row:
            unreadable += 1
            continue
        count += 1
        sources[row["source"]] += 1
        language = row["language"] or identify(f"{row['instruction']}\n{row['output']}")[0]
        languages[language] += 1
        tags.update(row["tags"] or ())
        turns[sum(t["role"] in ("user", "assistant") for t in conversation_turns(row))] += 1
        task.append(len(tokens(row["instruction"])))
        answer.append(len(tokens(row["output"])))
        if count <= READ and language in LANGUAGES:
            try:
                verb, noun = verb_noun(row["instruction"], language)
            except UsageError:  # the extra of the language is missing
                continue
            verbs.update([verb] if verb else ())
            pairs.update([f"{verb} {noun}"] if verb and noun else ())

    def spread(lengths: list[int]) -> dict[str, float]:
        if not lengths:
            return {}
        low, middle, high = np.percentile(lengths, [10, 50, 90], method="inverted_cdf")
        return {
            "mean": round(float(np.mean(lengths)), 1),
            "p10": int(low),
            "median": int(middle),
            "p90": int(high),
            "max": max(lengths),
        }

    return {
        "rows": count, "unreadable": unreadable,
        "sources": dict(sources.most_common()), "languages": dict(languages.most_common()),
        "turns": dict(sorted(turns.items())), "task_tokens": spread(task), "answer_tokens": spread(answer),
        "tags": dict(tags.most_common(TOP)), "verbs": dict(verbs.most_common(TOP)), "verb_nouns": dict(pairs.most_common(TOP)),
        "distinct": {"verbs": len(verbs), "verb_nouns": len(pairs), "tags": len(tags)},
    }  # fmt: skip
