"""The loss curve of the trainer that everybody uses, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from datagen.data.rows import new_row
from datagen.training.batches import Plan
from datagen.training.loop import TrainOptions, train
from datagen.training.texts import samples_of
from tests.training.models import ARCHITECTURES, made

Loaded = tuple[Any, Any]
STEPS = 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("accumulate", [1, 4])
def test_twenty_steps_equal_those_of_the_trainer_of_transformers(
    name: str, accumulate: int, tiny: Loaded, tmp_path: Path
) -> None:
    from transformers import Trainer, TrainingArguments

    tokenizer = tiny[1]
    rows = [new_row(instruction=f"What is {i}?", output=" ".join(["It is", *["so"] * (i % 9)])) for i in range(80)]
    options = TrainOptions(steps=STEPS, batch_size=4, lr=1e-2, method="full", dtype="float32", seed=3, spike=None)
    ours = train(rows, options, None, base=(made(name, len(tokenizer)), tokenizer)).losses
    samples, _ = samples_of(rows, tokenizer, 512)
    plan = Plan(samples, options.seed, 4, STEPS)
    ordered = [s for step in range(STEPS) for s in plan.batch(step)]

    def padded(batch: list[Any]) -> dict[str, torch.Tensor]:
        width = max(len(s["input_ids"]) for s in batch)
        return {
            key: torch.tensor([list(s[key]) + [fill] * (width - len(s[key])) for s in batch])
            for key, fill in (("input_ids", 0), ("labels", -100), ("attention_mask", 0))
        }

    class InOrder(Trainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=STEPS, per_device_train_batch_size=4 // accumulate, logging_steps=1,
        gradient_accumulation_steps=accumulate, max_grad_norm=1.0, use_cpu=True, report_to=[], save_strategy="no",
        learning_rate=1e-2, disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    model = made(name, len(tokenizer)).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.95), weight_decay=0.0)
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: options.lr_at(min(step, STEPS - 1), STEPS))
    data = [{"input_ids": s.input_ids, "labels": s.labels, "attention_mask": [1] * len(s.input_ids)} for s in ordered]
    trainer = InOrder(model, arguments, padded, data, optimizers=(optimiser, rates))
    trainer.train()
    theirs = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert len(ours) == len(theirs) == STEPS
    assert ours == pytest.approx(theirs, abs=1e-5)
