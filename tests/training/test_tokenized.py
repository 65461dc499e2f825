"""Texts for other trainers are those that ours trains on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datagen.data.rows import new_row, turn
from datagen.training.options import TrainOptions
from datagen.training.texts import samples_of
from datagen.training.tokenized import write_tokenized


def test_ids_and_labels_are_those_of_training(tiny: tuple[Any, Any], tiny_dir: Path, tmp_path: Path) -> None:
    rows = [new_row(instruction=f"n{i}", output="yes " * i, repeat=1 + i % 2) for i in range(1, 9)]
    rows.append(new_row(messages=[turn("user", "a"), turn("assistant", "b"), turn("user", "c"), turn("assistant", "d")]))
    rows.append(new_row(instruction="long", output="word " * 900))
    options = TrainOptions(model=str(tiny_dir), max_length=200, overflow="drop")
    found = write_tokenized(rows, options, tmp_path / "t.parquet")
    samples, left_out = samples_of(rows, tiny[1], 200)
    table = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert found.left_out == {"too_long": 1} and len(left_out) == 1
    expected = [s for s in samples for _ in range(s.repeat)]
    assert [(r["id"], r["input_ids"], r["labels"]) for r in table] == [(s.id, s.input_ids, s.labels) for s in expected]
    assert all(r["position_ids"] == list(range(len(r["input_ids"]))) for r in table)
    assert [r["weights"] for r in table[:-2]] == [None] * (len(table) - 2)
    heavy = new_row(messages=[turn("user", "a"), {**turn("assistant", "b"), "weight": 5.0}])
    write_tokenized([heavy], options, tmp_path / "heavy.parquet")
    (row,) = pq.read_table(tmp_path / "heavy.parquet").to_pylist()
    assert row["weights"] == [5.0 if label != -100 else 0.0 for label in row["labels"]]
    assert (found.texts, found.label_tokens) == (len(table), sum(x != -100 for r in table for x in r["labels"]))


@pytest.mark.slow
def test_the_collator_of_trl_gives_our_labels(tiny_dir: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl.trainer.sft_trainer", reason="TRL comes with the extra bench")
    shared = Path(__file__).parents[3] / "shared" / "data" / "rows" / "alpaca_en_52k.jsonl.gz"
    if not shared.is_file():
        pytest.skip(f"{shared} is not there")
    with gzip.open(shared, "rt", encoding="utf-8") as file:
        records = [json.loads(next(file)) for _ in range(200)]
    rows = [new_row(instruction=r["instruction"], input=r["input"], output=r["output"]) for r in records]
    write_tokenized(rows, TrainOptions(model=str(tiny_dir), overflow="drop"), tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet").to_pylist()
    made = trl.DataCollatorForLanguageModeling(pad_token_id=0)(
        [{"input_ids": r["input_ids"], "labels": r["labels"]} for r in table]
    )
    for row, labels in zip(table, made["labels"].tolist(), strict=True):
        assert labels[: len(row["labels"])] == row["labels"] and set(labels[len(row["labels"]) :]) <= {-100}


@pytest.mark.slow
def test_the_command(datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tiny_dir: Path) -> None:
    rows = write_jsonl("rows.jsonl", {"instruction": "Hi", "output": "Ho"}, {"instruction": "Hi", "output": "word " * 500})
    done = datagen("export", rows, "--to", "tokenized", "--model", tiny_dir, "--max-length", "100", "-o", "t.parquet")
    assert done.returncode == 0 and done.stdout.endswith("-> t.parquet\nleft out: too_long 1\n"), done.stderr
    assert datagen("export", rows, "--to", "tokenized").stderr == (
        "datagen: --to tokenized writes one Parquet file: -o FILE.parquet\n"
    )
    assert datagen("export", rows, "--to", "alpaca", "--model", "x").stderr == (
        "datagen: --model and --max-length are of --to tokenized; leave them out\n"
    )
