"""Whatever the rows are: each ends as one kept or one dropped row, by its own id or through rewritten/."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen import recipe
from datagen.data.rows import ROW, Row, new_row, turn
from datagen.data.shards import ShardWriter, read_all
from datagen.runner import execute
from datagen.step import Kind, find, loaded, name_of, names
from datagen.teacher import Teacher

TURNS = [turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "And you?"), turn("assistant", "Hello.")]
CALL = [
    turn("user", "Rain?"),
    turn("assistant", None, tool_calls='[{"name": "weather"}]'),
    turn("tool", "{}"),
    turn("assistant", "Yes."),
]
HOSTILE: list[Row] = [
    new_row(),
    new_row(instruction=" \n\t"),
    new_row(output="only an answer"),
    new_row(instruction="x", output="y", extra='{"a": 1}'),
    new_row(instruction="x" * 20_000, output="y" * 20_000),
    new_row(instruction="a\u0301\u200b \x00\x1f", output="\ufeff"),
    new_row(instruction="Hi", messages=[]),
    new_row(instruction="Hi", messages=[turn("user", "Hi")]),
    new_row(instruction="And you?", output="Hello.", messages=TURNS),
    new_row(instruction="Rain?", output="Yes.", messages=CALL),
    new_row(instruction="Hi", messages=[turn("assistant", "I begin."), turn("user", "No.")]),
    new_row(instruction="Hi", messages=[turn("user", None), turn("assistant", None)]),
    new_row(instruction="weather", tools="[{}]"),
    new_row(instruction="Rank", output="b", candidates=[{"text": "b", "score": 1.0, "source": "m"}]),
    new_row(instruction="{{ text }} {% raw %}", output="<<<\n>>>\nScore: 5"),
    new_row(instruction="⟦1⟧ `code` ⟦2⟧", output="$x_1$ 3"),
    new_row(instruction="สวัสดี", output="ครับ"),
    new_row(instruction="你好吗？", output="我很好。", language="zh"),
    new_row(instruction="שלום עולם", output="مرحبا", language="xx"),
    new_row(instruction="Say it", output="Say it", system="Be kind."),
    new_row(instruction="https://a.b/c", output="```\n1\n```"),
    new_row(instruction="3 + 4", output="#### 7", extra='{"a": [1, 2]}'),
]
TEACHERS = [cls for name in names("datagen.kinds") if issubclass(cls := find(name, Kind), Teacher)]
OPTIONS: dict[str, dict[str, Any]] = {
    "answer": {"samples": 2}, "rewrite": {"how": "turns"}, "evolve": {"rounds": 2}, "translate": {"to": "zh,th", "mixed": True},
}  # fmt: skip


@pytest.mark.parametrize("teacher", TEACHERS)
def test_every_row_ends_once_and_the_counts_add_up(teacher: type[Teacher], tmp_path: Path) -> None:
    kind = name_of(teacher)
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for row in HOSTILE:
            writer.add(row)
    with LocalEndpoint() as server:
        given = {"model": "local", "base_url": server.base_url, **OPTIONS.get(kind, {})}
        result = execute(recipe.make([{kind: given}], input=(str(tmp_path / "in"),)), tmp_path / "out")
    kept, dropped = (read_all(result.folder / part).to_pylist() for part in ("kept", "dropped"))
    moved = {m["old_id"]: m["new_id"] for m in read_all(result.folder / "rewritten").to_pylist()}
    ends = Counter(r["id"] for r in [*kept, *dropped])
    for row in HOSTILE:
        assert ends[moved.get(row["id"], row["id"])] >= 1, row
    assert result.summary["rows_in"] == len(kept) + len(dropped)
    assert len({r["id"] for r in kept}) == len(kept)
    assert not [r for r in dropped if r["reason"] == "error"], [r["evidence"] for r in dropped if r["reason"] == "error"]
    if not loaded(teacher.lesson_at).adds:
        assert len(kept) + len(dropped) == len(HOSTILE)
    else:
        assert {r["id"] for r in kept} >= {r["id"] for r in HOSTILE}
