"""A Thai vocabulary for the embedded model: tokens per character, and bits per byte of held-out articles before and after.

`datagen vocab` learns it from Thai articles; the model is then trained a little on them, whole, as continued pre-training. The
same steps are taken with the vocabulary that it came with, beside which the gain is read: both see the same number of tokens.
Bits per byte do not depend on how a text is cut into tokens. `--quick`: fewer articles and steps.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

from bars import Bars
from shared_data import DATA, needed, records

from datagen.data.rows import Row, new_row
from datagen.json_text import dumps
from datagen.models.causal_lm import load_tokenizer
from datagen.training.loop import TrainOptions, train
from datagen.training.vocabulary import grow

THAI = "documents/thai_wiki.jsonl.gz"
HELD, CHARACTERS = 12, 600  # articles whose loss is measured, and how much of each


def bits(loss: float, tokens: int, rows: list[Row]) -> float:
    """Return bits per byte of a mean loss in nats per token."""
    return loss * tokens / math.log(2) / sum(len(row["output"].encode()) for row in rows)


def main() -> None:
    """Grow, train, and compare."""
    needed(DATA / THAI)
    quick = "--quick" in sys.argv
    texts = [str(one["text"]) for one in records(THAI)]
    held = [new_row(output=text[:CHARACTERS], id=f"held-{n}") for n, text in enumerate(texts[-HELD:])]
    texts = texts[: 400 if quick else -HELD]
    rows = [new_row(output=text, id=str(n)) for n, text in enumerate(texts)]
    bars = Bars("a Thai vocabulary")
    steps = 4 if quick else 8
    with tempfile.TemporaryDirectory() as place:
        corpus, grown = Path(place) / "thai.jsonl", Path(place) / "grown"
        corpus.write_text("\n".join(dumps({"text": text}) for text in texts), encoding="utf-8")
        found = grow([str(corpus)], grown, size=10_000)
        print(found)
        before, after = (load_tokenizer(model)[0] for model in ("smollm2", str(grown)))
        per_character = [
            sum(len(t(row["output"], add_special_tokens=False)["input_ids"]) for row in held)
            / sum(len(row["output"]) for row in held)
            for t in (before, after)
        ]
        bars.at_most("held-out tokens per character, after / before", 0.5, per_character[1] / per_character[0])
        old = before.get_vocab()
        kept = all(after.get_vocab()[token] == number for token, number in old.items())
        bars.holds("the old tokens have their old numbers", kept)
        options = {"objective": "lm", "method": "full", "lr": 5e-4, "steps": steps, "batch_size": 8, "max_length": 256}
        reached = {}
        for name, model in (("its own", "smollm2"), ("grown", str(grown))):
            ran = train(rows, TrainOptions(model=model, warmup=0.1, overflow="drop", **options), None, held)
            assert ran.eval_before and ran.eval_after
            tokens = ran.eval_before["tokens"]
            reached[name] = [bits(e["loss"], tokens, held) for e in (ran.eval_before, ran.eval_after)]
            told = " -> ".join(f"{value:.3f}" for value in reached[name])
            print(f"{name} vocabulary: {told} bits per byte in {steps} steps of {ran.tokens // steps:,} tokens", flush=True)
        bars.at_most("bits per byte after / before, grown", 1.0, reached["grown"][1] / reached["grown"][0])
    bars.end()


if __name__ == "__main__":
    main()
