"""`datagen train --dry-run` says what a run would train on, and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    assert told["rows"] == told["used"] + sum(told["left_out"].values())


def test_it_ends_as_the_run_would_where_no_row_can_be_trained_on(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    rows = write_jsonl("rows.jsonl", {"instruction": "Say <|im_end|>.", "output": "No."})
    done = datagen("train", rows, "-o", "out", "--model", TINY, "--dry-run")
    assert done.returncode == 3
    assert done.stderr.startswith("datagen: no row can be trained on: all 1 were left out (control_tokens")
