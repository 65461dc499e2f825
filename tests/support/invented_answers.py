"""What the local endpoint's model says to a request: in the form and the language of its prompt, a pure function of the body.

It knows the prompts of `prompts/` by the marks that their answers carry, and the numbers that their last line asks for.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping
from typing import Any

from invented_teaching import taught
from invented_words import Draw, Words, language_of

Body = Mapping[str, Any]
REPEATS, EMPTY, MATERIAL, YES = 0.15, 0.1, 0.3, 0.3  # shares of tasks and answers
TOKENS_PER_SENTENCE = 12
_TOKEN = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]")
_NUMBERED = re.compile(r"^(\d+)\. ?Instruction:", re.M)
_CLASSIFY = ("Classification:", "是分类任务吗：", "จำแนกประเภท:")


def digest(body: Body) -> str:
    """Return the hash of a request's body, by which the endpoint's log names it; the two names of the limit are one."""
    named = {"max_tokens" if k == "max_completion_tokens" else k: v for k, v in body.items()}
    text = json.dumps(named, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def count(text: str) -> int:
    """Return the tokens of a text: words, digits, signs; a character of any other script. Never more than its UTF-8 bytes."""
    return len(_TOKEN.findall(text))


def first_tokens(text: str, tokens: int) -> str:
    """Return the beginning of a text that has so many tokens."""
    for n, found in enumerate(_TOKEN.finditer(text), start=1):
        if n == tokens:
            return text[: found.end()]
    return text


def prompt_of(body: Body) -> str:
    """Return all that a body says to the model."""
    if "messages" not in body:
        prompt = body.get("prompt", "")
        return prompt if isinstance(prompt, str) else "\n".join(map(str, prompt))
    return "\n".join(str(m.get("content") or "") for m in body["messages"])


def invented_tasks(body: Body, tasks: int = 5, first: int = 4) -> str:
    """Return tasks in the form of Stanford Alpaca, drawn from the body's hash."""
    return _alpaca(random.Random(digest(body)), language_of(prompt_of(body)), first, tasks, None)


def invented(body: Body, draw: Draw, tokens: int | None = None) -> str:
    """Return what the model says.

    Args:
        body: the request.
        draw: what decides the words.
        tokens: about how many the answer is to have; None = as many as its form takes.
    """
    prompt = prompt_of(body)
    words = language_of(prompt)
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return json.dumps(_instance(schema, draw, words), ensure_ascii=False)
    last = prompt.rstrip().rsplit("\n", 1)[-1]
    return taught(prompt, last, draw) or _generated(body, prompt, last, draw, words, tokens)


def _generated(body: Body, prompt: str, last: str, draw: Draw, words: Words, tokens: int | None) -> str:
    """Return what the model says to the prompts of a generator, and to any other one."""
    asked = [int(n) for n in re.findall(r"\d+", last)]
    if numbers := _NUMBERED.findall(prompt):
        first = int(numbers[-1]) + 1
        tasks = asked[-1] - first + 1 if asked and 0 <= asked[-1] - first < 100 else 5
        return _alpaca(draw, words, first, tasks, tokens)
    if "Instruction:" in last:
        material = words.text(draw, 2) if draw.random() < MATERIAL else "<noinput>"
        return f"Instruction: {_task(draw, words)}\nInput: {material}"
    if last.startswith(_CLASSIFY):
        return words.yes if draw.random() < YES else words.no
    if "Class label:" in prompt:
        return "\n".join(f"Class label: {words.name(draw)}\nInput: {words.text(draw, 2)}" for _ in range(draw.randint(1, 3)))
    if "Example 1\n" in prompt:
        return _examples(draw, words, tokens)
    if asked and f"\n{asked[0] - 1}. " in prompt:
        lines = [f"{n}. {_task(draw, words)}" for n in range(asked[0], asked[-1] + 1)]
        return "\n".join(_sized(draw, words, lines, tokens))
    if len(asked) == 2 and asked[0] == 1:
        return "\n".join(f"{n}. {words.name(draw)}" for n in range(1, asked[1] + 1))
    return _task(draw, words) if "messages" not in body else words.text(draw, _sentences(tokens, draw.randint(1, 4)))


def _task(draw: Draw, words: Words) -> str:
    return words.repeated if draw.random() < REPEATS else words.instruction(draw)


def _sentences(tokens: int | None, few: int) -> int:
    return few if tokens is None else max(1, round(tokens / TOKENS_PER_SENTENCE))


def _alpaca(draw: Draw, words: Words, first: int, tasks: int, tokens: int | None) -> str:
    parts = []
    if tokens is not None:
        tasks = max(1, min(tasks, tokens // 60))  # one of them takes that many
    for n in range(first, first + tasks):
        task = _task(draw, words)
        material = words.text(draw, 1) if draw.random() < MATERIAL else "<noinput>"
        answer = words.text(draw, _sentences(tokens and (tokens // tasks - 40), draw.randint(1, 3)))
        answer = "" if draw.random() < EMPTY else answer
        parts.append(f"{n}. Instruction: {task}\n{n}. Input: {material}\n{n}. Output: {answer}\n")
    return "###\n".join(parts)


def _examples(draw: Draw, words: Words, tokens: int | None) -> str:
    found = []
    for n in range(1, draw.randint(1, 3) + 1):
        material = f"Input: {words.text(draw, 2)}\n" if draw.random() > MATERIAL else ""
        answer = "" if draw.random() < EMPTY else words.text(draw, _sentences(tokens, 2))
        found.append(f"Example {n}\n{material}Output: {answer}")
    return "\n".join(found)


def _sized(draw: Draw, words: Words, lines: list[str], tokens: int | None) -> list[str]:
    """Return the lines, longer where that is asked for."""
    if tokens is None:
        return lines
    more = max(0, tokens // len(lines) - 20) // TOKENS_PER_SENTENCE
    return [f"{line} {words.text(draw, more)}".strip() for line in lines]


def _instance(schema: Any, draw: Draw, words: Words) -> Any:
    """Return a value that a JSON schema allows; of the schema's words the common ones."""
    if not isinstance(schema, dict):
        return words.name(draw)
    if "enum" in schema:
        return draw.choice(schema["enum"])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        return {name: _instance(part, draw, words) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        few = max(int(schema.get("minItems", 0)), 2)
        return [_instance(schema.get("items", {}), draw, words) for _ in range(min(few, int(schema.get("maxItems", few))))]
    if kind in ("integer", "number"):
        least = int(schema.get("minimum", 1))
        return draw.randint(least, int(schema.get("maximum", least + 9)))
    return {"boolean": draw.random() < YES, "null": None}.get(kind, words.text(draw, 1))
