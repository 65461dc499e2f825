"""How much of a reference an answer has: BLEU and chrF by sacrebleu, over all items as the field reports them, and ROUGE-L.

BLEU needs words: 13a's, for Chinese those of `zh`, and single characters where words are not parted and sacrebleu has no
tokenizer that works offline (Thai, Lao, Khmer, Burmese, Japanese). chrF needs none. ROUGE-L is over the tokens of the stage
`rouge`, which are words where a script parts them, else characters. Sources: Papineni et al. 2002; Popović 2015; Post 2018
(sacrebleu); Lin 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.text.tokens import UNSPACED_CHARACTER, tokens

CORPUS = ("bleu", "chrf")  # scores of all items together, from counts of each
WORDS = {"zh": "zh"}
MOST_CHARACTERS = 20_000  # of an answer that is compared; one that goes on is no closer to anything


def measured(said: str, reference: str, language: str) -> dict[str, tuple[float, list[float] | None]]:
    """Return the measures of an answer: name -> its own score, and for those of CORPUS the counts that are summed."""
    said = said[:MOST_CHARACTERS]
    found: dict[str, tuple[float, list[float] | None]] = {}
    for name in CORPUS:
        metric = _metric(name, words_of(reference, language))
        counts = [float(n) for n in metric._extract_corpus_statistics([said], [[reference]])[0]]
        found[name] = (score(name, counts), counts)
    found["rouge_l"] = (_rouge().score(reference, said)["rougeL"].fmeasure, None)
    return found


def words_of(reference: str, language: str) -> str:
    """Return the name of sacrebleu's tokenizer for a reference."""
    return WORDS.get(language) or ("char" if UNSPACED_CHARACTER.search(reference) else "13a")


def score(name: str, counts: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Return the score, 0..100, of summed counts."""
    whole = [round(n) for n in counts] if name == "bleu" else list(counts)
    return float(_metric(name, "13a")._compute_score_from_stats(whole).score)


@cache
def _metric(name: str, words: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(tokenize=words, force=True) if name == "bleu" else CHRF()


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Ours())


class _Ours:
    """The tokens of the stage `rouge`, as rouge_score asks for them."""

    def tokenize(self, text: str) -> list[str]:
        return tokens(text)
