"""Odd inputs, each with what is right for it: files, tools, roles, faults, answers of endpoints, formulas, personal data.

`odd_inputs_cases/` holds them, one JSON object a line: `neighbours_*.jsonl` are our own, `shared.jsonl` says what is right for
the files of `../shared/cases` (SHARED names another place). Every case goes through this checkout, and through the one that
`--before` names, such as a worktree of the commit before the faults were mended: the table shows both. `--each` prints every
case. It exits with 1 where a case is not right now.

    python benchmarks/odd_inputs.py --before ../old --each

A case: `point` and `kind` for the table; `records`, `text` or `native` for the file `file` (`in.jsonl`), or `files`; options of
reading; what is done: nothing (read), `stages`, `export`, `train`, `completion`, `failure`, `final`, `same`, `score`, `status`,
`items`; `right`: `rows` (`task | input => answer`, or some of the fields), `ledger` (`reason: words of the evidence`), `value`,
`error` (its words) with `code`, `says` (words on stderr), `within` (seconds).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bars import Bars

HERE = Path(__file__).resolve().parent
CASES = HERE / "odd_inputs_cases"
SHARED = Path(os.environ.get("SHARED", HERE.parents[1] / "shared")) / "cases"
LEAST = 150  # neighbours of our own
Case = dict[str, Any]


def cases(shared: bool) -> list[Case]:
    """Return all cases, those of the shared files only where these are here."""
    files = sorted(CASES.glob("neighbours_*.jsonl")) + ([CASES / "shared.jsonl"] if shared else [])
    return [json.loads(line) | {"set": f.stem} for f in files for line in f.read_text("utf-8").splitlines() if line.strip()]


def outcomes(checkout: Path, wanted: list[Case]) -> list[dict[str, Any]]:
    """Return what came of each case in the package of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"}
    given = "".join(json.dumps(case) + "\n" for case in wanted)
    command = [sys.executable, str(HERE / "odd_inputs_probe.py"), str(SHARED)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if len(found) < len(wanted):
        print(done.stderr[-2000:], file=sys.stderr)
    return found + [{"crash": "the process ended"}] * (len(wanted) - len(found))


def wrong(right: Mapping[str, Any], got: Mapping[str, Any]) -> str:
    """Say in what an outcome is not what is right; "" where it is."""
    if "crash" in got:
        return got["crash"]
    if "error" in right or "error" in got:
        if "error" not in got:
            return "no error"
        words = right.get("error")
        good = words is not None and all(w in got["error"] for w in listed(words)) and "\n" not in got["error"]
        good = good and got.get("code") == right.get("code", 3)
        return "" if good else f"error {got.get('code')}: {got['error']}"
    if missing := [w for w in listed(right.get("says", [])) if w not in got["stderr"]]:
        return f"does not say {missing[0]!r}"
    if "value" in right and got.get("value") != right["value"]:
        return f"value {json.dumps(got.get('value'), ensure_ascii=False)}"
    ledger = got.get("ledger", [])
    wanted = right.get("ledger", [])
    if len(ledger) != len(wanted) or not all(matches(w, told) for w, told in zip(wanted, ledger, strict=True)):
        return f"ledger {json.dumps(ledger, ensure_ascii=False)}"
    return wrong_rows(right["rows"], got.get("rows", [])) if "rows" in right else ""


def listed(words: str | list[str]) -> list[str]:
    """Return one text as a list of one."""
    return [words] if isinstance(words, str) else words


def matches(wanted: str, told: str) -> bool:
    """Whether a ledger row has a reason, and words in its evidence."""
    reason, _, words = wanted.partition(": ")
    return told.partition(":")[0] == reason and words in told


def wrong_rows(wanted: list[Any], rows: list[dict[str, Any]]) -> str:
    """Say which row is not right; "" for none."""
    if len(wanted) != len(rows):
        return f"{len(rows)} rows: {json.dumps([said(r) for r in rows[:3]], ensure_ascii=False)}"
    for one, row in zip(wanted, rows, strict=True):
        if isinstance(one, str):
            if said(row) != one:
                return f"row {said(row)!r}"
        elif differs := {name: row.get(name) for name, value in one.items() if row.get(name) != value}:
            return f"row {json.dumps(differs, ensure_ascii=False)}"
    return ""


def said(row: Mapping[str, Any]) -> str:
    """Return a row as a line of a case: `task | input => answer`."""
    task = f"{row['instruction']} | {row['input']}" if row["input"] else row["instruction"]
    return f"{task} => {row['output']}"


def table(wanted: list[Case], told: Mapping[str, list[str]]) -> None:
    """Print how many cases of each kind are right."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, case in enumerate(wanted):
        groups["shared" if case["set"] == "shared" else "ours", f"{case['point']:>2} {case['kind']}"].append(at)
    print(f"\n{'set':<8}{'point and kind':<44}{'cases':>6}" + "".join(f"{name:>8}" for name in told))
    for (name, kind), places in sorted(groups.items(), key=lambda g: (g[0][0], int(g[0][1][:2]), g[0][1])):
        counts = "".join(f"{sum(not marks[i] for i in places):>8}" for marks in told.values())
        print(f"{name:<8}{kind:<44}{len(places):>6}{counts}")
    totals = "".join(f"{sum(not mark for mark in marks):>8}" for marks in told.values())
    print(f"{'':<8}{'all':<44}{len(wanted):>6}{totals}")


def each(wanted: list[Case], told: Mapping[str, list[str]]) -> Iterable[str]:
    """Yield a line per case, and what is wrong with it."""
    for at, case in enumerate(wanted):
        marks = " ".join(f"{name} {'wrong' if marks[at] else 'right':<6}" for name, marks in told.items())
        yield f"{marks} {case['point']:>2} {case['kind']}: {case['what']}"
        for name, found in told.items():
            if found[at]:
                yield f"      {name}: {found[at][:300]}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repo", type=Path, default=HERE.parent, help="the checkout whose package is meant by `after`")
    parser.add_argument("--before", type=Path, help="another checkout, for the column `before`")
    parser.add_argument("--each", action="store_true", help="print every case")
    options = parser.parse_args()
    shared = SHARED.is_dir()
    if not shared:
        print(f"{SHARED} is not here: only our own cases are run")
    wanted = cases(shared)
    checkouts = {"before": options.before, "after": options.repo}
    told = {
        name: [wrong(case["right"], got) for case, got in zip(wanted, outcomes(path.resolve(), wanted), strict=True)]
        for name, path in checkouts.items()
        if path
    }
    if options.each:
        print("\n".join(each(wanted, told)))
    table(wanted, told)
    bad = [f"  {c['set']}: {c['kind']}: {c['what']}: {m[:400]}" for c, m in zip(wanted, told["after"], strict=True) if m]
    ours = sum(case["set"] != "shared" for case in wanted)
    print("", *bad, sep="\n")
    bars = Bars("cases")
    bars.at_least("our own neighbours", LEAST, ours)
    bars.at_most("cases that are not right", 0, len(bad))
    bars.end()


if __name__ == "__main__":
    main()
