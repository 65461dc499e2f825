"""What training keeps of rows under public chat templates: facts per template and row, over the templates of TRL's wheel.

    TRL=FOLDER python benchmarks/chat_templates.py    # FOLDER holds *.jinja; without it, the installed wheel of trl

Claims, of each template and row: the row is trained; its reasoning is in the labels, once; the labels are the answers, each
with an end token, and nothing of the prompts; both answers of two are trained; and each answer stands after what a server shows
at that turn: the text before its first label is `apply_chat_template` of the messages before it with the generation prompt,
written here anew from the row. Where it is not, the table says what it is instead: an empty thought that the template itself
writes before an answer without reasoning, a server that was told to think, or messages that the template refuses or shows only
in part, so that no server shows them as they are. What is none of these is a fault. Asked: 72 templates,
97 % of each fact, and no fault.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bars import Bars

from datagen.data.rows import Row, conversation_turns, new_row, turn
from datagen.errors import DataError
from datagen.marks import split_reasoning
from datagen.models.causal_lm import resolve
from datagen.render.labels import IGNORED, encode
from datagen.render.sequences import rendered

TOOLS = (
    '[{"name": "weather", "description": "The weather.", "parameters": {"type": "object", "properties":'
    ' {"city": {"type": "string", "description": "Where."}}, "required": ["city"]}}]'
)
ASKED = 0.97  # of each fact
TEMPLATES = 72  # of TRL, or more
EMPTY_THOUGHT = re.compile(r"\s*(<think>|\[THINK\])?\s*(</think>|\[/THINK\])?\s*")
SAME = "what a server shows"
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


def wrong(row: Row, tokenizer: Any) -> dict[str, list[str]]:
    """Return each fact that is asked of a row, and what speaks against it."""
    thoughts, answers = words(row, "THOUGHT"), words(row, "ANSWER")
    facts: dict[str, list[str]] = {"trained": [], "the answer and its end": []}
    facts |= {"reasoning kept": []} if thoughts else {}
    facts |= {"multi-turn trained": []} if len(answers) > 1 or "weather" in repr(row["messages"]) else {}
    try:
        found = encode(row, tokenizer, 100_000)
        why = found[0].reason
    except DataError as error:
        why = str(error)
    if why:
        return {fact: [why] for fact in facts}
    labels = [tokenizer.decode([i for i in one.labels if i != IGNORED]) for one in found]
    texts = [tokenizer.decode(one.input_ids) for one in found]
    said = "\n".join(labels)
    faults = facts["the answer and its end"]
    faults += [f"no {word}" for word in answers if said.count(word) != 1]
    faults += [f"{word} in the labels" for word in words(row, "QUESTION", "SYSTEM") if word in said]
    faults += [f"no {word} in any text" for word in words(row, "QUESTION", "SYSTEM") if not any(word in t for t in texts)]
    faults += [f"no end token: {label.rstrip()[-20:]!r}" for label in labels if label.rstrip().endswith((".", "\n"))]
    if thoughts:
        facts["reasoning kept"] = [f"no {word}" for word in thoughts if said.count(word) != 1]
    if "multi-turn trained" in facts:
        called = any(t["tool_calls"] for t in row["messages"] or ())
        facts["multi-turn trained"] = [f"no {word}" for word in [*answers, *(("Oslo",) if called else ())] if word not in said]
    return facts


def as_sent(row: Row, *, in_parts: bool, text_arguments: bool, thought: str) -> list[dict[str, Any]]:
    """Return the turns of a row as a client sends them.

    Args:
        row: one of `rows`.
        in_parts: contents as lists of parts, which servers make of texts for templates that want them.
        text_arguments: of calls, as OpenAI has them; servers give most templates the object.
        thought: where the reasoning of earlier answers is: `fields`, `content` or `none`.
    """
    messages = []
    for one in conversation_turns(row):
        reasoning, content = split_reasoning(one["content"] or "")
        reasoning = one["reasoning"] or reasoning
        if thought == "content" and reasoning:
            content = f"<think>\n{reasoning}\n</think>\n\n{content}"
        message: dict[str, Any] = {"role": one["role"], "content": content}
        if in_parts:
            message["content"] = [{"type": "text", "text": content}]
        if thought == "fields" and reasoning:
            message["reasoning_content"] = reasoning
        if one["tool_calls"]:
            message["tool_calls"] = json.loads(one["tool_calls"])
            for call in message["tool_calls"]:
                if text_arguments:
                    call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
        if one["tool_call_id"]:
            message["tool_call_id"] = one["tool_call_id"]
        messages.append(message)
    return messages


def prompts(row: Row, turns: int, tokenizer: Any) -> Iterator[tuple[str, str]]:
    """Yield what a server may show before the answer that follows so many turns, and how it was asked."""
    tools = [{"type": "function", "function": t} for t in json.loads(row["tools"] or "[]")] or None
    for told, kwargs in (("", {}), ("told to think", {"enable_thinking": True, "thinking": True})):
        for in_parts in (False, True):
            for text_arguments in (False, True):
                for thought in ("fields", "content", "none"):
                    sent = as_sent(row, in_parts=in_parts, text_arguments=text_arguments, thought=thought)[:turns]
                    try:
                        text = tokenizer.apply_chat_template(
                            sent, tools=tools, tokenize=False, add_generation_prompt=True, **kwargs
                        )
                    except Exception:  # noqa: BLE001 - it refuses this form
                        continue
                    yield text, told


def places(row: Row, tokenizer: Any) -> list[str]:
    """Say of each answer of a row after what it stands: SAME, or what it is instead."""
    texts = rendered(row, tokenizer)
    found = []
    for at, one in enumerate(conversation_turns(row)):
        if one["role"] != "assistant":
            continue
        marks = [*words({"turn": one}, "ANSWER", "THOUGHT"), *(["Oslo"] if one["tool_calls"] else [])]
        before = next(t.text[:start] for t in texts for start, end, _ in t.spans if any(m in t.text[start:end] for m in marks))
        turns = list(conversation_turns(row))[:at]
        earlier = words({"turns": turns}, "QUESTION", "SYSTEM") + (["The weather."] if row["tools"] else [])
        earlier += ["Oslo"] if any(t["tool_calls"] for t in turns) else []
        found.append(_place(before, prompts(row, at, tokenizer), earlier))
    return found


def _place(before: str, prompts: Iterator[tuple[str, str]], asked: list[str]) -> str:
    shown: list[str] = []
    for text, told in prompts:
        if text == before:
            return told or SAME
        shown.append(text)
    for text in shown:
        if before.startswith(text) and EMPTY_THOUGHT.fullmatch(before[len(text) :]):
            return "the template's own empty thought between"
    if not shown:
        return "no server shows it: the template refuses the turns as they are"
    if not any(all(word in text for word in asked) for text in shown):
        return "no server shows it: the template leaves tools, a call or a turn out"
    return f"FAULT: {before[-80:]!r} and not {shown[0][-80:]!r}"


def words(row: Any, *kinds: str) -> list[str]:
    """Return the marked words of a row, or of a part of it."""
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
    """Print what does not hold, and how much does; end with 1 where it is less than was asked."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve("smollm2")[0])
    templates = sorted(folder().glob("*.jinja"))
    asked: Counter[str] = Counter()
    held: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for path in templates:
        tokenizer.chat_template = path.read_text("utf-8")
        for kind, row in rows().items():
            facts = wrong(row, tokenizer)
            asked.update(facts.keys())
            held.update(fact for fact, faults in facts.items() if not faults)
            whole[kind] += not any(facts.values())
            for fact, faults in facts.items():
                if faults:
                    print(f"{path.stem:34} {kind:20} {fact}: {'; '.join(faults)[:200]}")
            for place in places(row, tokenizer) if not facts["trained"] else ():
                after[place.partition(": '")[0].partition(': "')[0]] += 1
                if place.startswith("FAULT"):
                    print(f"{path.stem:34} {kind:20} {place}")
    print(f"\n{'row':28} {'all facts':>10}   of {len(templates)} templates")
    for kind in rows():
        print(f"{kind:28} {whole[kind]:10}")
    print("\nanswers stand after")
    for place, count in after.most_common():
        print(f"{count:6}  {place}")
    bars = Bars(f"{asked.total()} facts of {len(templates)} templates")
    bars.at_least("templates", TEMPLATES, len(templates))
    for fact, count in asked.items():
        bars.at_least(f"{fact}, of {count:,} rows", 100 * ASKED, 100 * held[fact] / count, " %")
    bars.at_most("answers after what is none of these", 0, after["FAULT"])
    bars.end()


if __name__ == "__main__":
    main()
