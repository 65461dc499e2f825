"""What can be measured of a model: how each number is put together, which of two is better, and what a person is told of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Form = Literal["share", "ratio", "corpus"]  # 0 or 1 of an item; a sum over another; a score of all items' counts together


class Measure(NamedTuple):
    """A measure: how items are put together, whether more of it is better, and its words."""

    form: Form
    better: Literal["more", "less", ""]
    about: str


MEASURES: dict[str, Measure] = {
    "loss": Measure("ratio", "less", "nats per token of the answer; less is better"),
    "bits_per_byte": Measure("ratio", "less", "bits per byte of the answer, whatever the tokenizer; less is better"),
    "choice": Measure("share", "more", "share right, by likelihood"),
    "choice_by_length": Measure("share", "more", "share right, by likelihood per character"),
    "exact": Measure("share", "more", "share of answers that are the reference"),
    "final": Measure("share", "more", "share that come to the final answer of the reference"),
    "chosen": Measure("share", "more", "share of answers that name the right choice"),
    "named": Measure("share", "more", "share of answers that name one choice"),
    "bleu": Measure("corpus", "more", "BLEU of all answers together, 0 to 100 (sacrebleu)"),
    "chrf": Measure("corpus", "more", "chrF2 of all answers together, 0 to 100 (sacrebleu)"),
    "rouge_l": Measure("ratio", "more", "ROUGE-L, F1 over words, characters where a script parts none"),
    "ended": Measure("share", "more", "share of answers that end by themselves"),
    "repeats": Measure("share", "less", "share of answers that say the same again and again; less is better"),
    "characters": Measure("ratio", "", "of an answer"),
    "preferred": Measure(
        "ratio", "more", "share of answers that the judge finds better than the first model's, a tie being a half"
    ),
    "contradicted": Measure("share", "", "share of pairs of which the judge said otherwise in the other order: ties"),
    "longer_by": Measure("ratio", "", "characters that an answer is longer by than the first model's"),
}  # fmt: skip
