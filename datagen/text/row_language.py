"""The language of a row: of its answer, or of its task where the answer says too little to tell one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from datagen.text.language import identify, says_enough
from datagen.text.wordlists import entries

READ = 600  # characters by which English is told
_WORD = re.compile("[a-z']+")


def language_of(task: str, answer: str) -> str:
    """Return the language of an answer (ISO 639-1), of its task where the answer says too little; "" where neither tells."""
    text = answer if says_enough(answer[:READ]) else f"{task}\n{answer}"
    if (start := text[:READ].lower()).isascii():
        # Most rows of most sets: common English words, so many that nothing else needs to be asked.
        found, english = _WORD.findall(start), _english()
        hits = [word for word in found if word in english]
        if len(hits) * 6 >= len(found) and len(set(hits)) >= 4:
            return "en"
    return identify(text)[0] or identify(task)[0]


def languages_of(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the language of each row: the one that it names, else that of its text."""
    return (row["language"] or language_of(row["instruction"], row["output"]) for row in rows)


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    return frozenset(entries("english"))
