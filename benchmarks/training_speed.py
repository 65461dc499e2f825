"""The trainer's step on the embedded model: trees, packs, rectangles and a plain loop, in one run, one thread, processor time.

Each variant takes the forward and backward passes of global batches of Alpaca rows, of the same rows behind one long system
prompt, of several answers to each task, and of pairs of answers (DPO); all are fed the same texts and must come to the same
loss and gradient. A plain loop pads the rows in their order and makes the logits of every token. The share of the machine's
own matrix peak counts the operations that are executed. `--quick`: a batch of few rows, LoRA only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from bars import Bars
from shared_data import ALPACA, DATA, needed

from datagen.data.rows import Row, new_row
from datagen.formats.read import read
from datagen.models.causal_lm import load
from datagen.training.batches import Sample
from datagen.training.loss import label_head, label_loss
from datagen.training.methods import trainable
from datagen.training.objective import Objective, referred
from datagen.training.options import TrainOptions
from datagen.training.passes import MICRO_TOKENS, Batch, micro_batches, padded, passes
from datagen.training.start import based
from datagen.training.texts import samples_of

PAIRS = DATA / "pairs" / "dpo_en_zh_600.jsonl.gz"
SFT = Objective()
BATCH, ROUNDS = 16, 2  # samples of a step; times that each way is measured
SYSTEM = (
    "You are the assistant of a small library. Answer in plain words, name your source where you have one, and say so when you"
    " do not know. Keep to the question. Where numbers matter, show how you came to them in one line. Never make up a title, an"
    " author or a date; offer to look it up instead. If someone asks for something that the library does not do, say who does."
)


def texts_of(count: int, tokenizer: Any) -> dict[str, list[Sample]]:
    """The sets of texts, by what they are."""
    sound = [r for r in islice(read(str(ALPACA)), 64 * count) if "reason" not in r and r["output"] and len(r["output"]) < 2000]
    rows = sound[:: max(1, len(sound) // count)][:count]
    behind = [{**row, "system": SYSTEM} for row in rows]
    several = [
        new_row(instruction=row["instruction"], input=row["input"], output=f"{words}{row['output']}", system=SYSTEM)
        for row in behind[: count // 4] for words in ("", "Well: ", "Gladly. ", "In short, ")
    ]  # fmt: skip
    sets: dict[str, list[Row]] = {"alpaca": rows, "one system prompt": behind, "four answers each": several}
    return {name: samples_of(of, tokenizer, 1024)[0] for name, of in sets.items()}


def pairs_of(count: int, tokenizer: Any) -> list[Sample]:
    """Pairs of a better and a worse answer, with the log-probabilities of a model that knows nothing."""
    rows = [row for row in islice(read(str(PAIRS)), 8 * count) if "reason" not in row]
    found = samples_of(rows, tokenizer, 512, objective="dpo")[0][:count]
    return referred(found, [(-8.0 * s.label_tokens, -8.0 * s.texts[1].label_tokens) for s in found])


def plain(samples: Sequence[Sample]) -> Iterator[Batch]:
    """Rectangles of rows in their order, of as many tokens as ours."""
    batch: list[Sample] = []
    for sample in samples:
        longest = max(len(s.input_ids) for s in [*batch, *sample.texts])
        if batch and longest * (len(batch) + len(sample.texts)) > MICRO_TOKENS:
            yield padded(batch)
            batch = []
        batch += sample.texts
    yield padded(batch)


def whole_loss(network: Any, batch: Batch) -> tuple[Any, Any]:
    """The losses of a rectangle by the logits of every token, as `label_loss`."""
    logits = network(input_ids=batch.input_ids, use_cache=False).logits.flatten(0, 1).float()
    targets = torch.full((len(logits),), -100).index_put((batch.at,), batch.targets)
    losses = torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="none")
    return losses.sum(), losses.view(len(batch.samples), -1).sum(1)


@dataclass(frozen=True)
class Step:
    """Processor seconds of a forward and backward pass, the rate of a matrix product beside them, and the gradient."""

    seconds: float
    peak: float
    gradient: torch.Tensor


def step(network: Any, batches: list[Batch], loss: Callable[[Batch], Any]) -> Step:
    """Run batches through a network and back."""
    network.zero_grad(set_to_none=True)
    before = peak()
    started = time.process_time()
    for batch in batches:
        loss(batch).backward()
    seconds = time.process_time() - started
    gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.requires_grad])
    return Step(seconds, (before + peak()) / 2, gradient)


def operations(batches: list[Batch], loss: Callable[[Batch], Any]) -> float:
    """Return the floating point operations of batches, counted on the first."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counted:
        loss(batches[0]).backward()
    return counted.get_total_flops() / batches[0].input_ids.numel() * sum(b.input_ids.numel() for b in batches)


