"""The self-guided recipe: sample, train, score with what was trained, train the base on what is chosen."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from datagen import recipe
from datagen.data.rows import ROW, new_row
from datagen.data.shards import ShardWriter, read_all
from datagen.errors import UsageError
from datagen.kinds.pre_experience import PreExperience
from datagen.runner import execute
from datagen.steps.pre_experience import sampled

TASKS = {
    "soup": "Cook a soup of {} onions and carrots in a pot.",
    "star": "Explain how {} stars and galaxies shine in the sky.",
}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{"ifd": {"model": "pre_experience"}}], "its model is made by a step 'pre_experience', which must stand before it"),
        ([{"ifd": {"model": "pre_experience"}}, "pre_experience"], "which must stand before it"),
        (["pre_experience", "ifd"], "no stage takes the model of 'pre_experience'; give ifd: {model: pre_experience}"),
        (["pre_experience", "pre_experience"], "stands more than once"),
        ([{"pre_experience": {"rows": 0}}], "rows must be 1 or more, not 0"),
        ([{"pre_experience": {"steps": 0}}], "must be a whole number of at least 1"),
    ],
)
def test_a_recipe_that_cannot_work_says_so(steps: list[Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe.make(steps, input=("rows.jsonl",))


def test_the_recipe_that_comes_with_datagen_is_one(tmp_path: Path) -> None:
    made = recipe.load(Path("self_guided"), inputs=["mine.jsonl"])
    assert made.input == ("mine.jsonl",)
    assert [s.kind for s in made.steps] == ["rules", "pre_experience", "ifd", "train"]
    assert "repetition" in made.steps[0].options.use  # hard for a model is also a loop


def test_k_means_takes_the_same_number_of_each_kind_of_task() -> None:
    tasks = [TASKS["soup"].format(n) for n in range(3, 40)] + [TASKS["star"].format(n) for n in range(3, 9)]
    data: Any = SimpleNamespace(kept_rows=lambda: iter([{"instruction": t} for t in tasks]))
    alive = np.arange(len(tasks))
    taken = sampled(data, alive, PreExperience(rows=8, clusters=2))
    assert sorted(["star" if "stars" in tasks[i] else "soup" for i in taken]) == ["soup"] * 4 + ["star"] * 4
    assert taken.tolist() == sampled(data, alive, PreExperience(rows=8, clusters=2)).tolist() == sorted(taken.tolist())
    # Six of one kind are all there are; the rest comes from the other.
    kinds = ["star" if "stars" in tasks[i] else "soup" for i in sampled(data, alive, PreExperience(rows=20, clusters=2))]
    assert (kinds.count("star"), kinds.count("soup")) == (6, 14)
    assert len(sampled(data, alive, PreExperience(rows=5, sample="random"))) == 5
    assert len(sampled(data, alive, PreExperience(rows=99))) == len(tasks)


def test_tasks_that_the_embedder_does_not_read_are_told(tmp_path: Path) -> None:
    data: Any = SimpleNamespace(kept_rows=lambda: iter([{"instruction": f"ช่วยอธิบายเรื่องดวงดาว {i}"} for i in range(9)]))
    with pytest.raises(UsageError, match="give sample: random, or embedder"):
        sampled(data, np.arange(9), PreExperience(rows=3, clusters=2))


def test_the_whole_recipe_scores_with_what_it_trained_and_goes_on_where_it_was(tmp_path: Path, tiny_dir: Path) -> None:
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for n in range(3, 15):
            writer.add(new_row(instruction=TASKS["soup"].format(n), output=f"Cut {n} onions and boil them for an hour."))
    steps: list[Any] = [
        {"pre_experience": {"model": str(tiny_dir), "rows": 6, "sample": "random", "steps": 3, "batch_size": 4, "lr": 0.01}},
        {"ifd": {"model": "pre_experience"}},
        {"train": {"model": str(tiny_dir), "steps": 2, "batch_size": 2}},
    ]
    made = recipe.make(steps, input=(str(tmp_path / "in"),))
    first = execute(made, tmp_path / "out")
    kept, dropped = read_all(tmp_path / "out" / "kept"), read_all(tmp_path / "out" / "dropped")
    assert (len(kept), len(dropped), kept.column("ifd").null_count) == (12, 0, 0)
    assert (tmp_path / "out" / "01-pre_experience" / "adapter").is_dir() and (tmp_path / "out" / "adapter").is_dir()
    assert first.summary["stages"][1]["notes"]["sampled"] == 6
    assert str(tmp_path) not in json.dumps(first.summary["stages"][2])
    assert not execute(made, tmp_path / "out").worked
    base = execute(recipe.make([{"ifd": {"model": str(tiny_dir)}}], input=(str(tmp_path / "in"),)), tmp_path / "base")
    plain = read_all(base.folder / "kept").column("ifd").to_pylist()
    assert not set(kept.column("ifd").to_pylist()) & set(plain)  # the model that was trained is another one
