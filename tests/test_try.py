"""`datagen try` finds every fault that its README says was planted, and touches no other row."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import datagen as dg
from datagen import assets

pytestmark = pytest.mark.slow

FIELDS = ("instruction", "input", "output")
ROWS = [tuple(json.loads(line)[f] for f in FIELDS) for line in (assets.sample() / "rows.jsonl").read_text("utf-8").splitlines()]
PLANTED: dict[str, list[Any]] = json.loads((assets.sample() / "planted.json").read_text("utf-8"))
REASONS = {
    "exact_copy": {"exact_duplicate"}, "near_copy": {"near_duplicate", "too_similar"}, "empty_answer": {"empty_answer"},
    "half_answer": {"cut_ending"}, "template_remnant": {"template_remnant"}, "refusal": {"refusal", "boilerplate"},
    "leaked_item": {"contaminated"},
}  # fmt: skip
MENDED = ("email", "phone", "broken_html", "mojibake")


def lines(fault: str) -> set[int]:
    return {line if isinstance(line, int) else line[0] for line in PLANTED[fault]}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """The output of the command in an empty folder, in a process of its own, and the run that it made."""
    folder = tmp_path_factory.mktemp("tried")
    program = "import sys; from datagen.cli import main; main(['try'])"
    code = f"try:\n    {program}\nfinally:\n    print('numba' in sys.modules, file=sys.stderr)"
    finished = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert finished.stderr.splitlines()[-1] == "False"  # nothing was compiled
    return finished.stdout, dg.opened(folder / "runs" / "try")


def test_every_planted_fault_is_found_and_nothing_else(tried: tuple[str, Any]) -> None:
    told, run = tried
    dropped, kept = run.dropped.to_pylist(), run.kept.to_pylist()
    found: dict[str, set[Any]] = {}
    for row in dropped:
        found.setdefault(row["reason"], set()).add(tuple(row[f] for f in FIELDS))
    for fault, reasons in REASONS.items():
        rows = {ROWS[line - 1] for line in lines(fault)}
        assert rows == set().union(*(found.pop(reason, set()) for reason in reasons)), fault
    assert not found
    assert len(dropped) == sum(len(PLANTED[fault]) for fault in REASONS) == 35

    # Rows that stay are as they were, but for the mended ones.
    changed = {tuple(row[f] for f in FIELDS) for row in kept} - set(ROWS)
    assert len(changed) == sum(len(PLANTED[fault]) for fault in MENDED) == 27
    mended = {row[0]: " ".join(row) for row in changed}
    for fault, marks in (("email", "[EMAIL]"), ("phone", "[PHONE]")):
        assert all(marks in mended[ROWS[line - 1][0]] for line in lines(fault))
    assert all("<" not in mended[ROWS[line - 1][0]] for line in lines("broken_html"))
    assert "Antonín Dvořák, born in 1841" in mended["Name two Czech composers."]

    # Each near copy goes because of the row that it copies.
    ids = {tuple(row[f] for f in FIELDS): row["id"] for row in kept}
    witnesses = {tuple(row[f] for f in FIELDS): row["witness_id"] for row in dropped}
    for copy, original in PLANTED["near_copy"]:
        assert witnesses[ROWS[copy - 1]] == ids[ROWS[original - 1]]

    counts = {words: int(n) for n, words in (line.split(maxsplit=1) for line in told.splitlines() if line.startswith("   "))
              if n.isdigit()}  # fmt: skip
    assert counts == {
        "rows that came before, word for word": 6, "answers without a word": 5, "near copies of an earlier row": 12,
        "answers that stop in the middle of a sentence": 7, "answers with marks of a chat template": 2,
        "answers that refuse, or speak of being a model": 2, "rows that hold the question of a benchmark": 1,
        "rows with an e-mail address, now [EMAIL]": 10, "rows with a phone number, now [PHONE]": 8,
        "rows with HTML tags, now plain text": 6, "rows with broken characters (ä read as Ã¤), now right": 3,
    }  # fmt: skip


def test_it_ends_with_the_report_and_the_command_for_rows_of_ones_own_which_works(
    datagen: Callable[..., Any], tried: tuple[str, Any], tmp_path: Path
) -> None:
    told, run = tried
    assert "runs/try/report.html" in told and (run.folder / "report.html").is_file()
    start = told.index("  datagen filter YOUR_FILE.jsonl")
    shown = told[start : told.index("\n\n", start)]
    assert max(map(len, shown.splitlines())) <= 80
    words = shown.replace("\\\n", "").split()  # as a shell joins lines
    (tmp_path / "YOUR_FILE.jsonl").write_text(json.dumps(dict(zip(FIELDS, ROWS[0], strict=True))), "utf-8")
    finished = datagen(*words[1:])
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "runs" / "clean" / "run.json").is_file()


def test_a_second_time_there_is_nothing_to_do(datagen: Callable[..., Any], tried: tuple[str, Any]) -> None:
    folder = tried[1].folder
    assert f"nothing to do: {folder} is complete" in datagen("try", "-o", folder).stdout
    summary = json.loads(datagen("try", "-o", folder, "--json").stdout)
    assert (summary["rows_in"], summary["rows_kept"], summary["worked"]) == (500, 465, False)


def test_the_readme_of_the_sample_has_the_counts() -> None:
    text = (assets.sample() / "README.md").read_text("utf-8")
    for fault, found in PLANTED.items():
        assert f"| `{fault}` | {len(found)} |" in text
    assert f"{sum(map(len, PLANTED.values()))} rows were planted" in text
    seeds = {
        tuple(json.loads(line)[f] for f in FIELDS)
        for language in ("en", "zh", "th") for line in assets.seed_file(language).read_text("utf-8").splitlines()
    }  # fmt: skip
    every = {line for fault in PLANTED for line in lines(fault)}
    sound = [row for n, row in enumerate(ROWS, start=1) if n not in every]
    assert f"{sum(row in seeds for row in sound)} of the {len(sound)} sound rows are seed tasks" in text


def test_a_folder_with_a_run_of_other_rows_is_not_replaced(datagen: Any, write_jsonl: Any, tmp_path: Path) -> None:
    write_jsonl("rows.jsonl", {"instruction": "Name a colour.", "output": "Red."})
    assert datagen("filter", "rows.jsonl", "-o", "mine", "--stage", "rules").returncode == 0
    before = (tmp_path / "mine" / "run.json").read_bytes()
    done = datagen("try", "-o", "mine")
    assert (done.returncode, done.stderr) == (2, "datagen: mine holds a run of other rows; give -o a folder of its own\n")
    assert (tmp_path / "mine" / "run.json").read_bytes() == before
