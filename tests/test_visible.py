"""What a row, a file name or an endpoint says is shown, and steers no terminal; nothing of the package prints past that."""

from __future__ import annotations

import ast
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datagen.cli.say import command_line, say_json
from datagen.progress import Bar
from datagen.visible import escaped_json, in_a_line, visible

PACKAGE = Path(__file__).resolve().parents[1] / "datagen"
ESC = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\rover\x08\x9b2J\x7f\u202eevil\u2066"
STEER = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"} - {
    "\n",
    "\t",
}
ROWS = [
    {"instruction": f"{ESC} hello there", "output": f"x y z {ESC}\nsecond line\ttab", "source": f"s{ESC}"},
    {"instruction": "plain", "output": ""},
    {"instruction": f"Empty {ESC}", "output": ""},
]


def printed(done: Any) -> str:
    """All that a command showed, once it holds nothing that steers."""
    shown = str(done.stdout + done.stderr)
    assert not set(shown) & STEER, sorted(set(shown) & STEER)
    assert not any(0xD800 <= ord(c) < 0xE000 for c in shown)
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ไทย 汉字 é 👩‍👩‍👧", "plain ไทย 汉字 é 👩‍👩‍👧"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x00", "␛[31mred␀"),
        ("good\rbad", "good␍bad"),
        ("\x9b2J \x7f", "[U+009B]2J ␡"),
        ("a\u202eb\u2069", "a[U+202E]b[U+2069]"),
        ("\udcff", "\\udcff"),
    ],
)
def test_control_characters_are_shown_as_what_they_are(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == text


def test_a_line_is_one_line_and_hides_nothing() -> None:
    assert in_a_line(" a\r\n b\tc\x0bd\x1ce\x85f ") == "a b c␋d␜e[U+0085]f"


@pytest.fixture
def run(datagen: Any, write_jsonl: Any, tmp_path: Path) -> Path:
    """Give a finished run of hostile rows."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    printed(datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules"))
    return tmp_path / "out"


def test_commands_show_rows_and_are_not_steered_by_them(run: Path, datagen: Any) -> None:
    ids = {}
    for folder in ("kept", "dropped"):
        done = datagen("stats", f"out/{folder}" if folder == "kept" else "out")
        assert "s␛]0;owned␇␛[2J␛[31mred␍over" in printed(done)
    from datagen.data.shards import iterate_rows

    ids = {row["instruction"]: row["id"] for name in ("kept", "dropped") for row in iterate_rows(run / name)}
    for text, row_id in ids.items():
        shown = printed(datagen("explain", "out", row_id))
        assert "\x1b" not in text or "␛]0;owned␇␛[2J␛[31mred␍over␈[U+009B]2J␡[U+202E]evil" in shown.replace("\n", "")
        as_json = datagen("explain", "out", row_id, "--json")
        printed(as_json)
        assert json.loads(as_json.stdout)[0]["instruction"] == text
    printed(datagen("filter", "rows.jsonl", "--dry-run"))
    printed(datagen("stats", "out", "--json"))
    printed(datagen("diff", "out", "out"))


def test_a_review_shows_a_row_and_is_not_steered_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    from datagen.cli.review import _show
    from datagen.data.rows import new_row

    _show(new_row(instruction=ROWS[0]["instruction"], output=ROWS[0]["output"], source=ESC), 1, 1)
    shown = capsys.readouterr().out
    assert not set(shown) & STEER
    assert "␛]0;owned␇␛[2J␛[31mred␍over" in shown and "\nsecond line" in shown


def test_names_and_errors_steer_nothing(datagen: Any, tmp_path: Path) -> None:
    name = "a\x1b[31m\nb\x9b\u202e.jsonl"
    (tmp_path / name).write_text('{"instruction": "Name a city.", "output": "Paris is one."}\n', "utf-8")
    assert "a␛[31m" in printed(datagen("filter", name, "-o", f"{name}.out", "--stage", "rules"))
    wrong = [
        ("filter", "no\x1b\r.jsonl", "-o", "o"),
        ("stats", "\x1bx"),
        ("--no\x1bsuch",),
        ("\x1b[2J",),
        ("explain", "\x1b", "\x1b"),
    ]
    for words in (*wrong, ("filter", name, "-o", "o", "--stage", "rules:use=\x1b[2J")):
        done = datagen(*words)
        assert done.returncode
        assert len(printed(done).splitlines()) == 1 and ("␛" in done.stderr or "\\x1b" in done.stderr), done.stderr


def test_a_command_to_be_pasted_names_the_file_in_a_shell() -> None:
    words = ["filter", "plain.jsonl", "with space", "it's\x1b[31m\n1\\", os.fsdecode(b"caf\xe9 7"), "\u202e.jsonl"]
    line = command_line(*words)
    assert visible(line) == line and "\n" not in line
    assert line.startswith("datagen filter plain.jsonl 'with space' $'")
    shell = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )  # fmt: skip
    assert [os.fsdecode(word) for word in shell.stdout.split(b"\0")[1:-1]] == words
    assert command_line("train", "a b") == shlex.join(["datagen", "train", "a b"])


def test_progress_shows_notes_and_names() -> None:
    stream = io.StringIO()
    bar = Bar(stream, quiet_s=0, every_s=0, tick_s=60)
    bar.step(f"step{ESC}", 4, "rows")
    bar.at(1, f"note{ESC}\nmore")
    bar.tick()
    bar.say(f"said{ESC}\nmore")
    bar.close()
    assert "note␛" in stream.getvalue() and "said␛" in stream.getvalue()
    assert not set(stream.getvalue()) & STEER


def test_json_for_machines_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"a": ESC, "loss": float("nan"), "ไทย": [float("inf"), 1.5]})
    shown = capsys.readouterr().out
    assert not set(shown) & STEER and "ไทย" in shown and shown.count("\n") == 1
    assert json.loads(shown) == {"a": ESC, "loss": None, "ไทย": [None, 1.5]}


def test_rows_exported_to_a_terminal_do_not_steer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from datagen.data.rows import new_row
    from datagen.formats.write import export

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    rows = [new_row(instruction="Say it.", output="a\x9b2J\u202eb\x1b[2J")]
    said = {}
    for kind in (Terminal, io.TextIOWrapper):
        held = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", kind(held, "utf-8"))
        export(rows, "alpaca", None)
        said[kind] = held.getvalue().decode()
    assert not set(said[Terminal]) & STEER
    assert "\x9b2J\u202e" in said[io.TextIOWrapper]  # what goes into a file is what `-o` writes
    assert json.loads(said[Terminal]) == json.loads(said[io.TextIOWrapper])


@pytest.mark.slow
def test_nothing_is_printed_past_the_one_place() -> None:
    past = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or path == PACKAGE / "cli" / "say.py":
                continue
            called = ast.unparse(node.func)
            escaped = any(isinstance(c, ast.Call) and ast.unparse(c.func) in ("visible", "in_a_line") for c in ast.walk(node))
            if called in (
                "click.echo",
                "click.secho",
                "click.echo_via_pager",
                "sys.stdout.write",
                "sys.stderr.write",
                "warnings.warn",
            ):
                past.append(f"{path}:{node.lineno}")
            if called == "print" and not escaped:
                past.append(f"{path}:{node.lineno}")
    assert past == []
