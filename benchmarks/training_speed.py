"""The trainer's step on the embedded model: trees, packs, rectangles and a plain loop, in one run, one thread, processor time.

Each variant takes the forward and backward pass of one global batch of Alpaca rows, of the same rows behind one long system
prompt, and of several answers to each task; all are fed the same texts and must come to the same loss and gradient. A plain
loop pads the rows in their order and makes the logits of every token. The share of the machine's own matrix peak counts the
operations that are executed. `--quick`: a batch of few rows, LoRA only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from bars import Bars
from shared_data import ALPACA, needed

from datagen.data.rows import Row, new_row
from datagen.formats.read import read
from datagen.models.causal_lm import load
from datagen.training.batches import Sample
from datagen.training.loss import label_head, label_loss
from datagen.training.methods import trainable
from datagen.training.options import TrainOptions
from datagen.training.passes import MICRO_TOKENS, Batch, micro_batches, padded, passes
from datagen.training.start import based
from datagen.training.texts import samples_of

SYSTEM = (
    "You are the assistant of a small library. Answer in plain words, name your source where you have one, and say so when you"
    " do not know. Keep to the question. Where numbers matter, show how you came to them in one line. Never make up a title, an"
    " author or a date; offer to look it up instead. If someone asks for something that the library does not do, say who does."
)


def texts_of(count: int, tokenizer: Any) -> dict[str, list[Sample]]:
    """The sets of texts, by what they are."""
    rows = [r for r in islice(read(str(ALPACA)), 8 * count) if "reason" not in r and 60 < len(r["output"]) < 600][:count]
    behind = [{**row, "system": SYSTEM} for row in rows]
    several = [
        new_row(instruction=row["instruction"], input=row["input"], output=f"{words}{row['output']}", system=SYSTEM)
        for row in rows[: count // 4] for words in ("", "Well: ", "Gladly. ", "In short, ")
    ]  # fmt: skip
    sets: dict[str, list[Row]] = {"alpaca": rows, "one system prompt": behind, "four answers each": several}
    return {name: samples_of(of, tokenizer, 1024)[0] for name, of in sets.items()}


def plain(samples: Sequence[Sample]) -> Iterator[Batch]:
    """Rectangles of rows in their order, of as many tokens as ours."""
    batch: list[Sample] = []
    for sample in samples:
        longest = max(len(s.input_ids) for s in [*batch, sample])
        if batch and longest * (len(batch) + 1) > MICRO_TOKENS:
            yield padded(batch)
            batch = []
        batch.append(sample)
    yield padded(batch)


def whole_loss(network: Any, batch: Batch) -> Any:
    """The loss of a rectangle by the logits of every token."""
    logits = network(input_ids=batch.input_ids, use_cache=False).logits.flatten(0, 1).float()
    targets = torch.full((len(logits),), -100).index_put((batch.at,), batch.targets)
    return torch.nn.functional.cross_entropy(logits, targets, ignore_index=-100, reduction="sum")


def step(network: Any, batches: list[Batch], loss: Callable[[Batch], Any]) -> tuple[float, float, torch.Tensor, float]:
    """Return processor seconds, loss, gradient and the operations of one forward and backward pass over batches."""
    from torch.utils.flop_counter import FlopCounterMode

    trained = [p for p in network.parameters() if p.requires_grad]
    network.zero_grad(set_to_none=True)
    started, total = time.process_time(), 0.0
    for batch in batches:
        part = loss(batch)
        part.backward()
        total += part.item()
    seconds = time.process_time() - started
    gradient = torch.cat([p.grad.flatten() for p in trained])
    with FlopCounterMode(display=False) as counted:
        loss(batches[0]).backward()
    return seconds, total, gradient, counted.get_total_flops() / batches[0].input_ids.numel()


def peak() -> float:
    """Operations a second of a large product in float32, on one thread: the best of several."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = 0.0
    for _ in range(8):
        started = time.process_time()
        a @ b
        best = max(best, 2 * 1024**3 / (time.process_time() - started))
    return best


def measure(network: Any, method: str, sets: dict[str, list[Sample]], bars: Bars, most: float) -> None:
    """Print every variant on every set, and the bars."""
    head = label_head(network)
    network.train()
    print(f"\n{method:<20}{'way':<10}{'tokens':>8}{'labels/s':>10}{'x plain':>9}{'of peak':>9}{'gradient':>11}")
    for name, samples in sets.items():
        labels = sum(s.label_tokens for s in samples)
        ways = {
            "plain": (list(plain(samples)), lambda b: whole_loss(network, b)),
            "padded": ([padded(m) for m in micro_batches(samples)], lambda b: label_loss(head, b)[0]),
            "packed": (list(passes(samples, "packed", MICRO_TOKENS)), lambda b: label_loss(head, b)[0]),
            "tree": (list(passes(samples, "tree", MICRO_TOKENS)), lambda b: label_loss(head, b)[0]),
        }
        step(network, ways["tree"][0][:1], ways["tree"][1])  # what is made at the first call is made
        found = {way: step(network, *how) for way, how in ways.items()}
        expected = found["plain"][2]
        for way, (seconds, _, gradient, flops) in found.items():
            tokens = sum(b.input_ids.numel() for b in ways[way][0])
            apart = ((gradient - expected).norm() / expected.norm()).item()
            share, times = flops * tokens / seconds / most, found["plain"][0] / seconds
            print(
                f"{name:<20}{way:<10}{tokens:>8,}{labels / seconds:>10.1f}{times:>9.2f}{share:>9.2f}{apart:>11.1e}", flush=True
            )
            if way != "plain":
                bars.at_most(f"{method}, {name}, {way}: gradient beside the plain loop", 1e-5, apart)
        bars.at_least(
            f"{method}, {name}: tree beside the padded loop of before", 1.45 if method == "lora" else 1.3,
            found["padded"][0] / found["tree"][0],
        )  # fmt: skip
        tree = found["tree"]
        tokens = sum(b.input_ids.numel() for b in ways["tree"][0])
        bars.at_least(f"{method}, {name}: share of the matrix peak, float32", 0.80, tree[3] * tokens / tree[0] / most)


def main() -> None:
    """Measure and compare."""
    needed(ALPACA)
    quick = "--quick" in sys.argv
    torch.set_num_threads(1)
    bars = Bars("the trainer's step")
    model, tokenizer = load("smollm2", "cpu", "float32")
    most = peak()
    print(f"one thread, float32: a matrix product runs at {most / 1e9:.1f} GFLOP/s")
    sets = texts_of(8 if quick else 16, tokenizer)
    with trainable(based(TrainOptions(), (model, tokenizer), "cpu", "float32", identify=False), TrainOptions()) as network:
        measure(network, "lora", sets, bars, most)
    if not quick:
        measure(model.requires_grad_(requires_grad=True), "full", {"alpaca": sets["alpaca"]}, bars, most)
    bars.end()


if __name__ == "__main__":
    main()
