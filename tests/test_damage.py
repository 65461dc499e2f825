"""What is deleted, cut off or hostile after or during a run is healed, named or refused; it never loses a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.chat import completion
from datagen.chat.masking import one_line
from datagen.data.quotas import quotas
from datagen.data.shards import count_rows, iterate_rows
from datagen.errors import DataError, UsageError
from datagen.recipe import make
from datagen.runner import Result, execute

LINES = [json.dumps({"instruction": f"Name the number {i} in words", "output": f"It is written {i}."}) for i in range(40)]


def filtered(tmp_path: Path, **options: float) -> Result:
    (tmp_path / "rows.jsonl").write_text("\n".join([*LINES, LINES[0], "not json"]))
    return execute(make(["rules", {"minhash": options}], input=(str(tmp_path / "rows.jsonl"),)), tmp_path / "out")


def counts(out: Path) -> tuple[int, int]:
    return count_rows(out / "kept"), count_rows(out / "dropped")


@pytest.mark.parametrize(
    "name",
    [
        "00-input/dropped/00000.parquet",
        "00-input/rows/00000.parquet",
        "02-minhash/verdict.parquet",
        "02-minhash/scores/00000.arrow",
    ],
)
@pytest.mark.parametrize("harm", ["deleted", "cut off"])
def test_a_damaged_step_is_done_again(tmp_path: Path, name: str, harm: str) -> None:
    filtered(tmp_path)
    path = tmp_path / "out" / name
    if harm == "deleted":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    again = filtered(tmp_path, threshold=0.9)
    assert counts(tmp_path / "out") == (again.summary["rows_kept"], again.summary["rows_dropped"])
    assert again.summary["rows_in"] == 42 == sum(counts(tmp_path / "out"))


@pytest.mark.parametrize("part", ["kept", "dropped"])
def test_a_damaged_result_is_written_again_and_not_called_complete(tmp_path: Path, part: str) -> None:
    before = filtered(tmp_path)
    (tmp_path / "out" / part / "00000.parquet").unlink()
    again = filtered(tmp_path)
    assert again.worked
    assert counts(tmp_path / "out") == (before.summary["rows_kept"], before.summary["rows_dropped"])


@pytest.mark.parametrize("text", ["[1]", "5", "{", ""])
def test_a_marker_that_is_no_marker_counts_as_none(tmp_path: Path, text: str) -> None:
    filtered(tmp_path)
    for name in ("run.json", "01-rules/_done.json"):
        (tmp_path / "out" / name).write_text(text)
    assert filtered(tmp_path).worked


def test_a_folder_of_the_user_inside_the_run_folder_stays(tmp_path: Path) -> None:
    filtered(tmp_path)
    mine = tmp_path / "out" / "07-notes" / "precious.txt"
    mine.parent.mkdir()
    mine.write_text("x")
    (tmp_path / "out" / "adapter").mkdir()
    filtered(tmp_path, threshold=0.8)
    assert mine.read_text() == "x"
    assert (tmp_path / "out" / "adapter").is_dir()


def test_the_run_folder_is_not_read_and_not_written_inside_an_input(tmp_path: Path) -> None:
    filtered(tmp_path)
    for source, out in ((tmp_path / "out" / "kept", tmp_path / "out"), (tmp_path, tmp_path / "out")):
        with pytest.raises(UsageError, match="give another -o"):
            execute(make(["rules"], input=(str(source),)), out)


@pytest.mark.slow
def test_an_answer_of_two_hundred_thousand_tokens_is_a_row_like_another(tmp_path: Path) -> None:
    rows = [{"instruction": "Count", "output": "word " * 200_000}, {"instruction": "Count", "output": "word " * 199_999}]
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = execute(make(["minhash", "rouge"], input=(str(tmp_path / "long.jsonl"),)), tmp_path / "out")
    assert done.summary["rows_kept"] == 1


def test_a_folder_with_nothing_readable_in_text_does_not_replace_a_result(tmp_path: Path) -> None:
    filtered(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "datagen", "filter", "-", "-o", str(tmp_path / "out")], input=b"", capture_output=True
    )
    assert done.returncode == 3
    assert (tmp_path / "out" / "run.json").is_file()
    assert len(pq.read_table(tmp_path / "out" / "kept")) == 40


@pytest.mark.parametrize("raw", ["[" * 100_000, "{}", "", '{"choices": []}'])
def test_an_answer_that_cannot_be_read_is_a_completion_without_text(raw: str) -> None:
    answer = completion.read("key", raw)
    assert answer.text is None
    assert answer.error


def test_the_key_is_in_no_text_of_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    assert one_line("bad Bearer sk-secret-123\nthere", ("sk-secret-123",)) == "bad Bearer *** there"


def test_a_count_of_a_billion_takes_no_time_and_is_what_small_ones_grow_to() -> None:
    assert sum(quotas([0.5, 0.3, 0.2], 10**9)) == 10**9
    assert quotas([1e308 / 4, 1e308 / 4], 10) == [5, 5]
    before = [0, 0, 0]
    for total in range(1, 400):
        counts = quotas([0.613, 0.3, 0.087], total)
        assert sum(counts) == total
        assert all(a <= b for a, b in zip(before, counts, strict=True))
        before = counts


def test_a_shard_that_was_cut_off_is_told_by_every_command_that_reads_it(
    datagen: Any, write_jsonl: Any, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *({"instruction": f"Say {i}.", "output": f"{i} it is."} for i in range(20)))
    assert datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules").returncode == 0
    shard = tmp_path / "out" / "kept" / "00000.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    for command in (["report", "out"], ["explain", "out", "ab"], ["diff", "out", "out"], ["review", "out", "--csv", "x.csv"]):
        done = datagen(*command)
        assert done.returncode == 3 and "out/kept/00000.parquet is damaged (" in done.stderr, (command, done.stderr)
        assert done.stderr.endswith("; the command that made out, given with --fresh, makes it again\n")
        assert "unexpected" not in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("at", [0, 20, 300, -300, -20, -4])
def test_damage_within_a_file_of_a_run_names_the_file_and_the_run(tmp_path: Path, at: int) -> None:
    filtered(tmp_path)
    shard = tmp_path / "out" / "kept" / "00000.parquet"
    whole = bytearray(shard.read_bytes())
    at %= len(whole)
    whole[at : at + 4] = b"\xff" * 4
    shard.write_bytes(whole)
    try:
        list(iterate_rows(tmp_path / "out" / "kept"))
    except DataError as e:
        said = str(e)
    else:
        said = ""
    ours = f"{shard} is damaged", f"made {tmp_path / 'out'}, given with --fresh, makes it again"
    assert not said or (said.startswith(ours[0]) and said.endswith(ours[1]))


@pytest.mark.parametrize("step", ["00-input/rows/00000.parquet", "01-rules/verdict.parquet", "02-minhash/scores/00000.arrow"])
def test_the_earlier_run_is_named_where_its_file_is_the_damaged_one(tmp_path: Path, step: str) -> None:
    filtered(tmp_path)
    file = tmp_path / "out" / step
    file.write_bytes(file.read_bytes()[:100])
    (tmp_path / "more.jsonl").write_text(json.dumps({"instruction": "Say it.", "output": "It."}))
    made_of = make(["rules", "minhash"], input=(str(tmp_path / "more.jsonl"),), against=str(tmp_path / "out"))
    with pytest.raises(DataError, match=rf"{step} is damaged .* made {tmp_path / 'out'}, given with --fresh"):
        execute(made_of, tmp_path / "new")


@pytest.mark.parametrize("at", [0, 20, 300, 1200, -1200, -300, -20, -4])
def test_a_damaged_input_is_named_and_fresh_is_no_help(tmp_path: Path, at: int) -> None:
    rows = [{"instruction": f"Say {i}.", "output": f"{i * 7919} it is, {i * 31}."} for i in range(200)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "mine.parquet")
    whole = bytearray((tmp_path / "mine.parquet").read_bytes())
    at %= len(whole)
    whole[at : at + 4] = b"\xff" * 4
    (tmp_path / "mine.parquet").write_bytes(whole)
    try:
        said = repr(execute(make(["rules"], input=(str(tmp_path / "mine.parquet"),)), tmp_path / "out"))
    except DataError as e:
        said = str(e)
    assert "--fresh" not in said
    assert said.startswith((str(tmp_path / "mine.parquet"), "Result("))


def test_a_damaged_row_of_another_run_is_told_as_of_that_run(tmp_path: Path) -> None:
    filtered(tmp_path)
    shard = tmp_path / "out" / "kept" / "00000.parquet"
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(DataError, match=rf"{shard}: not a readable .* made {tmp_path / 'out'}, given with --fresh"):
        execute(make(["rules"], input=(str(tmp_path / "out"),)), tmp_path / "next")
