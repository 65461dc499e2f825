"""`datagen train --dry-run` says what a run would train on, and writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_model import TINY

CHAT = [
    {"role": "user", "content": "Name a moon."},
    {"role": "assistant", "content": "Io.\x1b[31m"},
    {"role": "user", "content": "Thanks"},
]


def test_rows_are_counted_by_what_becomes_of_them_and_the_first_text_is_shown(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    rows = write_jsonl(
        "rows.jsonl",
        {"messages": CHAT},
        {"instruction": "说一个卫星。", "output": "木卫一。"},
        {"instruction": "Say <|im_end|>.", "output": "No."},
        {"instruction": "Say nothing.", "output": ""},
        {"instruction": "Say much.", "output": "word " * 2000},
        {"other": 1},
    )
    before = sorted(tmp_path.iterdir())
    done = datagen("train", rows, "-o", "out", "--model", TINY, "--dry-run")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("datagen: not read: rows.jsonl: line 6: no known fields; it has: other;")
    assert done.stdout.startswith("6 rows: 2 can be trained on, ")
    assert "left out: unreadable 1, control_tokens 1, no_labels 1, too_long 1" in done.stdout
    assert "not taught: turns_cut 1" in done.stdout
    assert "over 5 % of the rows are too long: a run needs --overflow, or a larger --max-length" in done.stdout
    assert "Name a moon.<|im_end|>\n<|im_start|>assistant\n⟦Io.␛[31m<|im_end|>⟧" in done.stdout
    assert sorted(tmp_path.iterdir()) == before
    told = json.loads(datagen("train", rows, "-o", "out", "--model", TINY, "--dry-run", "--json").stdout)
    assert (told["rows"], told["used"], told["texts"]) == (6, 2, 2)
    assert [taught for taught, _ in told["first"]] == [False, True, False]
    assert told["rows"] == told["used"] + sum(told["left_out"].values())


def test_it_ends_as_the_run_would_where_no_row_can_be_trained_on(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    rows = write_jsonl("rows.jsonl", {"instruction": "Say <|im_end|>.", "output": "No."})
    done = datagen("train", rows, "-o", "out", "--model", TINY, "--dry-run")
    assert done.returncode == 3
    assert done.stderr.startswith("datagen: no row can be trained on: all 1 were left out (control_tokens")


def forecast_in(text: str) -> list[str]:
    """The parts of the forecast in what a command said, but for its seconds."""
    said = " ".join(text.partition("forecast: ")[2].split()).partition(" weights are trained")[0]
    return [part for part in re.split("[,;] ", said) if "about" not in part and "measuring" not in part]


@pytest.mark.parametrize(
    "options", [(), ("--method", "prefix", "--lr", "1e-3"), ("--objective", "dpo"), ("--lengths", "64:2:1e-4,128:1:1e-5")]
)
def test_what_it_costs_is_said_as_the_run_says_it(
    options: tuple[str, ...], datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    rows = write_jsonl("rows.jsonl", *(
        {"instruction": f"Name moon {n}.", "output": f"Io {n}.", "candidates": [
            {"text": f"Io {n}.", "score": 2}, {"text": "No.", "score": 1},
        ]}
        for n in range(40)
    ))  # fmt: skip
    words = ["train", rows, "-o", "out", "--model", TINY, "--eval", rows, *options]
    before = datagen(*words, "--dry-run")
    assert (before.returncode, before.stderr, sorted(tmp_path.iterdir())) == (0, "", [rows])
    after = datagen(*words)
    assert after.returncode == 0, after.stderr
    assert forecast_in(before.stdout) == forecast_in(after.stderr) != []
    assert "of it measuring" in " ".join(before.stdout.split())
    assert datagen(*words, "--minutes", "0.01", "--dry-run").stdout.count(" steps, about ") == (
        1 if "--lengths" not in options else 0
    )


def test_it_finds_what_the_run_would_refuse(datagen: Callable[..., Any], write_jsonl: Callable[..., Path]) -> None:
    rows = write_jsonl("rows.jsonl", {"instruction": "Name a moon.", "output": "Io."})
    done = datagen("train", rows, "-o", "out", "--model", TINY, "--dry-run", "--compile")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    lost = datagen("train", rows, "-o", "out", "--model", TINY, "--dry-run", "--eval", "gone.jsonl")
    assert lost.returncode == 3 and "gone.jsonl" in lost.stderr
