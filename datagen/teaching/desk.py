"""Where every teacher asks: prompts in the language of the row, rows that tell their origin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.prompt import Prompt, prompt_hash
from datagen.chat.usage import generation
from datagen.data.rows import Row, conversation_turns, dropped_row, extra_of, new_row, turn
from datagen.formats.shape import KEY as SHAPE
from datagen.json_text import dumps
from datagen.teacher import Teacher
from datagen.text.names import of_prompts
from datagen.text.row_language import language_of

SHOWN = 300  # characters of an answer in evidence


class Desk:
    """One step's way to its model."""

    def __init__(self, step: str, chat: Chat, options: Teacher, local_tokens: int) -> None:
        """Take the step's name, the chat and the options; `local_tokens` ends a local model's answer."""
        self.step, self.chat, self.options = step, chat, options
        self._sampling = options.sampled(local_tokens)
        self._prompts: dict[tuple[str, str], Prompt] = {}

    async def ask(
        self, messages: Sequence[Mapping[str, Any]], draw: int = 0, *, temperature: float | None = None,
        tokens: int | None = None,
    ) -> Completion:  # fmt: skip
        """Return the answer to a conversation.

        Args:
            messages: the conversation.
            draw: index that tells equal requests apart.
            temperature: in the place of the options', where those have one.
            tokens: limit of the answer, where that is lower.
        """
        body = {"messages": list(messages), **self._sampling}
        if temperature is not None and body["temperature"] is not None:
            body["temperature"] = temperature
        if tokens is not None:
            body["max_tokens"] = min(tokens, body["max_tokens"])
        return await self.chat.complete("chat/completions", body, draw)

    def prompt(self, name: str, language: str) -> Prompt:
        """Return a prompt, read once."""
        if (name, language) not in self._prompts:
            self._prompts[name, language] = Prompt(name, language, self.options.prompts)
        return self._prompts[name, language]

    def spoken(self, row: Row) -> str:
        """The language of the prompts for a row."""
        if self.options.language != "auto":
            return self.options.language
        return of_prompts(row["language"] or language_of(row["instruction"], row["output"]))

    def made(self, row: Row, answers: Sequence[Completion], hashes: Sequence[str], **changes: Any) -> Row:
        """Return a row like another one with some columns changed, its id new and its origin told."""
        told = {k: v for k, v in row.items() if k in _COLUMNS} | changes
        return {**row, **new_row(**told, generation=generation(self.chat.name, answers, prompt_hash(*hashes)))}

    def lost(self, row: Row, reason: str, evidence: str | None = None, **fate: Any) -> Row:
        """Return a ledger row."""
        return dropped_row(row, self.step, reason, evidence=evidence, **fate)

    def no_child(self, row: Row, reason: str, evidence: str, *told: str) -> Row:
        """Return the ledger row of a new row that was not made of one that stays; its id says from what and what for."""
        return self.lost({**row, "id": prompt_hash(row["id"], *told) * 2, "parents": [row["id"]]}, reason, evidence)

    def refused(self, row: Row, answer: Completion) -> Row | None:
        """Return the ledger row where an answer cannot be used: none, an empty one, or one that was cut."""
        if answer.text is None:
            return self.lost(row, "request_failed", answer.error)
        if answer.cut_by:
            return self.lost(row, answer.cut_by, shown(f"({answer.finish_reason}) {answer.text}"))
        return None if answer.text.strip() else self.lost(row, "empty_answer")


_COLUMNS = frozenset(new_row()) - {"id", "generation"}


def shown(text: str) -> str:
    """Return the beginning of an answer as evidence."""
    return " ".join(text.split())[:SHOWN]


def with_extra(row: Row, without: Sequence[str] = (), **fields: Any) -> str:
    """Return a row's `extra` with some fields more, those that are null left out, and `without` what is not of the new row.

    How its file wrote the row is forgotten: the new row is another one, and is written as its format is.
    """
    try:
        before = json.loads(row["extra"]) if row["extra"] else {}
    except ValueError:
        before = {"raw": row["extra"]}
    kept = {k: v for k, v in before.items() if k not in (SHAPE, *without)} if isinstance(before, dict) else {"raw": before}
    return dumps({**kept, **{k: v for k, v in fields.items() if v is not None}})


def with_reference(row: Row, **fields: Any) -> str:
    """Return a row's `extra` with the answer that it has as `reference`, and its other candidates as `reference_candidates`.

    Where it has a reference, the first one stays.
    """
    known = extra_of(row)
    others = [c for c in row["candidates"] or () if c["text"] != row["output"]]
    return with_extra(
        row,
        reference=known.get("reference") or row["output"] or None,
        reference_candidates=known.get("reference_candidates") or others or None,
        **fields,
    )


def with_answer(row: Row, text: str) -> dict[str, Any]:
    """Return the columns of a row whose last answer is another one: `output`, and `messages` where it has them."""
    if row["messages"] is None:
        return {"output": text}
    turns = [dict(t) for t in row["messages"]]
    if turns and turns[-1]["role"] == "assistant":
        turns[-1] = {**turns[-1], "content": text, "reasoning": None}
    else:
        turns.append(turn("assistant", text))
    return {"output": text, "messages": turns}


def asked_messages(row: Row) -> list[dict[str, str]]:
    """Return what a row asks, as the messages of a request: all of it but its last answer.

    Turns without a content (tool calls) are left out; a row with tools is refused before.
    """
    turns = conversation_turns(row)
    if turns and turns[-1]["role"] == "assistant":
        turns.pop()
    return [{"role": t["role"], "content": t["content"]} for t in turns if t["content"]]


def has_tools(row: Row) -> bool:
    """Whether a row offers, calls or answers tools, which a plain answer cannot stand for."""
    return bool(row["tools"]) or any(t["tool_calls"] or t["role"] == "tool" for t in row["messages"] or ())
