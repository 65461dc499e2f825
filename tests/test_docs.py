"""The README, the docs and CONTRIBUTING say what is there: their tree, commands, flags, links and examples."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from local_endpoint import LocalEndpoint

from datagen import stage
from datagen.cli import COMMANDS
from datagen.cli import datagen as group
from datagen.data.shards import read_all

TOP = Path(__file__).resolve().parent.parent
PAGES = [*sorted(TOP.glob("README*.md")), TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"^`mine/(\w+)\.py`[^\n]*\n\n```python\n(.*?)```", re.M | re.S)


def text(name: str) -> str:
    return (TOP / name).read_text("utf-8")


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


def test_the_readme_is_short() -> None:
    assert len((TOP / "README.md").read_bytes()) <= 10_000


def test_every_stage_has_a_test_of_its_own_name() -> None:
    tests = {p.stem.removeprefix("test_") for p in (TOP / "tests" / "curate").glob("test_*.py")}
    assert tests == set(stage.names())


def test_every_command_stands_in_the_readme() -> None:
    readme = text("README.md")
    assert [c for c in COMMANDS if f"datagen {c} " not in readme and f"datagen {c}`" not in readme] == []


def test_the_tree_names_every_module_and_room_at_the_top_of_the_package() -> None:
    there = {p.name for p in (TOP / "datagen").glob("*.py")}
    there |= {
        f"{p.name}/"
        for p in (TOP / "datagen").iterdir()
        if p.is_dir() and p.name not in ("__pycache__", "_assets") and any(f.is_file() for f in p.iterdir())
    }
    assert there == set(re.findall(r"^  ([\w_]+(?:\.py|/))\s", text("docs/architecture.md"), re.M))


def test_every_file_that_a_walk_names_is_there() -> None:
    walks = text("docs/architecture.md").partition("## The tree")[0]
    paths = [p for p in re.findall(r"`([\w/]+\.py)`", walks) if not p.startswith("tests/")]
    rooms = [TOP / "datagen", *(p for p in (TOP / "datagen").iterdir() if p.is_dir())]
    assert len(paths) > 30
    assert [p for p in paths if "NAME" not in p and not any((room / p).is_file() for room in rooms)] == []


def test_every_fault_of_the_planted_ones_still_has_its_line() -> None:
    spec = importlib.util.spec_from_file_location("fault_list", TOP / "benchmarks" / "fault_list.py")
    assert spec is not None and spec.loader is not None
    listed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(listed)
    assert [f.name for f in listed.FAULTS if (TOP / "datagen" / f.file).read_text("utf-8").count(f.old) != 1] == []


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", without_code(page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads} | set(
        re.findall(r'<a (?:id|name)="([^"]+)"', page.read_text("utf-8"))
    )


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    assert wrong == []


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each line of a page's shells that is a command of datagen."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line):
                if (words := shlex.split(part, comments=True))[:1] == ["datagen"]:
                    yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_is_shown_has_such_flags(page: Path) -> None:
    for words in commands(page):
        context = click.Context(group, **group.context_settings)  # its help flags are those of every command
        _, command, rest = group.resolve_command(context, list(words))
        assert command is not None, words
        try:
            command.make_context(words[0], rest, parent=context)
        except (click.ClickException, click.exceptions.Exit) as error:
            pytest.fail(f"datagen {shlex.join(words)}: {error}")


@pytest.mark.parametrize("other", ["README.zh.md", "README.th.md"])
def test_the_readmes_of_other_languages_show_the_same(other: str) -> None:
    def shown(name: str) -> tuple[Any, ...]:
        page = text(name)
        links = sorted(re.findall(r"\]\(([^)\s]+)\)", page))
        lines = [
            re.sub(r"\s*#.*", "", line)
            for block in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
            for line in block.split("\n")
        ]
        levels = re.findall(r"^(#+) ", without_code(page), re.M)
        items = len(re.findall(r"^- ", page, re.M))
        return [x for x in links if not x.startswith("README")], lines, levels, items, re.findall(r"^\| (`.+?`) \|", page, re.M)

    assert shown(other) == shown("README.md")
    readmes = {"README.md", "README.zh.md", "README.th.md"}
    assert all(set(re.findall(r"README\.?\w*\.md", text(name).split("\n## ")[0])) >= readmes - {name} for name in readmes)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the examples of CONTRIBUTING as modules, pasted as they are printed."""
    (tmp_path / "mine").mkdir()
    examples = dict(EXAMPLE.findall(text("CONTRIBUTING.md")))
    assert sorted(examples) == ["count", "length", "riddles", "shout"]
    for name, code in examples.items():
        (tmp_path / "mine" / f"{name}.py").write_text(code, "utf-8")
    answers = ("short", "x" * 50)
    rows = [f'{{"instruction": "task {i}", "output": "{answer}"}}\n' for i, answer in enumerate(answers)]
    (tmp_path / "rows.jsonl").write_text("".join(rows), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [n for n in sys.modules if n.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_the_examples_are_written_as_the_code_is() -> None:
    for name, code in EXAMPLE.findall(text("CONTRIBUTING.md")):
        place = TOP / "datagen" / ("curate" if name == "length" else "kinds") / f"{name}.py"  # as if it stood there
        for arguments in (["check"], ["format", "--check"]):
            ruff = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--stdin-filename", str(place), "-"]
            done = subprocess.run(ruff, input=code, capture_output=True, text=True, cwd=TOP)
            assert done.returncode == 0, done.stdout


def test_the_example_of_a_stage_works_as_it_is_written(mine: Path, datagen: Callable[..., Any]) -> None:
    done = datagen("filter", "rows.jsonl", "-o", "out", "--stage", "mine.length:most=20")
    assert (done.returncode, "too_long 1" in done.stdout) == (0, True), done.stderr
    done = datagen("filter", "-o", "out", "--set", "mine.length.most=60")
    assert (done.returncode, "too_long" in done.stdout) == (0, False), done.stderr


def test_the_examples_of_a_generator_a_teacher_and_a_step_work_as_they_are_written(
    mine: Path, datagen: Callable[..., Any], endpoint: LocalEndpoint
) -> None:
    at = ("--model", "local", "--base-url", endpoint.base_url)
    done = datagen("mine.riddles", "-n", "2", "-o", "made", "--about", "lakes", "--rules", "off", *at)
    assert done.returncode == 0, done.stderr
    assert all("about lakes: " in row["instruction"] for row in read_all(mine / "made" / "kept").to_pylist())
    done = datagen("mine.shout", "rows.jsonl", "-o", "louder", "--marks", "2", *at)
    assert done.returncode == 0, done.stderr
    assert all(row["output"].endswith("!!") for row in read_all(mine / "louder" / "kept").to_pylist())
    (mine / "recipe.yaml").write_text('input: [rows.jsonl]\nsteps:\n- rules\n- mine.count: {before: "left: "}\n', "utf-8")
    done = datagen("run", "recipe.yaml", "-o", "counted")
    assert (done.returncode, (mine / "counted" / "count.txt").read_text()) == (0, "left: 2"), done.stderr


def test_the_python_examples_work_but_for_what_asks_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = re.findall(r"```python\n(.*?)```", text("docs/notebooks.md"), re.S)
    monkeypatch.chdir(tmp_path)
    lines = [f'{{"instruction": "Name the number {i}", "output": "It is {i}."}}' for i in range(30)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, '{"instruction": "Say", "output": ""}']))
    names: dict[str, Any] = {}
    exec("\n".join(line for line in first.splitlines() if "dg.train" not in line and "dg.judge" not in line), names)
    assert len((tmp_path / "alpaca.jsonl").read_text().splitlines()) == 215
    exec(second, names)
    assert list(names["dropped"]["reason"]) == ["empty_answer"] and len(names["kept"]) == 30
