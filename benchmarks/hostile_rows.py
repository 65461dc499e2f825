"""100,000 hostile rows through `filter`, every `export` and `train --dry-run`: nothing breaks, and each row is accounted for.

Records of every dialect, with wrong types at any depth, texts of every script, lone surrogates, control characters and tokens,
numbers too large, roles of nobody, tools, formulas and nulls, as JSON Lines, one JSON array, CSV and Parquet. A file of broken
lines and cut bytes is among them. `--rows`, `--seed`, `--quick` (5,000). The completions of generators: `parser_fuzz.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bars import Bars

from datagen.data.shards import count_rows, iterate_rows
from datagen.formats.format import names
from datagen.formats.read import read
from datagen.formats.write import SAID

HERE = Path(__file__).resolve().parents[1]
TINY = HERE / "tests" / "support" / "tiny"
BENCHMARK = HERE / "tests" / "support" / "benchmark_items.jsonl"
CHAIN = [
    "clean:do=unicode,html,emoji,pii", "rules:use=all,languages=en,zh,th,max_answer=4000", "minhash", "rouge",
    f"decontaminate:against={BENCHMARK}", "balance:by=language,cap=100000",
]  # fmt: skip
PIECES = [
    "Name a moon.", "说一个卫星。", "บอกชื่อดวงจันทร์", "Io", "木卫一", "ไอโอ", "42", "-0", "1e400", "NaN",
    "null", "", " ", "\n\n", "\t", "e\u0301te\u0301", "한글", "नमस्\u200dते", "👩\u200d👩\u200d👧", "🇹🇭",
    "\u202eabc\u202c", "שלום", "مرحبا", "กำ", "\u0e48\u0e49", "\u0301", "\u200b\ufeff", "\x00\x07",
    "\x1b[31m", "\x9b31m", "\r", "\ue000", "\U0010ffff", "ﷺ", "𝔘", "İ", "ß", "<|im_end|>",
    "<|im_start|>assistant\n", "</s>", "<s>", "[INST]", "<|endoftext|>", "<start_of_turn>", "<think>",
    "</think>", "<tool_call>", "{output}", "<noinput>", "N/A", "=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0",
    "-2", "'", '"', '""', "\\", "\\u0000", "{", "}", "[", "]", "{{ x }}", "{% raw %}", "$x^2$",
    "\\boxed{", "```\ncode\n```", "| a | b |\n|---|---|", "<b>x</b>", "<script>", "&amp;lt;", "a@b.co",
    "+66 2 123 4567", "4111 1111 1111 1111", "8.8.8.8:80", "sk-abcdefghijklmnopqrstuvwx123456",
    "ä".encode().decode("latin-1"), "word " * 30, "a" * 300, "的" * 200, "ก" * 200, "( " * 50, "\ud800",
]  # fmt: skip
NAMES = [
    "instruction", "input", "output", "response", "answer", "prompt", "completion", "question",
    "context", "chosen", "rejected", "messages", "conversations", "system", "tools", "history", "text",
    # No `label`: where one is false and another no truth, the file stops with a line that says so, and none of it is read.
    "generation", "instances", "completions", "kto_tag", "id", "source", "repeat", "category", "contents",
    "functions", "extra", "_shape", "指令", "คำตอบ", " output", "Output", "x",
]  # fmt: skip
ROLES = [
    "user",
    "assistant",
    "system",
    "tool",
    "human",
    "gpt",
    "Human",
    "prompter",
    "model",
    "function",
    "narrator",
    "",
    None,
    3,
]
# What `export` says of the rows that it leaves out.
LEFT_OUT = [
    re.escape(SAID[reason]).replace(r"\{n\}", r"(\d+)").replace(r"\{to\}", ".+?")
    for reason in ("unanswered_turn", "no_turns", "no_prompt", "untaught")
]
Record = dict[str, Any]


class Hostile:
    """Draws records; those of one seed are equal."""

    def __init__(self, seed: int) -> None:
        """Begin with a seed."""
        self.draw = random.Random(seed)

    def text(self) -> str:
        """Return a text of a few pieces."""
        return self.draw.choice(["", " ", "\n"]).join(self.draw.choices(PIECES, k=self.draw.randint(1, 6)))

    def value(self, depth: int = 0) -> Any:
        """Return anything that JSON or Python's JSON can hold."""
        kind = self.draw.random()
        if kind < 0.5:
            return self.text()
        if kind < 0.75 or depth > 3:
            return self.draw.choice([None, True, False, 0, -1, 1.5, 10**40, float("nan"), float("inf"), -0.0, "", [], {}])
        if kind < 0.88:
            return [self.value(depth + 1) for _ in range(self.draw.randint(0, 3))]
        return {self.draw.choice(NAMES): self.value(depth + 1) for _ in range(self.draw.randint(0, 3))}

    def turn(self) -> Any:
        """Return a turn, most of them right."""
        if self.draw.random() < 0.03:
            return self.value()
        said: Any = (
            self.text()
            if self.draw.random() < 0.9
            else self.draw.choice([None, [{"type": "text", "text": self.text()}], self.value()])
        )
        if self.draw.random() < 0.3:
            return {"from": self.draw.choice(ROLES), "value": said}
        more = (
            {"tool_calls": [{"function": {"name": self.text(), "arguments": self.value()}}]} if self.draw.random() < 0.1 else {}
        )
        return {"role": self.draw.choice(ROLES[:5] if self.draw.random() < 0.9 else ROLES), "content": said, **more}

    def record(self) -> Any:
        """Return a record of some dialect, or of none."""
        kind = self.draw.random()
        if kind < 0.02:
            return self.value()
        if kind < 0.45:
            found: Record = {"instruction": self.text(), "input": self.draw.choice(["", self.text()]), "output": self.text()}
        elif kind < 0.75:
            name = self.draw.choice(["messages", "conversations", "conversation"])
            found = {name: [self.turn() for _ in range(self.draw.randint(0, 6))]}
        elif kind < 0.85:
            found = {"prompt": self.text(), self.draw.choice(["completion", "chosen"]): self.text(), "rejected": self.text()}
        else:
            found = {name: self.value() for name in self.draw.sample(NAMES, self.draw.randint(1, 5))}
        for _ in range(self.draw.choice([0, 0, 0, 1, 2])):
            found[self.draw.choice(NAMES)] = self.value()
        return found


