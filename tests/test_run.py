"""The run folder: what is in it, what is skipped, what is computed again, and who is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datagen.data.shards import count_rows, iterate_rows, read_json, write_json
from datagen.recipe import make
from datagen.runner import Result, execute

TEXTS = [
    ("Name the capital of France.", "Paris"),
    ("Translate 'good morning' to French.", "Bonjour"),
    ("Name the capital of France.", "Paris"),  # an exact duplicate
    ("Write a haiku about rain.", "   "),  # an empty answer
    ("List the first five prime numbers in rising order, please.", "2, 3, 5, 7, 11"),
    ("Now list the first five prime numbers in rising order, please.", "2, 3, 5, 7, 11"),  # a near duplicate
    ("请写出法国的首都的名字。", "巴黎"),
    ("Say it.<|im_end|>", "It."),  # a template remnant
]
ROWS = [{"instruction": i, "output": o} for i, o in TEXTS]
CHAIN: list[Any] = ["rules", "minhash", "rouge"]


@pytest.fixture
def source(write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl("rows.jsonl", *ROWS)


def run(source: Path | str, out: Path, steps: list[Any] | None = None, **options: Any) -> Result:
    """Filter in this process."""
    execute_options = {k: options.pop(k) for k in ("fresh", "workers") if k in options}
    return execute(make(steps or CHAIN, input=(str(source),), **options), out, **execute_options)


def stamps(out: Path, pattern: str = "*") -> dict[str, int]:
    """When each file of a run was written, in nanoseconds; the lock aside."""
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.rglob(pattern) if p.is_file() and p.name != ".datagen"}


def touched(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The files that are new or were written again."""
    return {name for name, at in after.items() if before.get(name) != at}


def fates(out: Path) -> list[tuple[str, str, str]]:
    return [(r["instruction"], r["stage"], r["reason"]) for r in iterate_rows(out / "dropped")]


