"""The options of the stage `split`: the command of its name is made of these alone, without the stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from datagen.options import between, option
from datagen.text.tokens import Units


@dataclass(frozen=True)
class SplitOptions:
    """Hold rows out to test with, so that no pair of near duplicates has one row on each side.

    Rows are taken in whole groups: any two of which the tasks are alike by ROUGE-L (as `rouge` finds them) or the conversations
    by Jaccard (as `minhash` does), whatever their answers, and the rows made from one another, stay together; with `by` those
    of one document, conversation or source, too. Each source gives its share. Groups are drawn by the seed and taken while they
    fit, so fewer rows may be held out than were asked for: that is said. They are in test/ of the run, for `--eval`.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen split runs/clean -o runs/parts --test 200",
        "datagen train runs/parts -o runs/lora --eval runs/parts/test",
    )
    test: int = option(200, "rows held out")
    by: Literal["cluster", "document", "conversation", "source"] = option(
        "cluster", "what stays together beside near duplicates: passages of a document, turns of a conversation, a source"
    )
    threshold: float | None = option(
        0.7, "ROUGE-L F1 or Jaccard above which two rows are near duplicates; off = only equal rows"
    )
    units: Units = option("graphemes", "words: a dictionary's, for Chinese and Thai; rouge_score: ASCII words, for comparisons")
    seed: int = option(17, "which rows are held out")

    def __post_init__(self) -> None:
        between("test", self.test, 1, 2**31 - 1)
        between("seed", self.seed, 0, 2**32 - 1)
        if self.threshold is not None:
            between("threshold", self.threshold, 0.01, 1)