def peak(n: int = 1024, k: int = 1024, m: int = 1024, tries: int = 20) -> float:
    """Operations a second of a product [n, k] x [k, m] in float32, on one thread: the best of several."""
    a, b = torch.randn(n, k), torch.randn(k, m)
    best = 0.0
    for _ in range(tries):
        started = time.process_time()
        a @ b
        best = max(best, 2 * n * k * m / (time.process_time() - started))
    return best


def measure(network: Any, method: str, sets: dict[str, list[Sample]], bars: Bars) -> None:
    """Print every variant on every set, and the bars."""
    head = label_head(network)
    network.train()
    print(f"\n{method:<20}{'way':<10}{'tokens':>8}{'labels/s':>10}{'x plain':>9}{'of peak':>9}{'gradient':>11}")
    for name, samples in sets.items():
        batches = [samples[at : at + BATCH] for at in range(0, len(samples), BATCH)]
        labels = sum(text.label_tokens for s in samples for text in s.texts)
        objective = Objective("dpo") if name == "pairs" else SFT

        def cut(batch: Batch, objective: Objective = objective) -> Any:
            return objective.measure(partial(label_loss, head), batch).total

        def whole(batch: Batch, objective: Objective = objective) -> Any:
            return objective.measure(partial(whole_loss, network), batch).total

        ways = {
            "plain": ([p for batch in batches for p in plain(batch)], whole),
            "padded": ([padded(m) for batch in batches for m in micro_batches(batch)], cut),
            "packed": ([p for batch in batches for p in passes(batch, "packed", MICRO_TOKENS)], cut),
            "tree": ([p for batch in batches for p in passes(batch, "tree", MICRO_TOKENS)], cut),
        }
        step(network, ways["tree"][0][:1], ways["tree"][1])  # what is made at the first call is made
        expected = step(network, *ways["plain"])
        # Others use the machine, too, and it is not always as fast: round by round, and the best of each.
        rounds = [{way: step(network, *ways[way]) for way in ("padded", "packed", "tree")} for _ in range(ROUNDS)]
        found = {way: min((one[way] for one in rounds), key=lambda one: one.seconds) for way in rounds[0]}
        for way, one in {"plain": expected, **found}.items():
            tokens, flops = sum(b.input_ids.numel() for b in ways[way][0]), operations(*ways[way])
            apart = ((one.gradient - expected.gradient).norm() / expected.gradient.norm()).item()
            share, times = flops / one.seconds / one.peak, expected.seconds / one.seconds
            print(
                f"{name:<20}{way:<10}{tokens:>8,}{labels / one.seconds:>10.1f}{times:>9.2f}{share:>9.2f}{apart:>11.1e}",
                flush=True,
            )
            if way != "plain":
                bars.at_most(f"{method}, {name}, {way}: gradient beside the plain loop", 1e-5, apart)
        bars.at_least(
            f"{method}, {name}: tree beside the padded loop of before", 1.45 if method == "lora" else 1.3,
            found["padded"].seconds / found["tree"].seconds,
        )  # fmt: skip
        bars.at_least(f"{method}, {name}: share of the matrix peak, float32", 0.80, share)


def main() -> None:
    """Measure and compare."""
    needed(ALPACA)
    quick = "--quick" in sys.argv
    torch.set_num_threads(1)
    bars = Bars("the trainer's step")
    model, tokenizer = load("smollm2", "cpu", "float32")
    most = peak()
    own = [peak(MICRO_TOKENS, *shape) / 1e9 for shape in ((576, 576), (576, 1536), (1536, 576), (576, 16))]
    shapes = ", ".join(f"{rate:.1f}" for rate in own)
    print(
        f"one thread, float32: a matrix product runs at {most / 1e9:.1f} GFLOP/s; those of the model's own shapes at {shapes}"
    )
    sets = texts_of(8 if quick else 16, tokenizer)
    with trainable(based(TrainOptions(), (model, tokenizer), "cpu", "float32", identify=False), TrainOptions()) as network:
        measure(network, "lora", {**sets, "pairs": pairs_of(4 if quick else 8, tokenizer)}, bars)
    if not quick:
        measure(model.requires_grad_(requires_grad=True), "full", {"alpaca": sets["alpaca"]}, bars)
    bars.end()


if __name__ == "__main__":
    main()