def test_the_folder_holds_the_rows_the_ledger_the_recipe_the_report_and_the_counts(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    steps = ["00-input", "01-rules", "02-minhash", "03-rouge"]
    files = ["README.md", "dropped", "kept", "recipe.yaml", "report.html", "run.json"]
    assert sorted(p.name for p in out.iterdir() if p.name != ".datagen") == sorted([*steps, *files])
    assert all((out / step / "_done.json").is_file() for step in steps)
    assert [r["instruction"] for r in iterate_rows(out / "kept")] == [TEXTS[i][0] for i in (0, 1, 4, 6)]
    assert fates(out) == [
        ("Name the capital of France.", "input", "exact_duplicate"),
        ("Write a haiku about rain.", "rules", "empty_answer"),
        ("Say it.<|im_end|>", "rules", "template_remnant"),
        ("Now list the first five prime numbers in rising order, please.", "minhash", "near_duplicate"),
    ]
    near_copy = list(iterate_rows(out / "dropped"))[3]
    assert near_copy["witness_id"] == list(iterate_rows(out / "kept"))[2]["id"], "rows that went before are not counted"
    recipe = (out / "recipe.yaml").read_text()
    assert "threshold: 0.7" in recipe and "sha256" not in recipe
    assert "rows.jsonl" in recipe and "#   pyarrow: " in recipe


def test_run_json_names_every_stage_with_options_counts_and_seconds(source: Path, tmp_path: Path) -> None:
    summary = run(source, tmp_path / "out").summary
    assert summary == read_json(tmp_path / "out" / "run.json")
    assert {k: summary[k] for k in ("rows_in", "rows_kept", "rows_dropped")} == {
        "rows_in": 8,
        "rows_kept": 4,
        "rows_dropped": 4,
    }
    assert summary["seconds"] >= 0
    assert [(s["name"], s["rows_in"], s["rows_kept"], s["dropped"]) for s in summary["stages"]] == [
        ("input", 8, 7, {"exact_duplicate": 1}),
        ("rules", 7, 5, {"empty_answer": 1, "template_remnant": 1}),
        ("minhash", 5, 4, {"near_duplicate": 1}),
        ("rouge", 4, 4, {}),
    ]
    for stage in summary["stages"]:
        more = {"curve"} if stage["name"] in ("minhash", "rouge") else set()
        assert set(stage) == {"name", "options", "rows_in", "rows_kept", "dropped", "seconds"} | more
        assert stage["rows_in"] == stage["rows_kept"] + sum(stage["dropped"].values())
        assert stage["seconds"] >= 0
    assert summary["stages"][2]["options"]["threshold"] == 0.7


def test_a_second_run_does_nothing_and_says_so(source: Path, tmp_path: Path, datagen: Callable[..., Any]) -> None:
    first = datagen("filter", source, "-o", "out")
    before = stamps(tmp_path / "out")
    second = datagen("filter", source, "-o", "out")
    assert (first.returncode, second.returncode) == (0, 0)
    assert touched(before, stamps(tmp_path / "out")) == set()
    assert "nothing to do" not in first.stdout
    assert "nothing to do: out is complete" in second.stdout


def test_a_changed_option_computes_that_stage_and_those_after_it_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    before = stamps(out)
    run(source, out, ["rules", {"minhash": {"field": "instruction"}}, "rouge"])
    written = touched(before, stamps(out))
    assert not [w for w in written if w.startswith(("00-input", "01-rules"))]
    assert {"02-minhash/_done.json", "02-minhash/scores/00000.arrow", "03-rouge/_done.json", "run.json"} <= written
    assert "03-rouge/scores/00000.arrow" not in written, "the rows are the same: their scores are too"


def test_a_changed_threshold_uses_the_scores_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(source, out)
    before = stamps(out)
    result = run(source, out, ["rules", {"minhash": {"threshold": 0.99}}, "rouge"])
    written = touched(before, stamps(out))
    assert result.summary["stages"][2]["dropped"] == {}
    assert {"02-minhash/_done.json", "02-minhash/verdict.parquet", "03-rouge/_done.json", "kept/00000.parquet"} <= written
    assert not [w for w in written if "/scores/" in w]


def test_a_changed_input_computes_everything_again(source: Path, tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    out = tmp_path / "out"
    run(source, out)
    before = stamps(out)
    write_jsonl("rows.jsonl", *ROWS, {"instruction": "One more.", "output": "Yes."})
    assert run(source, out).summary["rows_in"] == 9
    untouched = set(before) - touched(before, stamps(out))
    assert not untouched
    assert count_rows(out / "kept") == 5


def test_the_same_input_at_another_place_is_the_same_input(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    (tmp_path / "moved").mkdir()
    moved = source.rename(tmp_path / "moved" / source.name)
    assert not run(moved, tmp_path / "out").worked


@pytest.mark.parametrize(
    "steps", [["rules", "rouge"], ["minhash", "rouge"], [*CHAIN, {"rouge": {"field": "answer"}}], ["rouge", "rules"]]
)
def test_a_removed_an_added_or_a_moved_stage_gives_what_a_new_folder_gives(
    steps: list[Any], source: Path, tmp_path: Path, folder_bytes: Callable[..., Any]
) -> None:
    run(source, tmp_path / "old")
    run(source, tmp_path / "old", steps)
    run(source, tmp_path / "new", steps)
    assert folder_bytes(tmp_path / "old") == folder_bytes(tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "old").iterdir()) == sorted(p.name for p in (tmp_path / "new").iterdir())
    assert not run(source, tmp_path / "old", steps).worked


def test_fresh_computes_every_stage_again_to_the_same_bytes(
    source: Path, tmp_path: Path, folder_bytes: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    run(source, out)
    rows, before = folder_bytes(out), stamps(out)
    assert run(source, out, fresh=True).worked
    assert touched(before, stamps(out)) == set(before)
    assert folder_bytes(out) == rows


def test_equal_runs_in_two_folders_give_equal_bytes(source: Path, tmp_path: Path, folder_bytes: Callable[..., Any]) -> None:
    run(source, tmp_path / "a", workers=1)
    time.sleep(0.01)
    run(source, tmp_path / "b")
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")


@pytest.mark.slow
def test_a_large_input_makes_several_shards_of_one_schema_in_input_order(
    tmp_path: Path, folder_bytes: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    big, shard = tmp_path / "big.jsonl", 500
    monkeypatch.setattr("datagen.data.shards.SHARD_ROWS", shard)
    n = 2 * shard + 100
    with big.open("w") as f:
        for i in range(n):
            row = {"instruction": f"Say {i}.", "output": "" if i % 2 and i < shard else f"{i}"}
            f.write(json.dumps(row) + "\n")
    for out, workers in ((tmp_path / "one", 1), (tmp_path / "pool", 2)):
        run(big, out, ["rules"], workers=workers)
        for part in ("kept", "dropped", "00-input/rows"):
            shards = sorted((out / part).glob("*.parquet"))
            assert len({str(pq.read_schema(s)) for s in shards}) == 1
            assert all(pq.read_metadata(s).num_rows == shard for s in shards[:-1])
        assert len(list((out / "00-input" / "rows").glob("*.parquet"))) == 3
        assert len(list((out / "kept").glob("*.parquet"))) == 2
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "pool")
    kept = [int(r["output"]) for r in iterate_rows(tmp_path / "pool" / "kept")]
    assert kept == [i for i in range(n) if not (i % 2 and i < shard)]
    assert count_rows(tmp_path / "pool" / "dropped") == shard // 2


def test_a_second_process_on_the_same_folder_is_refused(
    source: Path, tmp_path: Path, datagen: Callable[..., Any], clean_environment: dict[str, str]
) -> None:
    # The first process has the folder for itself as long as its standard input is not at its end.
    held = subprocess.Popen(
        [sys.executable, "-m", "datagen", "filter", "-", "-o", "out"], cwd=tmp_path, env=clean_environment,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(1000):
            if (tmp_path / "out" / ".stdin").exists():
                break
            time.sleep(0.01)
        done = datagen("filter", source, "-o", "out")
        assert done.returncode == 2
        assert done.stderr == "datagen: another datagen process is at work in out; wait for it, or give another -o\n"
        assert held.stdin is not None
        held.stdin.write(source.read_bytes())
        held.stdin.close()
        assert held.wait(30) == 0, "the first process was disturbed"
    finally:
        held.kill()
        held.wait()
    assert count_rows(tmp_path / "out" / "kept") == 4


def test_a_folder_of_other_files_is_refused_and_left_as_it_is(
    source: Path, tmp_path: Path, datagen: Callable[..., Any]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    done = datagen("filter", source, "-o", "thesis")
    assert done.returncode == 2
    assert done.stderr.startswith("datagen: thesis holds other files; ")
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_an_empty_folder_is_accepted(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run(source, tmp_path / "out").summary["rows_kept"] == 4


def test_standard_input_is_an_input(
    source: Path, tmp_path: Path, datagen: Callable[..., Any], folder_bytes: Callable[..., Any]
) -> None:
    first = datagen("filter", "-", "-o", "piped", stdin=source.read_text())
    again = datagen("filter", "-", "-o", "piped", stdin=source.read_text())
    other = datagen(
        "filter", "-", "-o", "piped", stdin=source.read_text() + json.dumps({"instruction": "x", "output": "y"}) + "\n"
    )
    assert [first.returncode, again.returncode, other.returncode] == [0, 0, 0]
    assert "nothing to do" in again.stdout and "nothing to do" not in other.stdout
    assert count_rows(tmp_path / "piped" / "kept") == 5


def test_a_limit_reads_so_many_rows_of_all_inputs_together(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    paths = [
        str(write_jsonl(f"{name}.jsonl", *({"instruction": f"{name} {i}", "output": "ok"} for i in range(5)))) for name in "ab"
    ]
    result = execute(make(["rules"], input=tuple(paths), limit=7), tmp_path / "out")
    assert result.summary["rows_in"] == 7
    assert [r["instruction"] for r in iterate_rows(tmp_path / "out" / "kept")] == [*(f"a {i}" for i in range(5)), "b 0", "b 1"]
    assert execute(make(["rules"], input=tuple(paths)), tmp_path / "out").summary["rows_in"] == 10


def test_lines_that_cannot_be_read_are_ledger_rows_with_their_place(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    good = {"instruction": "Say hi.", "output": "Hi."}
    path = write_jsonl("in.jsonl", good, "{broken", {"colour": "red"}, "[1, 2]", '{"instruction": "\\ud800", "output": "x"}')
    summary = run(path, tmp_path / "out").summary
    assert (summary["rows_in"], summary["rows_kept"]) == (5, 1)
    assert summary["stages"][0]["dropped"] == {"unreadable": 4}
    evidence = [r["evidence"] for r in iterate_rows(tmp_path / "out" / "dropped")]
    assert [e.split(":")[:2] for e in evidence] == [["in.jsonl", f" line {n}"] for n in (2, 3, 4, 5)]
    assert len({r["id"] for r in iterate_rows(tmp_path / "out" / "dropped")}) == 4


def test_a_file_of_which_nothing_can_be_read_leaves_nothing_behind(
    tmp_path: Path, datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl("bad.jsonl", {"colour": "red"}, "{broken")
    done = datagen("filter", "bad.jsonl", "-o", "out")
    assert done.returncode == 3
    assert done.stderr.startswith("datagen: bad.jsonl: no row could be read; expected ")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.jsonl"]


def test_a_text_takes_the_place_of_the_old_one_at_once(tmp_path: Path) -> None:
    path, old = tmp_path / "run.json", tmp_path / "the old one"
    write_json(path, {"rows_in": 1})
    old.hardlink_to(path)
    write_json(path, {"rows_in": 2})
    assert (read_json(path), read_json(old)) == ({"rows_in": 2}, {"rows_in": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.json", "the old one"]


def test_a_failed_run_leaves_an_earlier_result_as_it_is(source: Path, tmp_path: Path, datagen: Callable[..., Any]) -> None:
    datagen("filter", source, "-o", "out")
    before = stamps(tmp_path / "out")
    assert datagen("filter", "missing.jsonl", "-o", "out").returncode == 3
    assert touched(before, stamps(tmp_path / "out")) == set()
    assert "nothing to do" in datagen("filter", source, "-o", "out").stdout
