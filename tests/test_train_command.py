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


def test_an_adapter_is_trained_further_with_its_own_method_alone(
    datagen: Shown, write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *({"instruction": f"Say {n}.", "output": f"It is {n}."} for n in range(8)))
    once = ("train", "rows.jsonl", "--steps", "1")
    assert datagen(*once, "-o", "a", "--model", tiny_dir).returncode == 0
    further = datagen(*once, "-o", "b", "--model", "a/adapter")
    assert further.returncode == 0, further.stderr
    base = [json.loads((tmp_path / out / "adapter" / "base.json").read_text("utf-8")) for out in "ab"]
    assert base[0] == base[1]
    other = datagen(*once, "-o", "c", "--model", "a/adapter", "--method", "ia3")
    assert other.returncode == 2 and "is of method lora: --method lora trains it further, not ia3" in other.stderr
    again = datagen(*once, "-o", "d", "--model", tiny_dir, "--set", "lr=1e-4")
    assert (again.returncode, again.stderr.count("Traceback")) == (2, 0)
    assert "--set goes on with a stopped run, and " in again.stderr and "has no checkpoint" in again.stderr


@pytest.mark.parametrize(
    ("options", "next_one"),
    [
        (("--method", "prompt"), "next: load it as out/adapter/README.md says; datagen asks LoRA, DoRA, IA3 and whole models"),
        (("--objective", "lm"), "next: datagen train ROWS --model out/adapter --method lora -o out-tuned"),
    ],
)
def test_what_comes_next_can_be_done(
    options: tuple[str, ...], next_one: str, datagen: Shown, write_jsonl: Callable[..., Path], tiny_dir: Path
) -> None:
    write_jsonl("rows.jsonl", *({"instruction": f"Say {n}.", "output": f"It is {n}."} for n in range(8)))
    done = datagen("train", "rows.jsonl", "-o", "out", "--model", tiny_dir, "--steps", "1", *options)
    assert done.returncode == 0, done.stderr
    assert next_one in done.stdout


def test_a_dry_run_says_what_a_preset_makes_of_a_run_and_what_it_leaves_out(dry: Shown) -> None:
    done = dry("--preset", "alpaca-lora", "--max-length", "512")
    told = " ".join(done.stdout.split())
    assert "--method lora --objective sft: steps of up to 128 rows, lr 0.0003 linear, texts of 512 tokens at most" in told
    assert "not done here: LoRA on q_proj and v_proj alone: ours is on every linear layer" in told


def test_a_finished_run_whose_adapter_is_gone_is_not_complete(
    datagen: Shown, write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *({"instruction": f"Say {n}.", "output": f"It is {n}."} for n in range(8)))
    words = ("train", "rows.jsonl", "-o", "out", "--model", tiny_dir, "--steps", "1")
    assert datagen(*words).returncode == 0
    assert "nothing to do" in datagen(*words).stdout
    changed = datagen(*words, "--set", "lr=1e-4")
    assert changed.returncode == 2 and "--set goes on with a stopped run, and this one is finished" in changed.stderr
    assert "nothing to do" in datagen(*words).stdout
    weights = tmp_path / "out" / "adapter" / "adapter_model.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    again = datagen(*words)
    assert again.returncode == 0 and "nothing to do" not in again.stdout
    assert weights.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--eot-token", ""), "option 'eot_token' must be a token that is seen"),
        (("--eot-token", " "), "option 'eot_token' must be a token that is seen"),
        (("--max-length", "1"), "option 'max_length' must be a number at least 3"),
        (("--method", "full", "--rope-scaling", "ntk:1e300"), "option 'rope_scaling' must be ntk:F, such as ntk:4"),
        (("--lengths", "64:2:1e-4", "--lr", "0.5"), "option 'lr' is given by 'lengths', as LENGTH:STEPS:LR; leave it out"),
        (("--lengths", "64:2:1e-4", "--epochs", "5"), "option 'epochs' is given by 'lengths'"),
        (("--lengths", "64:2:1e-4", "--set", "lr=0.5"), "option 'lr' is given by 'lengths'"),
    ],
)
def test_what_cannot_be_or_would_be_ignored_is_one_line(options: tuple[str, ...], told: str, dry: Shown) -> None:
    done = dry(*options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert told in done.stderr
