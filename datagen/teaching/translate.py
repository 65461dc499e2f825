"""The same task in other languages: question and answer, with numbers, code and formulas kept, for cross-lingual training.

Source: Chen et al. 2023 (MathOctopus, arXiv 2310.20246): parallel rows of one task, and rows whose question and answer are in
two languages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import regex

from datagen.answers.instruction import plain
from datagen.answers.numbers import changed
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.judge import AGAIN_TEMPERATURE
from datagen.chat.prompt import prompt_hash
from datagen.data.rows import Row
from datagen.kinds.translate import Translate
from datagen.teaching.desk import Desk, has_tools, shown, with_extra
from datagen.text.language import identify, is_in
from datagen.text.names import CODES, DECIMAL_COMMA, name_of, of_prompts
from datagen.text.row_language import language_of
from datagen.text.tokens import tokens

AGAIN = 1  # more answers, where one changes a number or is in another language
LOCAL_TOKENS = 384
NAME = 3  # tokens of a text that may be the same in two languages, as a name or a letter is
# What is the same in every language: code, formulas, addresses, and the mark of a worked answer.
_KEPT = regex.compile(
    r"```.*?```|`[^`\n]+`|\$\$(?=[^$]*[\\^_{}=])[^$]+\$\$|⟦\s?\d+\s?⟧|\\\([^\\]*+(?:\\[^()][^\\]*+)*+\\\)"
    r"|\\\[[^\\]*+(?:\\[^\[\]][^\\]*+)*+\\\]"
    # A formula between dollar signs, but no sum of money: it begins with no number and holds no two words in a row.
    r"|\$(?![\s\d])(?![^$\n]*[A-Za-z]{2}\s+[A-Za-z]{2})(?=[^$\n]*[\\^_{}=])[^$\n]*+\$"
    r"|https?://[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}，。、；：！？（）「」]+|<<[^<>\n]*>>"
    r"|^####[ \t]*[-$€£¥฿]{0,2}\p{Nd}[\p{Nd}.,/%]*+[ \t]*$",
    flags=regex.S | regex.M,
)
_MARK = regex.compile(r"⟦\s?(\d+)\s?⟧")


class Translating:
    """Adds to each row the same one in other languages."""

    adds: ClassVar[bool] = True

    def __init__(self, step: str, chat: Chat, options: Translate) -> None:
        """Take the options."""
        self._desk, self._options = Desk(step, chat, options, LOCAL_TOKENS), options

    async def taught(self, row: Row) -> list[Row]:
        """Return the row in each language, or why there is none."""
        own = row["language"] or language_of(row["instruction"], row["output"])
        if has_tools(row):
            said = "what a tool was asked and said is in no language"
            return [self._desk.no_child(row, "needs_tools", said, code) for code in self._options.to if code != own]
        wanted = [code for code in dict.fromkeys(self._options.to) if code != own]
        found = await asyncio.gather(*(self._into(row, own, code) for code in wanted))
        return [one for rows in found for one in rows]

    async def _into(self, row: Row, own: str, code: str) -> list[Row]:
        desk = self._desk
        extra = with_extra(row, ("operation", "round", "root"), aligned=row["id"])
        empty = {"language": code, "parents": [row["id"]], "extra": extra}
        if row["messages"] is not None:
            turns = [t["content"] or "" for t in row["messages"]]
        else:
            turns = [row["instruction"], row["input"], row["output"]]
        texts = [*turns, row["system"]]
        parts = await asyncio.gather(*(self._text(text, own, code) for text in texts))
        answers = [a for part in parts for a in part.answers]
        if lost := next((p for p in parts if p.reason), None):
            failed = desk.made(row, answers, [self._hash(own)], **empty)
            failed["id"] = prompt_hash(row["id"], code) * 2  # it says what its original does, and is not it
            return [desk.lost(failed, str(lost.reason), lost.evidence)]
        *said, system = (p.text for p in parts)
        if row["messages"] is not None:
            turned = [
                {**t, "content": text or t["content"], "reasoning": None} for t, text in zip(row["messages"], said, strict=True)
            ]
            users = [t["content"] or "" for t in turned if t["role"] == "user"]
            last = turned[-1]["content"] or "" if turned and turned[-1]["role"] == "assistant" else ""
            shape = {"messages": turned, "instruction": users[-1] if users else "", "output": last}
            return [desk.made(row, answers, [self._hash(own)], **empty, **shape, system=system, candidates=None)]
        task, material, answer = said
        made = {**empty, "system": system, "candidates": None}
        rows = [desk.made(row, answers, [self._hash(own)], **made, instruction=task, input=material, output=answer)]
        if self._options.mixed and row["output"].strip():
            back = {**made, "language": own, "output": row["output"]}
            rows.append(desk.made(row, answers, [self._hash(own)], **back, instruction=task, input=material))
            kept = {**made, "system": row["system"], "instruction": row["instruction"], "input": row["input"]}
            rows.append(desk.made(row, answers, [self._hash(own)], **kept, output=answer))
        return rows

    def _hash(self, own: str) -> str:
        return self._desk.prompt("translate_row", self._spoken(own)).hash

    def _spoken(self, own: str) -> str:
        if self._options.language != "auto":
            return self._options.language
        return of_prompts(own)

    async def _text(self, text: str, own: str, code: str) -> _Part:
        """Return a text in another language; one that is nothing but what stays the same is as it is."""
        kept: list[str] = []

        def put_away(hit: regex.Match[str]) -> str:
            kept.append(hit.group())
            return f"⟦{len(kept)}⟧"

        open_text = _KEPT.sub(put_away, text)
        if not any(c.isalpha() for c in _MARK.sub("", open_text)):
            return _Part(text)
        spoken = self._spoken(own)
        prompt = self._desk.prompt("translate_row", spoken)
        source = name_of(own, spoken) if own in CODES else own
        messages = prompt.messages(text=open_text, source=source, target=name_of(code, spoken))
        part = _Part("")
        answers: list[Completion] = []
        for draw in range(1 + AGAIN):
            warmer = AGAIN_TEMPERATURE if draw and self._options.temperature == 0 else None
            answer = await self._desk.ask(messages, draw, temperature=warmer)
            answers.append(answer)
            part = _read(answer, open_text, kept, code)
            if part.reason is None or part.reason == "request_failed":
                break
        return _Part(part.text, part.reason, part.evidence, tuple(answers))


@dataclass(frozen=True)
class _Part:
    """A text in another language, or why it is none."""

    text: str
    reason: str | None = None
    evidence: str | None = None
    answers: tuple[Completion, ...] = ()


def _read(answer: Completion, text: str, kept: Sequence[str], code: str) -> _Part:
    """Return the translation that an answer holds, checked: marks, numbers, language."""
    if answer.text is None:
        return _Part("", "request_failed", answer.error)
    if answer.cut_by:
        return _Part("", answer.cut_by, shown(f"({answer.finish_reason}) {answer.text}"))
    said = answer.text.strip()
    if plain(text) == text.strip():  # what the text itself does not begin with was added
        said = plain(said)
    if not said:
        return _Part("", "empty_answer")
    if sorted(_MARK.findall(said)) != [*map(str, sorted(range(1, len(kept) + 1), key=str))]:
        return _Part("", "changed_code", shown(said))
    lost, new = changed(_MARK.sub("", text), _MARK.sub("", said), decimal_comma=code in DECIMAL_COMMA)
    if lost or new:
        told = [f"without {', '.join(lost[:5])}"] * bool(lost) + [f"with {', '.join(new[:5])}"] * bool(new)
        return _Part("", "changed_numbers", f"{'; '.join(told)}: {shown(said)}")
    if not is_in(said, code) or (said == text and len(tokens(text)) > NAME):
        return _Part("", "wrong_language", f"{identify(said)[0] or 'the same text'}: {shown(said)}")
    return _Part(_MARK.sub(lambda hit: kept[int(hit[1]) - 1], said))
