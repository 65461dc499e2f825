"""The layering of DESIGN.md §1, read from the import statements; nothing heavy for `--help`; everything says what it is."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen import step
from datagen.step import Kind

PACKAGE = Path(__file__).resolve().parents[1] / "datagen"
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "_assets" not in p.parts)
HEAVY = {
    "torch",
    "transformers",
    "ray",
    "openai",
    "pandas",
    "numba",
    "pyarrow",
    "numpy",
    "peft",
    "jinja2",
    "yaml",
    "tqdm",
    "py3langid",
    "lemminflect",
    "jieba",
    "pythainlp",
    "genai_prices",
    "sqlite3",
}
MODELS = {"torch", "transformers", "openai", "peft", "sklearn", "nltk", "genai_prices"}  # what only a model or a caller needs
MOST_LINES, MOST_FUNCTION_LINES = 400, 60

# An import goes strictly downward, or stays in its room.
LEVELS = {
    "kernels": -1, "visible": -1,
    "errors": 0, "progress": 0, "json_text": 0, "child": 0, "remnants": 0,
    "folders": 1, "options": 1, "marks": 1, "tool_specs": 1, "tool_calls": 1, "assets": 1, "text": 1,
    "reasons": 1,
    "reading": 2, "step": 2, "data": 2, "html_text": 2, "repeats": 4, "verdict": 2,
    "answered": 3,
    "rows": 4, "formats": 4, "render": 4, "stage": 4, "answers": 4,
    "personal_data": 5, "models": 5, "documents": 5, "similarity": 5, "tags": 5, "review_csv": 5,
    "serving": 6, "engine": 6, "reviews": 6,
    "chat": 7,
    "doctor": 8, "session": 8, "generator": 8, "teacher": 8, "curate": 8, "training": 8,
    "kinds": 9, "recipe": 9, "report": 9, "backtranslation": 9,
    "generate": 10, "teaching": 10, "hub": 10, "mixture": 10, "evaluation": 10, "pairs": 10, "work": 10,
    "steps": 11,
    "runner": 12,
    "api": 13, "demo": 13, "studies": 13,
    "calls": 14,
    "cli": 15,
    "datagen": 16, "__main__": 16,
}  # fmt: skip
NAMES = {".".join(p.with_suffix("").relative_to(PACKAGE.parent).parts).removesuffix(".__init__"): p for p in FILES}


def room(module: str) -> str:
    """The room of a module: `datagen.training.loss` is in train."""
    return module.split(".")[1] if "." in module else module


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that a file imports, inside functions and for types only too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in NAMES else str(node.module)


def test_every_module_has_its_level() -> None:
    assert {room(name) for name in NAMES} == set(LEVELS)


def test_imports_go_downward_only() -> None:
    wrong = []
    for name, path in NAMES.items():
        for line, target in imported(path):
            if target.split(".")[0] != "datagen" or room(target) == room(name):
                continue
            if LEVELS[room(target)] >= LEVELS[room(name)]:
                wrong.append(f"{path.relative_to(PACKAGE.parent)}:{line} ({name}) imports {target}")
    assert wrong == []


@pytest.mark.parametrize("path", [*(PACKAGE / "cli").glob("*.py"), PACKAGE / "__init__.py", PACKAGE / "errors.py"], ids=str)
def test_the_command_line_imports_only_click_and_the_standard_library_at_its_top(path: Path) -> None:
    for node in ast.parse(path.read_text("utf-8")).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            light = name in ("datagen.errors", "datagen.cli") or name.startswith(
                "datagen.cli."
            )  # which are held to this themselves
            assert light or name.split(".")[0] in {*sys.stdlib_module_names, "click"}, f"{path}: {name}"


@pytest.mark.parametrize("code", ["import datagen", "from datagen.cli import datagen; datagen.get_help"])
def test_importing_datagen_loads_nothing_heavy(code: str) -> None:
    program = f"import sys; {code}; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"


def loaded_by(program: str, folder: Path, *args: str) -> set[str]:
    """Everything that a process of its own has imported at the end of a program."""
    ended = f"import sys\n{program}\nprint(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", ended, *args], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def parts_of(*rooms: str, among: set[str]) -> set[str]:
    """The modules of some rooms that were imported."""
    return {name for name in among if name.startswith(tuple(f"datagen.{room}." for room in rooms))}


def test_reading_a_recipe_loads_options_and_no_maker(tmp_path: Path) -> None:
    loaded = loaded_by("import datagen.runner, datagen.steps, datagen.recipe", tmp_path)
    assert not loaded & ((HEAVY - {"pyarrow", "numpy"}) | MODELS | {"asyncio", "scipy"})
    makers = ("kinds", "generate", "teaching", "mixture", "training", "pairs", "documents", "curate", "report")
    options = {"datagen.chat.options", "datagen.chat.masking", "datagen.models.names"}
    assert parts_of(*makers, "chat", "models", "serving", "answers", "similarity", among=loaded) <= options
    assert not loaded & {"datagen.steps.generating", "datagen.steps.teaching", "datagen.steps.training"}


@pytest.mark.parametrize("kind", step.names("datagen.kinds"))
def test_the_options_of_a_kind_load_nothing_heavy(kind: str, tmp_path: Path) -> None:
    assert not loaded_by(f"import datagen.kinds.{kind}", tmp_path) & (HEAVY | MODELS | {"asyncio"})


@pytest.mark.parametrize("kind", step.names())
def test_every_kind_has_a_function_that_does_it(kind: str) -> None:
    assert callable(step.loaded(step.find(kind, Kind).doer))


COMMAND = "from datagen.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code"


@pytest.mark.slow
def test_a_filter_run_loads_what_its_chain_needs(tmp_path: Path) -> None:
    rows = [{"instruction": f"Name the {n}th city of France by size.", "output": f"It is city {n}."} for n in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    # The default chain: rules, minhash, rouge.
    at_work = loaded_by(COMMAND, tmp_path, "filter", "rows.jsonl", "-o", "out")
    assert (tmp_path / "out" / "run.json").is_file()
    assert not at_work & MODELS
    assert not parts_of("kinds", "generate", "teaching", "training", "answers", among=at_work)
    assert not at_work & {"datagen.chat.client", "datagen.chat.journal", "datagen.chat.judge", "datagen.models.causal_lm"}
    assert "datagen.similarity.rouge_l" in at_work

    nothing_to_do = loaded_by(COMMAND, tmp_path, "filter", "rows.jsonl", "-o", "out")
    assert not nothing_to_do & ((HEAVY - {"pyarrow", "numpy"}) | MODELS | {"asyncio", "scipy", "pyarrow.dataset"})
    assert parts_of("report", "similarity", among=nothing_to_do) <= {"datagen.report.page"}


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield the public functions and classes of a file, and the public methods of its public classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (n for n in node.body if isinstance(n, kinds) and not n.name.startswith("_"))


def test_everything_public_says_what_it_is() -> None:
    silent = []
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        if tree.body and not ast.get_docstring(tree):
            silent.append(str(path))
        silent += [f"{path}:{node.lineno} {node.name}" for node in public(tree) if not ast.get_docstring(node)]
    assert silent == []


def test_files_and_functions_are_short() -> None:
    long = []
    for path in FILES:
        text = path.read_text("utf-8")
        if (lines := len(text.splitlines())) > MOST_LINES:
            long.append(f"{path}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_FUNCTION_LINES:
                    long.append(f"{path}:{node.lineno} {node.name}: {length} lines")
    assert long == []


def test_no_module_is_named_after_nothing() -> None:
    assert not {p.stem for p in FILES} & {"utils", "util", "common", "helpers", "base", "misc"}
