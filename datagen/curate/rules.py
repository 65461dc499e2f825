"""Rows that are broken whatever they say: an empty answer, a prompt template left in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import regex

from datagen.rows import view
from datagen.stage import Context, Stage, Verdict

# Text that only a template or a serialiser leaves in a row: placeholders, field headings at the start of an answer,
# control tokens of chat templates. Each alternative is a whole remnant, so that text about templates is not hit.
_PLACEHOLDER = regex.compile(
    r"^\s*(?:<no ?input>|<no ?output>|\{(?:instruction|input|output)\}|n/?a\b|none|null|nan)?[\s.]*$", regex.I
)
_HEADING = regex.compile(r"^\s*#{2,6}\s*(?:Instruction|Input|Response)\s*:\s*$", regex.I | regex.M)
_MARKER = r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id|begin_of_text)\|>|\[/?INST\]|<</?SYS>>"
_CONTROL = regex.compile(rf"\A\s*(?:{_MARKER})|(?:{_MARKER})\s*\Z|<\|im_start\|>(?:system|user|assistant)\b")
_VISIBLE = regex.compile(r"[^\p{C}\p{Z}]")


@dataclass(frozen=True)
class Rules(Stage):
    r"""Drop rows with an empty answer or with remnants of a prompt template.

    `empty_answer`: the final answer has no visible character and calls no tool; example: `"output": " \n"`.
    `template_remnant`: a control token of a chat template at an end of the task or the answer, or one that opens a turn; a
    `### Field:` heading alone on a line of an answer; a task that is a placeholder. Examples: `"output": "Paris.<|im_end|>"`,
    `"output": "### Response:\nParis."`, `"instruction": "{instruction}"`.
    """

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"empty_answer", "template_remnant"})

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the broken rule (null = none) and the text that broke it."""
        found = [
            _broken(task, answer, material)
            for task, answer, material in zip(
                view(rows, "instruction"), view(rows, "answer"), rows.column("input").to_pylist(), strict=True
            )
        ]
        return {
            "reason": pa.array([f[0] if f else None for f in found], pa.string()),
            "evidence": pa.array([f[1] if f else None for f in found], pa.string()),
        }

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Drop each row that broke a rule."""
        return Verdict(columns.column("reason").combine_chunks(), evidence=columns.column("evidence").combine_chunks())


def _broken(task: str, answer: str, material: str) -> tuple[str, str | None] | None:
    """Return the reason and the evidence of the first rule that a row breaks."""
    if not _VISIBLE.search(answer):
        return "empty_answer", None
    for text, patterns in ((answer, (_CONTROL, _HEADING)), (task, (_CONTROL,)), (material, (_CONTROL,))):
        for pattern in patterns:
            if hit := pattern.search(text):
                return "template_remnant", hit.group().strip()
    if task.strip() and _PLACEHOLDER.fullmatch(task):
        return "template_remnant", task.strip()
    return None
