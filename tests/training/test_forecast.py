"""What a run will cost is said before its first step."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from shown import Shown

from datagen.data.rows import Row, new_row
from datagen.training.batches import Plan
from datagen.training.forecast import Forecast, steps_within
from datagen.training.loop import TrainOptions, train
from datagen.training.texts import samples_of

Loaded = tuple[Any, Any]


@pytest.fixture
def many() -> list[Row]:
    return [new_row(instruction=f"Count to {n}", output=" ".join(map(str, range(30 + n % 7)))) for n in range(60)]


def test_a_run_says_what_it_will_be_before_its_first_step(tiny: Loaded, many: list[Row], tmp_path: Path) -> None:
    shown = Shown()
    steps_at: list[int] = []
    train(many, TrainOptions(steps=3), tmp_path, many, lambda _: steps_at.append(len(shown.said)), tiny, shown)
    (words,) = shown.said
    assert steps_at == [1, 1, 1]
    tokens = sum(len(s.input_ids) for s in samples_of(many, tiny[1], 512)[0])
    assert words.startswith(f"forecast: 60 texts, {tokens:,} tokens (") and "; 3 steps, about " in words
    trained, total = 26_368, 26_368 + sum(p.numel() for p in tiny[0].parameters())
    measured = [("measure before", 60), ("", 3), ("measure after", 60), ("the adapter's latency", None)]
    assert [(name, total) for name, total, _ in shown.parts] == measured
    assert [done[-1] for _, _, done in shown.parts[:3]] == [60, 3, 60]
    assert shown.parts[1][2] == [0, 1, 2, 3]
    assert f" GiB; {trained:,} of {total:,} weights are trained" in words or "weights are trained" in words


@pytest.mark.slow
def test_the_forecast_is_near_the_time_that_a_run_takes(tiny: Loaded, many: list[Row], tmp_path: Path) -> None:
    began = [0.0]

    class First(Shown):
        def say(self, words: str) -> None:
            super().say(words)
            began[0] = time.perf_counter()

    shown = First()

    minutes = 0.1
    ran = train(many, TrainOptions(minutes=minutes), tmp_path, None, None, tiny, shown)
    took = time.perf_counter() - began[0]
    assert ran.steps > 3
    assert minutes * 60 / 3 < took < minutes * 60 * 3, (took, ran.steps, shown.said)


@pytest.mark.slow
def test_steps_chosen_by_the_clock_stay_when_a_run_goes_on(tiny_dir: Path, many: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), minutes=0.02, save_every=1, batch_size=4)
    seen: list[int] = []

    def stop(line: dict[str, Any]) -> None:
        seen.append(line["steps"])
        if line["step"] == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(many, options, tmp_path, on_step=stop)
    ran = train(many, options, tmp_path, on_step=lambda line: seen.append(line["steps"]))
    assert set(seen) == {ran.steps}


def test_steps_that_fit() -> None:
    found = Forecast(1, 1, 1, 9, 1.0, 2.0, 10.0, 0, 1, 1)
    assert found.seconds == 9 * 2 + 20 and steps_within(1, found) == 20 and steps_within(0.1, found) == 1


def test_batches_grow() -> None:
    rows = [new_row(instruction=str(n), output="x") for n in range(50)]
    from datagen.training.batches import Sample

    samples = [Sample(r["id"], "", 1, [1, 2], [-100, 2], None) for r in rows]
    plan = Plan(samples, 1, 8, None, 2.0, warmup=0.5)
    sizes = [len(plan.batch(step)) for step in range(plan.steps)]
    assert sizes == sorted(sizes) and sizes[0] == 1 and sizes[-1] == 8 and sum(sizes) >= 100 > sum(sizes[:-1])
    fixed = Plan(samples, 1, 8, 10, 1.0, warmup=0.3)
    assert [len(fixed.batch(step)) for step in range(10)] == [2, 4, 6, *[8] * 7]
    seen = [s.id for step in range(10) for s in fixed.batch(step)]
    assert len(seen) == 68 and max(seen.count(i) for i in set(seen)) == 2
