"""Small studies of the trainer: exemplars, NEFTune, LoRA beside full training, and the methods side by side with their latency.

Made on the first two blocks of the embedded model, trained whole for a while so that they say something, and then for each arm
on the same rows of Alpaca (about 3,000 label tokens a run) over paired seeds. What is compared is the loss of held-out answers
in nats per token; an interval is that of the paired differences (Student's t, 95 %). What comes out is printed, and no bar is
asked: studies so small show what a method does here, not everywhere.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from against_trl import two_blocks
from shared_data import ALPACA, needed

from datagen.data.rows import Row
from datagen.formats.read import read
from datagen.training.loop import TrainOptions, train

SEEDS, ROWS, WARM, HELD = 5, 56, 640, 96
T = {3: 4.303, 5: 2.776}  # Student's t of seeds - 1 degrees of freedom, 95 %
ARMS: dict[str, dict[str, Any]] = {
    "lora 1e-3": {"lr": 1e-3}, "one exemplar": {"lr": 1e-3, "exemplars": 1}, "three exemplars": {"lr": 1e-3, "exemplars": 3},
    "neftune 5": {"lr": 1e-3, "neftune": 5.0},
    "lora 2e-4": {"lr": 2e-4}, "lora 5e-3": {"lr": 5e-3},
    "full 2e-5": {"method": "full", "lr": 2e-5}, "full 1e-4": {"method": "full", "lr": 1e-4},
    "full 5e-4": {"method": "full", "lr": 5e-4},
    "dora 1e-3": {"method": "dora", "lr": 1e-3}, "ia3 5e-3": {"method": "ia3"}, "prefix 3e-3": {"method": "prefix"},
    "prompt 1e-2": {"method": "prompt"}, "adapter 5e-4": {"method": "adapter"},
}  # fmt: skip
STUDIES = {
    "exemplars": ["lora 1e-3", "one exemplar", "three exemplars"],
    "NEFTune": ["lora 1e-3", "neftune 5"],
    "LoRA beside full": ["lora 1e-3", "lora 2e-4", "lora 5e-3", "full 2e-5", "full 1e-4", "full 5e-4"],
    "methods": ["lora 1e-3", "dora 1e-3", "ia3 5e-3", "prefix 3e-3", "prompt 1e-2", "adapter 5e-4"],
}


def rows_of(start: int, count: int) -> list[Row]:
    """Return short rows of Alpaca, from one place on."""
    sound = (r for r in islice(read(str(ALPACA)), start, None) if "reason" not in r and 60 < len(r["output"]) < 600)
    return list(islice(sound, count))


def warmed(place: Path) -> str:
    """Write two blocks that were trained whole on other rows, and return their folder."""
    options = TrainOptions(model=two_blocks(place / "cut"), method="full", lr=1e-3, steps=40, max_length=512, warmup=0.1)
    train(rows_of(20_000, WARM), options, place / "warm")
    return str(place / "warm" / "model")


def main() -> None:
    """Run every arm over the seeds and print the studies."""
    needed(ALPACA)
    seeds = 3 if "--quick" in sys.argv else SEEDS
    held = rows_of(40_000, HELD)
    with tempfile.TemporaryDirectory() as folder:
        model = warmed(Path(folder))
        losses: dict[str, list[float]] = {name: [] for name in ARMS}
        latency: dict[str, dict[str, float]] = {}
        for seed in range(seeds):
            rows = rows_of(1_000 * seed, ROWS)
            for name, facts in ARMS.items():
                out = Path(folder) / f"{name}-{seed}"
                options = TrainOptions(model=model, seed=seed, max_length=1024, batch_size=8, warmup=0.1, epochs=1, **facts)
                found = train(rows, options, out, held)
                assert found.eval_before and found.eval_after
                losses[name].append(found.eval_after["loss"])
                latency[name] = found.latency or {}
                start = found.eval_before["loss"]
                words = (
                    f"seed {seed}, {name:<16} {found.label_tokens:>6,} labels: {start:.4f} -> {found.eval_after['loss']:.4f}"
                )
                print(words, flush=True)
    for study, names in STUDIES.items():
        print(f"\n{study:<20}{'held-out loss':>14}{'beside the first':>26}{'ms a token':>14}")
        for name in names:
            apart = [a - b for a, b in zip(losses[name], losses[names[0]], strict=True)]
            beside = "" if name == names[0] else f"{mean(apart):+.4f} ± {T[seeds] * stdev(apart) / seeds**0.5:.4f}"
            slow = f"{latency[name]['base']:.1f} -> {latency[name]['adapter']:.1f}" if latency[name] else ""
            print(f"{name:<20}{mean(losses[name]):>14.4f}{beside:>26}{slow:>14}")


if __name__ == "__main__":
    main()