def _jsonl(records: list[Any], path: Path) -> int:
    path.write_text(
        "".join(
            json.dumps(r, ensure_ascii=i % 2 == 0).encode("utf-8", "replace").decode() + "\n" for i, r in enumerate(records)
        )
    )
    return len(records)


def _broken(records: list[Any], path: Path) -> int:
    draw = random.Random(len(records))
    with path.open("wb") as file:
        for record in records:
            line = bytearray(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))
            for _ in range(draw.choice([0, 1, 3])):
                line[draw.randrange(len(line))] = draw.randrange(256)
            # A byte that ends a line, or leaves nothing of it, would change how many there are.
            file.write((bytes(line).replace(b"\n", b"?").replace(b"\r", b"?").strip() or b"?") + b"\n")
    return len(records)


def _json(records: list[Any], path: Path) -> int:
    path.write_text(json.dumps(records), "utf-8")
    return len(records)


def _csv(records: list[Any], path: Path) -> int:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["instruction", " input", "output", "messages"])
        for r in records:
            values = r if isinstance(r, dict) else {"instruction": r}
            cells = [values.get(n) for n in ("instruction", "input", "output", "messages")]
            writer.writerow([c if isinstance(c, str) else "" if c is None else json.dumps(c) for c in cells])
    return len(records)


def _parquet(records: list[Any], path: Path) -> int:
    clean = [r if isinstance(r, dict) else {"instruction": r} for r in records]
    texts = {
        n: [v if isinstance(v := r.get(n), str) else None if v is None else json.dumps(v) for r in clean]
        for n in ("instruction", "output", "messages")
    }
    columns = {n: [t and t.encode("utf-8", "replace").decode() for t in values] for n, values in texts.items()}
    columns["number"] = [random.Random(i).choice([None, float("nan"), 1.5]) for i in range(len(clean))]
    pq.write_table(pa.table(columns), path)
    return len(clean)


WRITERS: dict[str, Callable[[list[Any], Path], int]] = {
    "rows.jsonl": _jsonl, "broken.jsonl": _broken, "rows.json": _json, "rows.csv": _csv, "rows.parquet": _parquet,
}  # fmt: skip


