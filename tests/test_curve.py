"""Retention curves, the flow by source and language, and the names of sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import datagen as dg
from datagen.report.flow import by_group
from datagen.work import source_name

WORDS = [f"term{n}" for n in range(60)]


def records(count: int) -> list[dict[str, str]]:
    """Texts of which each shares all but a growing number of its words with the first."""
    texts = [" ".join(f"other{i}" if k < i else w for k, w in enumerate(WORDS)) for i in range(count)]
    return [{"instruction": f"Say it: {text}", "output": f"It is: {text}"} for text in texts]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/rows.jsonl.gz", "rows"), ("b/v1.2.json", "v1.2"), ("-", "stdin"), ("hf://datasets/o/n", "o/n"),
        ("runs/x/kept", "x"), ("d", "d"), (".jsonl", ".jsonl"),
    ],
)  # fmt: skip
def test_rows_without_a_source_take_the_name_of_their_path(path: str, name: str) -> None:
    assert source_name(path) == name


@pytest.mark.parametrize("name", ["minhash", "rouge"])
def test_a_curve_says_what_a_run_at_that_threshold_keeps(name: str, tmp_path: Path, write_jsonl: Any) -> None:
    rows = write_jsonl("rows.jsonl", *records(20))
    options = {"same_answer": None, "same_facts": False}
    told = dg.filter(rows, [{name: options}], out=tmp_path / "out", allow_wipeout=True).summary["stages"][-1]
    assert (told["curve"]["option"], told["curve"]["at"]) == ("threshold", 0.7)
    points = dict(map(tuple, told["curve"]["points"]))
    assert points[0.7] == told["rows_kept"] and len({*points.values()}) > 2
    for value, kept in sorted(points.items())[::4]:
        stages = [{name: {**options, "threshold": value}}]
        again = dg.filter(rows, stages, out=tmp_path / str(value), curve=False, allow_wipeout=True).summary["stages"][-1]
        assert again["rows_kept"] == kept and "curve" not in again


def test_the_flow_counts_rows_left_after_each_stage_by_source_and_language(tmp_path: Path, write_jsonl: Any) -> None:
    one = write_jsonl("one.jsonl", *records(3), {"instruction": "a", "output": ""})
    two = write_jsonl("two.jsonl", {"instruction": "b", "output": ""}, {"instruction": "Name a river.", "output": "The Nile."})
    stages = ["rules", {"minhash": {"same_answer": None, "same_facts": False}}]
    run = dg.filter([one, two], stages, out=tmp_path / "out", allow_wipeout=True)
    [table] = by_group(run.folder, run.summary["stages"])
    assert (table["title"], table["steps"]) == ("source", ["rules", "minhash"])
    lines = {line["name"]: (line["came"], *(cell["left"] for cell in line["cells"])) for line in table["lines"]}
    assert lines == {"one": (4, 3, 1), "two": (2, 1, 1)}
    page = (run.folder / "report.html").read_text()
    assert "By source: rows left after each stage" in page and "rows kept at other values of threshold" in page
