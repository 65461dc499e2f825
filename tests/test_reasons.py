"""Every reason that the code gives has its entry, and every entry a place in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen import reasons, stage, step
from datagen.generate.rules import _BROKEN
from datagen.reasons import REASONS

PACKAGE = Path(__file__).resolve().parents[1] / "datagen"
# Which argument of these calls is a reason; one that is named `reason` always is.
PLACE = {
    "dropped_row": 2, "lost": 1, "no_child": 1, "because": 0, "_left_out": 0, "_Part": 1, "unread_row": 3, "Item": 3,
    "Encoded": 3, "_unreadable": 2, "refused": 0,
}  # fmt: skip
RETURNS = {"_broken", "of_task", "of_draft", "cut_by", "turned_round", "compared"}  # functions that return a reason
VERDICT = "repetition"  # of datagen.verdict; the rule of that name takes a row


class Reasons(ast.NodeVisitor):
    """The texts of one file that stand where a reason is meant."""

    def __init__(self, path: Path) -> None:
        self.found: set[str] = set()
        self._constants: set[str] = set()
        self._function = ""
        self._path = path
        self.visit(ast.parse(path.read_text("utf-8")))

    def take(self, node: ast.AST | None) -> None:
        """Take every text that an expression may come to."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.found.add(node.value.partition(": ")[0])
        elif isinstance(node, ast.JoinedStr):
            self.found.add(node.values[0].value.partition(": ")[0])  # `rule_{name}`, `error: {message}`
        elif isinstance(node, ast.IfExp):
            self.take(node.body)
            self.take(node.orelse)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                self.take(value)
        elif isinstance(node, ast.Call) and called(node) in ("where", "if_else", "scalar"):
            for value in node.args[0 if called(node) == "scalar" else 1 :]:
                self.take(value)
        elif isinstance(node, ast.Name) and node.id.isupper():
            self._constants.add(node.id)

    def visit_Call(self, node: ast.Call) -> None:
        name = called(node)
        for keyword in node.keywords:
            if keyword.arg == "reason":
                self.take(keyword.value)
        at = 0 if name == VERDICT and len(node.args) > 2 else PLACE.get(name)
        if at is not None and len(node.args) > at:
            self.take(node.args[at])
        pair = node.args[0] if len(node.args) == 1 else None
        if name == "append" and "left_out" in ast.unparse(node.func) and isinstance(pair, ast.Tuple):
            self.take(pair.elts[1])
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            base = target.value if isinstance(target, ast.Subscript) else target
            if isinstance(base, ast.Name) and (base.id == "reason" or self._is_of_pair(base.id)):
                self.take(node.value)
        self.generic_visit(node)

    def _is_of_pair(self, name: str) -> bool:
        return name == "problem" and self._path.parts[-2:] == ("pairs", "instructions.py")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.args, *node.args.kwonlyargs]
        defaults = [*node.args.defaults, *node.args.kw_defaults]
        for argument, default in zip(reversed(arguments), reversed(defaults), strict=False):
            if argument.arg == "reason":
                self.take(default)
        before, self._function = self._function, node.name
        self.generic_visit(node)
        self._function = before

    def visit_Return(self, node: ast.Return) -> None:
        if self._function in RETURNS:
            parts = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
            for value in parts:
                self.take(value.elts[0] if isinstance(value, ast.Tuple) else value)
        self.generic_visit(node)

    def resolved(self, constants: dict[str, str]) -> set[str]:
        """Return the reasons, constants among them by their value."""
        texts = {"", *self.found, *(constants[name] for name in self._constants if name in constants)} - {""}
        return {f"rule_{rule}" for rule in _BROKEN if "rule_" in texts} | (texts - {"rule_"})


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def constants_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


@pytest.fixture(scope="module")
def in_code() -> dict[str, set[str]]:
    """The reasons of each file that gives some."""
    files = [p for p in PACKAGE.rglob("*.py") if p.name != "reasons.py"]
    constants = {name: text for p in files for name, text in constants_of(ast.parse(p.read_text("utf-8")))}
    found = {p.relative_to(PACKAGE).as_posix(): Reasons(p).resolved(constants) for p in files}
    for name in stage.names():
        found[f"curate/{name}.py"] |= stage.find(name).reasons
    return {path: texts for path, texts in found.items() if texts}


def test_every_reason_in_the_code_has_an_entry(in_code: dict[str, set[str]]) -> None:
    missing = {path: texts - REASONS.keys() for path, texts in in_code.items() if texts - REASONS.keys()}
    assert missing == {}, "say in datagen/reasons.py what it means"


def test_no_entry_is_dead(in_code: dict[str, set[str]]) -> None:
    assert REASONS.keys() - set().union(*in_code.values()) == set()


def test_the_search_finds_a_reason_in_each_of_the_ways_that_one_is_given(tmp_path: Path) -> None:
    file = tmp_path / "given.py"
    file.write_text(
        "COPY = 'k'\n"
        "def _broken(item):\n    return 'a'\n"
        "def work(self, reason='b'):\n"
        "    reason = 'c' if self else other or 'd'\n"
        "    reason[at] = 'e'\n"
        "    left_out.append((row, f'f: {message}'))\n"
        "    self._desk.lost(row, 'g', 'evidence')\n"
        "    return Item('text', reason='h'), because('i', gone), np.where(here, 'j', told), dropped_row(row, step, COPY)\n"
    )
    found = Reasons(file)
    assert found.resolved({"COPY": "k"}) == set("abcdefghik")  # `j` is given to nobody


@pytest.mark.parametrize("name", stage.names())
def test_the_entries_of_a_stage_are_the_reasons_that_it_declares(name: str) -> None:
    assert {r.name for r in REASONS.values() if name in r.stays} == set(stage.find(name).reasons)


def test_the_entries_of_a_teacher_are_the_reasons_of_its_file(in_code: dict[str, set[str]]) -> None:
    shared = {r.name for r in REASONS.values() if reasons.TEACHERS in r.stays}
    for name in ("answer", "backtranslate", "evolve", "rewrite", "translate"):
        own = in_code[f"teaching/{name}.py"]
        assert {r.name for r in REASONS.values() if name in r.stays} == own - shared, name


def test_every_step_of_an_entry_is_one() -> None:
    known = {*step.names(), reasons.INPUT, reasons.EXPORT, reasons.REVIEW}
    known |= {reasons.EVERY, reasons.GENERATORS, reasons.TEACHERS}
    assert {name for r in REASONS.values() for name in r.stays} <= known


def test_every_meaning_is_one_sentence() -> None:
    assert [r.name for r in REASONS.values() if not r.meaning.endswith(".") or ". " in r.meaning] == []
    assert [(r.name, told) for r in REASONS.values() for told in r.stays.values() if not told or told.endswith(".")] == []


def test_a_reason_is_looked_up_by_its_step() -> None:
    assert reasons.find("too_long", "rules_2") is REASONS["too_long"]
    assert REASONS["too_long"].of_step("rules_2") == ("Raise `max_task` or `max_answer`",)
    assert reasons.find("too_long", "length_stage.length") is None  # it says itself what it means
    assert reasons.find("error", "length_stage.length") is REASONS["error"]
    assert reasons.find("too_similar", "my.stage", asks_model=False) is None
    assert reasons.find("too_similar", "my.generator") is REASONS["too_similar"]