def command(*arguments: object) -> tuple[int, str, str]:
    """Run datagen; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "datagen", *map(str, arguments)], capture_output=True, text=True, errors="replace", check=False
    )
    return done.returncode, done.stdout, done.stderr


def crashed(code: int, told: str, *, may: Sequence[int] = (0,)) -> bool:
    """Whether a command ended otherwise than it may."""
    return code not in may or "Traceback" in told or "unexpected " in told


def missing(out: Path, to: str, kept: int) -> tuple[int, bool]:
    """Export the kept rows; return how many are neither written nor said to be left out, and whether it crashed."""
    target = out / f"export.{to}.{'parquet' if to == 'parquet' else 'jsonl'}"
    code, said, told = command("export", out, "--to", to, "-o", target)
    if code:
        print(f"{out.name}: export --to {to} ended with {code}: {told[-300:]}")
        return kept, True
    left_out = sum(int(number) for words in LEFT_OUT for number in re.findall(words, told))
    written = sum(records_in(path) for path in out.glob(f"export.{to}*") if path.suffix in (".jsonl", ".parquet"))
    if to in ("messages", "parquet"):
        written = min(written, sum("reason" not in row for row in read(str(target))))
    gone = abs(kept - written - left_out) or int(not said.startswith(f"{written:,} records -> "))
    if gone:
        print(f"{out.name}: {kept:,} kept, {written:,} written, {left_out:,} left out; export --to {to} says {said.strip()}")
    return gone, crashed(code, told)


def records_in(path: Path) -> int:
    """Count the records of a file of an export; a line that is no object is none."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    with path.open(encoding="utf-8") as lines:
        return sum(isinstance(json.loads(line), dict) for line in lines)


def main() -> None:
    """Print the table and end with 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--quick", action="store_true", help="5,000 rows")
    parser.add_argument("--keep", type=Path, help="a folder for all files; default: one that is removed")
    options = parser.parse_args()
    each = (5_000 if options.quick else options.rows) // len(WRITERS)
    bars = Bars()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{'file':<16}{'rows':>8}{'kept':>8}{'dropped':>9}{'s':>7}  reasons")
        lost = broke = errors = rows = unexported = undecided = 0
        for number, (file, write) in enumerate(WRITERS.items()):
            hostile = Hostile(options.seed + number)
            given = write([hostile.record() for _ in range(each)], folder / file)
            out, started = folder / f"out-{file}", time.monotonic()
            chain = [part for step in CHAIN for part in ("--stage", step)]
            code, _, told = command("filter", folder / file, "-o", out, "--allow-wipeout", *chain)
            broke += crashed(code, told, may=(0, 3))  # a row that breaks a stage has a bar of its own
            if not (out / "run.json").is_file():
                print(f"{file}: ended with {code}: {told[-500:]}")
                lost += given
                continue
            dropped = Counter(row["reason"] for row in iterate_rows(out / "dropped"))
            kept = count_rows(out / "kept")
            seconds = time.monotonic() - started
            print(
                f"{file:<16}{given:>8,}{kept:>8,}{dropped.total():>9,}{seconds:>7.0f}  {dict(dropped.most_common(5))}",
                flush=True,
            )
            held = kept + dropped.total()
            taken = json.loads((out / "run.json").read_text())["rows_in"]
            rows, errors = rows + given, errors + dropped["error"]
            lost += abs(taken - held) + max(0, given - held)  # a damaged line may hold two values, and be two
            for to in names():
                gone, bad = missing(out, to, kept)
                unexported, broke = unexported + gone, broke + bad
            code, said, told = command("train", out, "-o", folder / "never", "--model", TINY, "--dry-run", "--json")
            broke += crashed(code, told)
            found = json.loads(said) if code == 0 else {"used": 0, "left_out": {}}
            undecided += abs(kept - found["used"] - sum(found["left_out"].values()))
            if code:
                print(f"{file}: train --dry-run ended with {code}: {told[-300:]}")
        bars.at_least("rows", each * len(WRITERS), rows)
        bars.at_most("commands that crashed", 0, broke)
        bars.at_most("rows that are neither kept nor dropped", 0, lost)
        bars.at_most("rows that broke a stage (error)", 0, errors)
        bars.at_most("kept rows that an export neither holds nor leaves out", 0, unexported)
        bars.at_most("kept rows that train neither takes nor leaves out", 0, undecided)
    bars.end()


if __name__ == "__main__":
    main()
