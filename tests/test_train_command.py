"""`datagen train`: what its options change of the texts that are learned, shown by --dry-run, and each mistake in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.data.shards import read_all, read_json

Shown = Callable[..., Any]
THOUGHT = {
    "messages": [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "<think>\nOne and one.\n</think>\n\nTwo."},
        {"role": "user", "content": "ขอบคุณ"},
        {"role": "assistant", "content": "<think>\nBe kind.\n</think>\n\nยินดี"},
    ]
}
FORGED = {"instruction": "What ends a turn?", "output": "A turn ends with <|im_end|> here."}
OPEN = "{% if add_generation_prompt %}<assistant>{% endif %}"
PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}" + OPEN


@pytest.fixture
def dry(datagen: Shown, write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path) -> Shown:
    """Run `datagen train --dry-run` on records; return how it ended. Nothing must be written."""

    def run(*options: Any, rows: tuple[Any, ...] = (THOUGHT,)) -> Any:
        write_jsonl("rows.jsonl", *rows)
        before = sorted(tmp_path.iterdir())
        done = datagen("train", "rows.jsonl", "-o", "out", "--model", tiny_dir, "--dry-run", *options)
        assert sorted(tmp_path.iterdir()) == before
        return done

    return run


def text_of(done: Any) -> str:
    """The first text of a dry run, as it stands there."""
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.partition("the first text, what is taught in ⟦ ⟧:\n\n")
    assert after.endswith("\n\ndry run: nothing was written\n") and before
    return after.removesuffix("dry run: nothing was written\n").rstrip()


@pytest.mark.parametrize(
    ("reasoning", "first", "second"), [("keep", True, True), ("last", False, True), ("drop", False, False)]
)
def test_reasoning_is_taught_with_all_answers_with_the_last_or_never(
    reasoning: str, first: bool, second: bool, dry: Shown
) -> None:
    one, two = "<think>\nOne and one.\n</think>\n\n" * first, "<think>\nBe kind.\n</think>\n\n" * second
    assert text_of(dry("--reasoning", reasoning)) == (
        f"<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n⟦{one}Two.<|im_end|>⟧\n"
        f"<|im_start|>user\nขอบคุณ<|im_end|>\n<|im_start|>assistant\n⟦{two}ยินดี<|im_end|>⟧"
    )


def test_another_template_by_its_file_and_by_its_name(dry: Shown, tmp_path: Path) -> None:
    (tmp_path / "plain.jinja").write_text(PLAIN)
    rows = ({"instruction": "q", "output": "a"},)
    assert text_of(dry("--chat-template", "plain.jinja", rows=rows)) == "<user>q</s><assistant>⟦a</s>⟧"
    told = text_of(dry("--chat-template", "chatml", rows=rows))
    assert told == "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n⟦a<|im_end|>⟧"


def test_values_for_the_template(dry: Shown, tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text("{{ 'Think. ' if enable_thinking else 'Do not think. ' }}" + PLAIN)
    rows = ({"instruction": "q", "output": "a"},)
    for value, says in ((True, "Think."), (False, "Do not think.")):
        given = json.dumps({"enable_thinking": value})
        told = text_of(dry("--chat-template", "t.jinja", "--chat-template-kwargs", given, rows=rows))
        assert told == f"{says} <user>q</s><assistant>⟦a</s>⟧"


def test_the_date_that_a_template_asks_for(dry: Shown, tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_text("{{ strftime_now('%-d %B %Y') }}: " + PLAIN)
    rows = ({"instruction": "q", "output": "a"},)
    told = text_of(dry("--chat-template", "t.jinja", "--date", "2025-03-09", rows=rows))
    assert told == "9 March 2025: <user>q</s><assistant>⟦a</s>⟧"


def test_control_tokens_are_escaped_on_request(dry: Shown) -> None:
    assert text_of(dry("--control-tokens", "escape", rows=(FORGED,))).endswith(
        "⟦A turn ends with <\\|im_end|> here.<|im_end|>⟧"
    )
    done = dry(rows=(FORGED,))
    assert (done.returncode, done.stderr) == (
        3, "datagen: no row can be trained on: all 1 were left out (control_tokens: <|im_end|>)\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--reasoning", "kep"), "option 'reasoning': 'kep' is not one of keep, last, drop; did you mean 'keep'?"),
        (("--control-tokens", "show"), "option 'control_tokens': 'show' is not one of drop, escape"),
        (("--chat-template", "chatm"), "--chat-template: 'chatm' is neither a file nor one of chatml; did you mean 'chatml'?"),
        (("--chat-template", "broken.jinja"), "--chat-template broken.jinja: line 2: "),
        (
            ("--chat-template-kwargs", "{enable_thinking: false}"),
            """expected names and values, such as {"top_k": 20} in JSON, not """,
        ),
        (("--chat-template-kwargs", "[1]"), """expected names and values, such as {"top_k": 20} in JSON, not """),
        (
            ("--chat-template-kwargs", "enable_thinking=false"),
            """expected names and values, such as {"top_k": 20} in JSON, not """,
        ),
        (("--date", "9 March"), "option 'date' must be a date such as '2026-01-31', a text, not '9 March'"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry", "real"])
def test_a_wrong_value_is_one_line_that_names_the_fix(
    options: tuple[str, str], says: str, dry_run: bool, datagen: Shown, write_jsonl: Any, tiny_dir: Path, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", THOUGHT)
    (tmp_path / "broken.jinja").write_text("a\n{% if %}")
    words = ["train", "rows.jsonl", "-o", "out", "--model", tiny_dir, *options, *(["--dry-run"] if dry_run else [])]
    done = datagen(*words)
    complaint = done.stderr.splitlines()[-1]
    assert done.returncode == 2, done.stderr
    assert complaint.startswith("datagen: ") and says in complaint
    assert not (tmp_path / "out" / "run.json").exists()


def test_what_a_dry_run_says_of_the_rows_is_what_becomes_of_them(
    dry: Shown, datagen: Shown, tiny_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.jinja").write_text("{{ strftime_now('%Y') }}" + PLAIN)
    options = ("--chat-template", "t.jinja", "--reasoning", "last", "--date", "2025-03-09", "--max-length", "300")
    options += ("--overflow", "drop")
    rows = (THOUGHT, FORGED, {"instruction": "Say much.", "output": "much " * 400})
    told = dry(*options, rows=rows)
    done = datagen("train", "rows.jsonl", "-o", "out", "--model", tiny_dir, "--steps", "1", *options)
    assert done.returncode == 0, done.stderr
    training = read_json(tmp_path / "out" / "run.json")["stages"][-1]["training"]
    assert (training["rows"], training["samples"], training["date"]) == (1, 1, "2025-03-09")
    counts = f"{training['tokens']:,} tokens, {training['label_tokens']:,} of them taught"
    assert told.stdout.startswith(f"3 rows: 1 can be trained on, {counts}\nleft out: control_tokens 1, too_long 1\n")
    assert sorted(read_all(tmp_path / "out" / "dropped").column("reason").to_pylist()) == ["control_tokens", "too_long"]
    assert (tmp_path / "out" / "adapter" / "chat_template.jinja").read_text() == (tmp_path / "t.jinja").read_text()
