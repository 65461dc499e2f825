"""The trainer beside TRL's on the embedded model, fed the same tokens: label tokens a second of processor time, and memory.

Each runs in a process of its own, one after the other, on one thread in float32 and takes two optimiser steps over the same
rows, of which the second is timed: with its forward and backward passes, clipping and AdamW. TRL as it comes checkpoints
activations and pads batches of 8; at its best it packs and does not. Held-out losses are compared on a model of the first two
blocks of the embedded one over 5 seeds. `--quick`: few rows, LoRA only. Needs the extra `bench`; nothing else should compute.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from bars import Bars
from shared_data import ALPACA, needed
from training_speed import SYSTEM

from datagen.data.rows import Row
from datagen.formats.read import read
from datagen.models.causal_lm import load
from datagen.training.loop import TrainOptions, train
from datagen.training.texts import samples_of

LENGTH, SEEDS = 1024, 5
LR = {"lora": 2e-4, "full": 2e-5}
ASKED = {("lora", "as it comes"): 3.0, ("lora", "at its best"): 1.9, ("full", "as it comes"): 3.0, ("full", "at its best"): 1.7}


def rows_of(name: str, count: int, skip: int = 0) -> list[Row]:
    """Return rows of Alpaca, behind one system prompt where the set is called so."""
    sound = (r for r in islice(read(str(ALPACA)), skip, None) if "reason" not in r and r["output"] and len(r["output"]) < 2000)
    found = [*islice(sound, 0, 16 * count, 16)]
    return [{**row, "system": SYSTEM if name == "one system prompt" else ""} for row in found]


def memory() -> float:
    """Return the most memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def ours(method: str, rows: list[Row], model: str, steps: int, seed: int, batch: int) -> dict[str, float]:
    """Train and return seconds and label tokens of the last step."""
    ends: list[float] = []
    lines: list[dict[str, Any]] = []

    def on_step(line: dict[str, Any]) -> None:
        ends.append(time.process_time())
        lines.append(line)

    facts = {
        "method": method,
        "lr": LR[method],
        "schedule": "constant",
        "warmup": 0.0,
        "weight_decay": 0.0,
        "lora_dropout": 0.0,
    }
    options = TrainOptions(model=model, steps=steps, batch_size=batch, seed=seed, max_length=LENGTH, dtype="float32", **facts)
    start = load(model, "cpu", "float32")
    held = rows_of("held out", 64, 4000) if steps > 2 else None
    found = train(rows, options, None, held, on_step, base=start)
    loss = found.eval_after["loss"] if found.eval_after else found.losses[-1]
    seconds = ends[-1] - ends[-2]
    return {"seconds": seconds, "labels": lines[-1]["label_tokens"], "loss": loss, "memory": memory()}


