"""The README says what is there: its stages, its tree, its commands, its examples."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from datagen import stage
from datagen.cli import COMMANDS
from datagen.step import summary

TOP = Path(__file__).resolve().parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")


def test_the_table_of_stages_has_one_row_per_stage_with_the_first_line_of_its_docstring():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", README, re.M))
    assert rows == {name: summary(stage.find(name)) for name in stage.names()}


def test_every_stage_has_a_test_of_its_own_name():
    tests = {p.stem.removeprefix("test_") for p in (TOP / "tests" / "curate").glob("test_*.py")}
    assert tests == set(stage.names())


def test_every_command_stands_in_the_readme():
    assert [c for c in COMMANDS if f"datagen {c} " not in README and f"datagen {c}`" not in README] == []


def test_the_tree_names_every_module_and_room_at_the_top_of_the_package():
    there = {p.name for p in (TOP / "datagen").glob("*.py")}
    there |= {f"{p.name}/" for p in (TOP / "datagen").iterdir() if p.is_dir() and p.name not in ("__pycache__", "_assets")}
    assert there == set(re.findall(r"^  ([\w_]+(?:\.py|/))\s", README, re.M))


def test_every_fault_of_the_planted_ones_still_has_its_line():
    spec = importlib.util.spec_from_file_location("fault_list", TOP / "benchmarks" / "fault_list.py")
    assert spec is not None and spec.loader is not None
    listed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(listed)
    assert [f.name for f in listed.FAULTS if (TOP / "datagen" / f.file).read_text("utf-8").count(f.old) != 1] == []


def test_the_example_of_a_stage_works_as_it_is_written(tmp_path):
    code = next(b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "class Length" in b)
    (tmp_path / "length_stage").mkdir()
    (tmp_path / "length_stage" / "__init__.py").write_text("")
    (tmp_path / "length_stage" / "length.py").write_text(code)
    rows = '{"instruction": "a", "output": "short"}\n{"instruction": "b", "output": "' + "x" * 50 + '"}\n'
    (tmp_path / "rows.jsonl").write_text(rows)
    done = subprocess.run(
        [sys.executable, "-m", "datagen", "filter", "rows.jsonl", "-o", "out", "--stage", "length_stage.length:most=20"],
        cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{TOP}", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "too_long 1" in done.stdout


def test_the_python_example_works_but_for_the_training(tmp_path, monkeypatch):
    code = next(b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "dg.filter" in b)
    monkeypatch.chdir(tmp_path)
    lines = [f'{{"instruction": "Name the number {i}", "output": "It is {i}."}}' for i in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    exec("\n".join(line for line in code.splitlines() if "dg.train" not in line and "dg.judge" not in line), {})
    assert len((tmp_path / "alpaca.jsonl").read_text().splitlines()) == 215
