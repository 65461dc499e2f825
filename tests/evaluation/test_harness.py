"""The tasks that are written for lm-evaluation-harness: the same texts, and where it is installed the same shares."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

LETTERS = "ABCD"


def questions(name: str, seed: int) -> list[dict[str, str]]:
    draw = random.Random(seed)
    rows = []
    for at in range(30):
        texts = [f"{draw.choice(['ข้าว', '水', 'stone', 'red'])} {draw.randint(1, 99)} {c}" for c in LETTERS]
        lines = "\n".join(f"({letter}) {text}" for letter, text in zip(LETTERS, texts, strict=True))
        rows.append({"instruction": f"{name} {at}: which?\n{lines}", "output": f"({draw.choice(LETTERS)})"})
    return rows


@pytest.fixture
def written(evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path) -> Any:
    write_jsonl("first.jsonl", *questions("first", 1))
    write_jsonl("second one.jsonl", *questions("second", 2))
    words = (tiny_dir, "first.jsonl", "second one.jsonl", "--lm-eval", "--shots", "2", "--measures", "choice")
    return evaluated(*words), tmp_path / "out" / "lm-eval"


def test_each_task_is_a_yaml_and_its_items(written: Any, tmp_path: Path) -> None:
    _, folder = written
    assert sorted(p.name for p in folder.iterdir()) == [
        "first_0.jsonl", "first_0.yaml", "second_one_1.jsonl", "second_one_1.yaml",
    ]  # fmt: skip
    told = yaml.safe_load((folder / "second_one_1.yaml").read_text())
    assert told["dataset_kwargs"] == {"data_files": {"test": "second_one_1.jsonl"}}
    lines = [json.loads(line) for line in (folder / "second_one_1.jsonl").read_text().splitlines()]
    assert len(lines) == 28 and all(line["text"].count("Answer:") == 3 for line in lines)
    assert {tuple(line["choices"]) for line in lines} == {("(A)", "(B)", "(C)", "(D)")}


def test_the_harness_finds_the_same_shares(
    written: Any, tiny_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    stage, folder = written
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    found = simple_evaluate(
        model="hf", model_args=f"pretrained={tiny_dir},dtype=float32", tasks=["first_0", "second_one_1"], device="cpu",
        batch_size=4, log_samples=True, task_manager=TaskManager(include_path=".", include_defaults=False), bootstrap_iters=0,
    )  # fmt: skip
    numbers = {(n["task"], n["measure"]): n["value"] for n in stage["evaluation"]["numbers"] if not n["part"]}
    for ours, theirs in (("first", "first_0"), ("second one", "second_one_1")):
        for measure, metric in (("choice", "acc,none"), ("choice_by_length", "acc_norm,none")):
            assert found["results"][theirs][metric] == pytest.approx(numbers[ours, measure], abs=1e-6)
    items = pq.read_table(tmp_path / "out" / "items.parquet").to_pylist()
    assert len(items) == 2 * 2 * 28
