"""Which tests reach a line of the package, how near they are to it, and what a run without faults told of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fault_list import Fault

SLOW_S = 10.0  # tests that take longer are run last


@dataclass
class Reach:
    """Which tests reach which lines: from data of coverage.py whose contexts are tests, as pytest-cov or a process names them.

    What runs in the setup of a test may be a fixture of the whole file, so the other tests of that file see it too.
    """

    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # file below datagen/ -> line -> contexts
    tests: set[str] = field(default_factory=set)

    def read(self, paths: Iterable[Path], wanted: set[str]) -> None:
        """Add what data files say of the files below datagen/ that are wanted."""
        from coverage import CoverageData

        for path in paths:
            data = CoverageData(str(path))
            data.read()
            self.tests |= {_test(c) for c in data.measured_contexts() if "::" in c}
            for measured in data.measured_files():
                name = measured.rpartition("/datagen/")[2]
                if name in wanted and measured.endswith(f"/datagen/{name}"):
                    known = self.lines.setdefault(name, {})
                    for line, contexts in data.contexts_by_lineno(measured).items():
                        known.setdefault(line, set()).update(c for c in contexts if "::" in c)

    def of(self, file: str, lines: Iterable[int]) -> tuple[set[str], set[str]]:
        """Return the tests that run one of the lines, and the other tests of files in whose setup one ran."""
        known = self.lines.get(file, {})
        contexts = set().union(*(known.get(line, ()) for line in lines))
        files = {c.partition("::")[0] for c in contexts if re.search(r"\|setup$|\(setup\)$", c)}
        found = {_test(c) for c in contexts}
        return found, {t for t in self.tests if t.partition("::")[0] in files} - found


def _test(context: str) -> str:
    """The test of a context: `t.py::test|run` of pytest-cov, `t.py::test (call)` of a process."""
    return re.sub(r"\|(?:run|setup|teardown)$| \((?:call|setup|teardown)\)$", "", context)


def lines_of(source: str, at: int) -> tuple[range, bool]:
    """Return the lines of the statement at a line (of a compound one its head), and whether it is within a function."""
    best, inside = range(at, at + 1), False
    widest = len(source.splitlines()) + 1
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt) or not node.lineno <= at <= (node.end_lineno or 0):
            continue
        body = getattr(node, "body", None)
        end = body[0].lineno if body else (node.end_lineno or at) + 1
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = inside or at >= end
        elif at < end and end - node.lineno < widest:
            best, widest = range(node.lineno, end), end - node.lineno
    return best, inside


def function_lines(source: str) -> set[int]:
    """Return the lines within functions."""
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {line for f in functions for line in range(f.body[0].lineno, (f.end_lineno or 0) + 1)}


def nearness(file: str, test: str) -> int:
    """How near a test is to a file of the package: 0 its own test file, 1 the same folder, 2 anywhere."""
    own, there = Path(file), Path(test.partition("::")[0]).relative_to("tests")
    if there.parent != own.parent:
        return 2
    return 0 if there.stem == f"test_{own.stem}" else 1


def nearest(file: str, checkout: Path) -> set[str]:
    """Return the nearest test file to a file of the package: the one of its name, else those of its folder."""
    folder = checkout / "tests" / Path(file).parent
    own = folder / f"test_{Path(file).stem}.py"
    return {p.relative_to(checkout).as_posix() for p in ([own] if own.is_file() else folder.glob("test_*.py"))}


def batches(file: str, tests: set[str], mates: set[str], seconds: Mapping[str, float]) -> list[list[str]]:
    """Return tests in the order in which they are run: near files first, slow tests last, those of one file together."""

    def place(test: str) -> tuple[int, int]:
        slow = seconds.get(test, 0.0) > SLOW_S
        return (3 if slow else 2 if test in mates else 0 if nearness(file, test) == 0 else 1), nearness(file, test)

    total: dict[str, float] = {}
    for test in tests | mates:
        name = test.partition("::")[0]
        total[name] = total.get(name, 0.0) + seconds.get(test, 0.0)
    order = sorted(
        tests | mates,
        key=lambda t: (place(t), total[t.partition("::")[0]], t.partition("::")[0], seconds.get(t, 0.0), t),
    )
    found: list[list[str]] = [[t for t in order if place(t)[0] == n] for n in range(4)]
    return [b for b in found if b]


def seconds_of(logs: Iterable[Path]) -> dict[str, float]:
    """Return the seconds of each test in logs of `pytest --durations=0`, setup included."""
    found: dict[str, float] = {}
    for log in logs:
        text = log.read_text("utf-8", "replace") if log.is_file() else ""
        for s, test in re.findall(r"^([\d.]+)s (?:call|setup)\s+(\S.*)$", text, flags=re.M):
            found[test] = found.get(test, 0.0) + float(s)
    return found


def failed_in(logs: Iterable[Path]) -> set[str]:
    """Return the tests that failed in logs of pytest."""
    texts = [log.read_text("utf-8", "replace") for log in logs if log.is_file()]
    return {test for text in texts for test in re.findall(r"^(?:FAILED|ERROR) (.*?::.*?)(?: - .*)?$", text, flags=re.M)}


@dataclass(frozen=True)
class Known:
    """What a run without faults told: seconds of each test, those that failed, those that failed with kernels interpreted."""

    seconds: Mapping[str, float]
    failed: set[str]
    failed_interpreted: set[str]

    def longest(self, tests: Iterable[str]) -> float:
        """Seconds of the longest of some tests."""
        return max(self.seconds.get(t, 0.0) for t in tests)


def tests_for(fault: Fault, checkout: Path, reach: Reach) -> tuple[set[str], set[str], str]:
    """Return the tests that reach a fault's line, other tests of their files, and how they were found.

    Where no test is known to reach it the nearest test file stands for them.
    """
    source = (checkout / "datagen" / fault.file).read_text("utf-8")
    at = source[: source.index(fault.old)].count("\n") + 1
    lines, inside = lines_of(source, at)
    if inside:
        tests, mates = reach.of(fault.file, lines)
        how = "line"
    else:  # runs at import, in whichever test comes first
        tests, mates = reach.of(fault.file, function_lines(source))
        how = "file"
    if not tests:
        return nearest(fault.file, checkout), set(), "nearest"
    return tests, mates, how
