"""The pages and the types that are made from the code are those that it makes now."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import datagen
from datagen import calls

TOP = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("docs_generate", TOP / "docs" / "generate.py")
assert SPEC is not None and SPEC.loader is not None
GENERATE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(GENERATE)


@pytest.mark.parametrize("path", GENERATE.PAGES)
def test_a_page_is_what_the_code_makes_now(path: str) -> None:
    there = (TOP / path).read_text("utf-8") if (TOP / path).is_file() else ""
    if path == "docs/commands.md":  # a command that was used in this process may show its help flag in another way
        script = [sys.executable, str(TOP / "docs" / "generate.py"), path]
        env = {**os.environ, "PYTHONPATH": str(TOP)}
        made = subprocess.run(script, capture_output=True, text=True, check=True, env=env, encoding="utf-8").stdout
    else:
        made = GENERATE.PAGES[path]()
    assert there == made, f"{path} is of older code: run `make docs`"


def test_every_link_between_the_pages_leads_somewhere() -> None:
    texts = {path.removeprefix("docs/"): make() for path, make in GENERATE.PAGES.items() if path.endswith(".md")}
    anchors = {
        page: {h.lower().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)} for page, text in texts.items()
    }
    broken = [
        (page, target)
        for page, text in texts.items()
        for target in re.findall(r"\]\(([^)]*#[^)]*)\)", text)
        if target.partition("#")[2] not in anchors[target.partition("#")[0] or page]
    ]
    assert broken == []


def test_the_help_of_commands_keeps_to_80_columns() -> None:
    wide = [line for line in GENERATE.commands().splitlines() if len(line) > 80]
    assert [line for line in wide if "datagen " not in line] == []  # an example of a shell is not wrapped


def test_the_types_name_every_function_and_keyword() -> None:
    names: dict[str, object] = {}
    text = GENERATE.stub()
    exec(compile("from __future__ import annotations\n" + text.partition("\n\n")[2], "datagen.pyi", "exec"), names)
    assert set(names["__all__"]) == {*datagen.__all__, *calls.called()}  # type: ignore[call-overload]
    for name in calls.called():
        assert list(inspect.signature(names[name]).parameters) == list(inspect.signature(calls.function(name)).parameters)  # type: ignore[arg-type]


def test_the_package_says_that_it_has_types() -> None:
    assert (TOP / "datagen" / "py.typed").is_file()


def test_help_of_a_function_reads_like_the_help_of_its_command() -> None:
    told = (calls.function("answer").__doc__ or "").splitlines()
    assert max(map(len, told)) <= 76  # `help()` indents by four
    assert [line for line in told if re.fullmatch(r"\w+:", line)] == [
        "Args:", "Reading:", "Sampling:", "Pace:", "Cost:", "Raises:",
    ]  # fmt: skip
    help_ = GENERATE.commands().partition("## answer")[2].partition("```\n\n")[0]
    groups = re.findall(r"^(\w+):$", help_, re.M)
    assert groups == ["Options", "Reading", "Sampling", "Pace", "Cost", "Run", "Examples"]
    assert "answers per row; all of them are in `candidates`, the best first. Default" in " ".join(" ".join(told).split())
