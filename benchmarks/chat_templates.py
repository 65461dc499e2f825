"""What training keeps of rows under public chat templates: facts per template and row, over the templates of TRL's wheel.

    TRL=FOLDER python benchmarks/chat_templates.py    # FOLDER holds *.jinja; without it, the installed wheel of trl

A fact of a template and a row is one of: the row is trained; its reasoning is in the labels; each answer is in the labels with
the end token that the template writes; nothing of the prompts is; each answer comes after exactly what a server would show.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from datagen.errors import DataError
from datagen.models.causal_lm import resolve
from datagen.render import IGNORED, encode
from datagen.rows import Row, new_row, turn

TOOLS = (
    '[{"name": "weather", "description": "The weather.", "parameters": {"type": "object", "properties":'
    ' {"city": {"type": "string", "description": "Where."}}, "required": ["city"]}}]'
)
CALL = '[{"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]'


def rows() -> dict[str, Row]:
    """Return one row of each kind that people train on."""
    ask, again = turn("user", "Name a river QUESTION1."), turn("user", "And another QUESTION2?")
    one, two = turn("assistant", "The Rhine ANSWER1."), turn("assistant", "The Danube ANSWER2.")
    thought = [{**one, "reasoning": "Europe THOUGHT1"}, {**two, "reasoning": "Longer THOUGHT2"}]
    called = turn("assistant", None, tool_calls=CALL)
    result = turn("tool", "12 degrees QUESTION2", tool_call_id="call00001")
    return {
        "plain": new_row(instruction="Name a river QUESTION1.", output="The Rhine ANSWER1."),
        "system": new_row(instruction="Name a river QUESTION1.", output="The Rhine ANSWER1.", system="Be brief SYSTEM."),
        "two answers": new_row(messages=[ask, one, again, two]),
        "reasoning": new_row(messages=[ask, thought[0]]),
        "think in content": new_row(
            instruction="Name a river QUESTION1.", output="<think>\nEurope THOUGHT1\n</think>\n\nThe Rhine ANSWER1."
        ),
        "two with reasoning": new_row(messages=[ask, thought[0], again, thought[1]]),
        "tool": new_row(messages=[ask, called, result, two], tools=TOOLS),
        "tool with reasoning": new_row(
            messages=[ask, {**called, "reasoning": "Look THOUGHT1"}, result, thought[1]], tools=TOOLS
        ),
    }


def wrong(row: Row, tokenizer: Any) -> list[str]:
    """Return the facts that do not hold of a row."""
    try:
        found = encode(row, tokenizer, 100_000)
    except DataError as error:
        return [f"not trained: {error}"]
    if found[0].reason:
        return [f"not trained: {found[0].reason}"]
    labels = [tokenizer.decode([i for i in one.labels if i != IGNORED]) for one in found]
    texts = [tokenizer.decode(one.input_ids) for one in found]
    said = "\n".join(labels)
    faults = [f"no {word}" for word in words(row, "ANSWER", "THOUGHT") if said.count(word) != 1]
    faults += [f"{word} in the labels" for word in words(row, "QUESTION", "SYSTEM") if word in said]
    faults += [f"no {word} in any text" for word in words(row, "QUESTION", "SYSTEM") if not any(word in t for t in texts)]
    faults += [
        "no call" for turn_ in row["messages"] or () if turn_["tool_calls"] and not ("weather" in said and "Oslo" in said)
    ]
    for label in labels:
        last = label.rstrip()
        if last.endswith((".", "\n")):
            faults.append(f"no end token: {last[-20:]!r}")
    return faults


def words(row: Row, *kinds: str) -> list[str]:
    """Return the marked words of a row."""
    text = repr(row)
    return sorted({word for kind in kinds for word in re.findall(rf"{kind}\d?", text)})


def folder() -> Path:
    """Return where the templates are."""
    if given := os.environ.get("TRL"):
        return Path(given)
    spec = find_spec("trl")
    if spec is None or spec.origin is None:
        sys.exit("no templates: pip install 'datagen[bench]', or TRL=FOLDER")
    return Path(spec.origin).parent / "chat_templates"


def main() -> None:
    """Print what does not hold, and how much does."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve("smollm2")[0])
    templates = sorted(folder().glob("*.jinja"))
    held: Counter[str] = Counter()
    trained: Counter[str] = Counter()
    for path in templates:
        tokenizer.chat_template = path.read_text("utf-8")
        for kind, row in rows().items():
            faults = wrong(row, tokenizer)
            held[kind] += not faults
            trained[kind] += not any(fault.startswith("not trained") for fault in faults)
            if faults:
                print(f"{path.stem:34} {kind:20} {'; '.join(faults)[:200]}")
    print(f"\n{'row':22} {'trained':>8} {'all facts':>10}   of {len(templates)} templates")
    for kind in rows():
        print(f"{kind:22} {trained[kind]:8} {held[kind]:10}")
    total = len(templates) * len(rows())
    print(f"{'all':22} {sum(trained.values()):8} {sum(held.values()):10}   {sum(held.values()) / total:.1%} of {total}")


if __name__ == "__main__":
    main()