def theirs(method: str, rows: list[Row], model: str, steps: int, seed: int, batch: int, *, best: bool) -> dict[str, float]:
    """Train the same texts with TRL and return seconds and label tokens of the last step."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    network, tokenizer = load(model, "cpu", "float32")
    texts = Dataset.from_list([
        {"input_ids": s.input_ids, "completion_mask": [int(label != -100) for label in s.labels]}
        for s in samples_of(rows, tokenizer, LENGTH)[0]
    ])  # fmt: skip
    ends: list[float] = []
    counts: list[int] = []

    class Ends(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *args: Any, **more: Any) -> None:
            ends.append(time.process_time())
            counts.append(0)

    class Counting(SFTTrainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **more: Any) -> Any:
            counts[-1] += int((inputs["labels"] != -100).sum())
            return super().compute_loss(model, inputs, *args, **more)

    counts.append(0)
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as place:
        # Packs are of as many tokens as ours are; a step is one batch, or as many packs as hold the same rows.
        tokens = sum(map(len, texts["input_ids"])) * batch / len(texts)
        per_step = math.ceil(tokens / LENGTH) if best else batch
        size = min(8, per_step) if not best else 1
        config = SFTConfig(
            output_dir=place, max_length=LENGTH, per_device_train_batch_size=size, max_steps=steps, seed=seed,
            gradient_accumulation_steps=-(-per_step // size), gradient_checkpointing=not best, packing=best, bf16=False,
            use_cpu=True, completion_only_loss=True, learning_rate=LR[method], lr_scheduler_type="constant", weight_decay=0.0,
            max_grad_norm=1.0, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = Counting(
            model=network, args=config, train_dataset=texts, processing_class=tokenizer, callbacks=[Ends()],
            peft_config=lora if method == "lora" else None,
        )  # fmt: skip
        trainer.train()
    found = {"seconds": ends[-1] - ends[-2], "labels": counts[-2], "memory": memory(), "loss": 0.0}
    if steps > 2:
        found["loss"] = held_out(trainer.model, tokenizer)
    return found


def held_out(model: Any, tokenizer: Any) -> float:
    """Return the mean label loss of held-out rows, in nats."""
    total, labels = 0.0, 0
    model.eval()
    for s in samples_of(rows_of("held out", 64, 4000), tokenizer, LENGTH)[0]:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([s.input_ids])).logits[0, :-1].float()
        wanted = torch.tensor(s.labels[1:])
        total += torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum").item()
        labels += s.label_tokens
    return total / labels


def child(trainer: str, method: str, name: str, count: int, model: str = "smollm2", steps: int = 2, seed: int = 1) -> Any:
    """Return what a run in a process of its own found."""
    told = json.dumps([trainer, method, name, count, model, steps, seed])
    ran = subprocess.run([sys.executable, __file__, "--run", told], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{told} failed:\n{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.strip().split("\n")[-1])


def run(told: str) -> None:
    """Run one trainer and print what was found."""
    trainer, method, name, count, model, steps, seed = json.loads(told)
    torch.set_num_threads(1)
    rows = rows_of(name, count)
    batch = count if steps == 2 else 16
    if trainer == "ours":
        found = ours(method, rows, model, steps, seed, batch)
    else:
        found = theirs(method, rows, model, steps, seed, batch, best=trainer == "at its best")
    print(json.dumps(found))


def two_blocks(place: Path) -> str:
    """Write a model of the first two blocks of the embedded one, and return its folder."""
    model, tokenizer = load("smollm2", "cpu", "float32")
    model.model.layers = model.model.layers[:2]
    model.config.num_hidden_layers = 2
    model.config.layer_types = None
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return str(place)


def speed(bars: Bars, count: int, methods: list[str]) -> None:
    """Print what each trainer takes, and how much longer TRL does."""
    print(f"{'method, set':<34}{'trainer':<14}{'labels/s':>10}{'s':>8}{'labels':>8}{'GiB':>7}")
    for method in methods:
        for name in ("alpaca", "one system prompt") if method == "lora" else ("alpaca",):
            found = {who: child(who, method, name, count) for who in ("ours", "at its best", "as it comes")}
            for who, one in found.items():
                rate = one["labels"] / one["seconds"]
                what = f"{method}, {name}"
                print(
                    f"{what:<34}{who:<14}{rate:>10.1f}{one['seconds']:>8.1f}{one['labels']:>8,}{one['memory']:>7.2f}",
                    flush=True,
                )
            for who in ("as it comes", "at its best"):
                times = found["ours"]["labels"] / found["ours"]["seconds"] / (found[who]["labels"] / found[who]["seconds"])
                bars.at_least(f"{method}, {name}: labels a second beside TRL {who}", ASKED[method, who], times)


def losses(bars: Bars) -> None:
    """Print the held-out losses of both trainers over seeds, and whether they differ by more than noise."""
    with tempfile.TemporaryDirectory() as place:
        model = two_blocks(Path(place))
        pairs = [
            [child(who, "lora", "alpaca", 96, model, 12, seed)["loss"] for who in ("ours", "at its best")]
            for seed in range(SEEDS)
        ]
    for seed, (a, b) in enumerate(pairs):
        print(f"two blocks, LoRA, 12 steps, seed {seed}: held-out loss {a:.4f}, TRL's {b:.4f}")
    apart = [a - b for a, b in pairs]
    half = 2.776 * statistics.stdev(apart) / SEEDS**0.5  # t of 4 degrees of freedom, 95 %
    print(f"ours - TRL's: {statistics.mean(apart):+.4f} ± {half:.4f} (95 %)")
    bars.holds("held-out losses are equal within noise", abs(statistics.mean(apart)) <= half + 0.005)


def main() -> None:
    """Compare."""
    needed(ALPACA)
    if importlib.util.find_spec("trl") is None:
        raise SystemExit("against_trl: pip install 'datagen[bench]' brings TRL")
    quick = "--quick" in sys.argv
    bars = Bars("beside TRL")
    speed(bars, 8 if quick else 16, ["lora"] if quick else ["lora", "full"])
    if not quick:
        losses(bars)
    bars.end()


if __name__ == "__main__":
    if "--run" in sys.argv:
        run(sys.argv[-1])
    else:
        main()
