"""The ROW and LEDGER schemas, the content id, and the views that stages compare.

A dataset is a directory of Parquet shards with this one schema, flat because people read it in pandas. `messages` is null
when the flat columns say it all (one user turn and one answer); else it is the truth, without a leading system turn
(which is `system`), and the flat columns show its last exchange.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

View = Literal["instruction", "context", "answer", "answers", "conversation"]

ROLES = ("user", "assistant", "system", "tool")
TURN = pa.struct(
    [
        ("role", pa.string()),  # one of ROLES
        ("content", pa.string()),  # null where the turn is only a tool call
        ("tool_calls", pa.string()),  # JSON as the source wrote it: one call or a list of calls
        ("tool_call_id", pa.string()),
        ("reasoning", pa.string()),  # what a reasoning model thought, never part of the answer
        ("train", pa.bool_()),  # false: the loss skips this turn
        ("weight", pa.float64()),  # weight of this turn in the loss, null = 1 for answers
    ]
)
CANDIDATE = pa.struct([("text", pa.string()), ("score", pa.float64()), ("source", pa.string())])
GENERATION = pa.struct(
    [
        ("model", pa.string()),
        ("prompt_hash", pa.string()),
        ("request_key", pa.string()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),  # reasoning among them
        ("reasoning_tokens", pa.int64()),
        ("cost_usd", pa.float64()),  # this row's share of what its requests cost
    ]
)
ROW = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("instruction", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),
        pa.field("output", pa.string(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("messages", pa.list_(TURN)),
        pa.field("tools", pa.string(), nullable=False),
        pa.field("candidates", pa.list_(CANDIDATE)),
        pa.field("source", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("parents", pa.list_(pa.string())),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("extra", pa.string(), nullable=False),
        pa.field("generation", GENERATION),
    ]
)
FATE = [
    pa.field("stage", pa.string(), nullable=False),
    pa.field("reason", pa.string(), nullable=False),
    pa.field("score", pa.float64()),
    pa.field("threshold", pa.float64()),
    pa.field("witness_id", pa.string()),
    pa.field("evidence", pa.string()),
]
LEDGER = pa.schema([*ROW, *FATE])
REWRITTEN = pa.schema([pa.field(n, pa.string(), nullable=False) for n in ("old_id", "new_id", "stage")])
TEXT_COLUMNS = ("instruction", "input", "output", "system", "tools", "source", "language", "extra")
TURN_KEYS = tuple(field.name for field in TURN)

Row = dict[str, Any]  # one row as Python values, with the keys of ROW

_EMPTY: Row = {**dict.fromkeys(ROW.names), **dict.fromkeys(TEXT_COLUMNS, ""), "repeat": 1}
_ESCAPED = re.compile(r"(?<!\\)\\++u(?:[dD][89abAB][0-9A-Fa-f]{2}\\++u[dD][c-fC-F][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})")
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def new_row(**fields: Any) -> Row:
    """Return a whole row from the given columns: texts default to "", lists to null, `repeat` to 1; the id is computed.

    Raises:
        KeyError: a column that ROW does not have.
        UnicodeEncodeError: a text holds a lone surrogate, so it cannot be stored.
    """
    row = _EMPTY.copy()
    for name, value in fields.items():
        if name not in row:
            raise KeyError(name)
        row[name] = value
    row["id"] = row_id(row)
    return row


def turn(role: str, content: str | None, **fields: Any) -> dict[str, Any]:
    """Return one element of `messages`, its absent keys null."""
    return {**dict.fromkeys(TURN_KEYS), "role": role, "content": content, **fields}


def conversation_turns(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every turn of a row as `messages` would hold it, the system turn first where there is one."""
    turns = [turn("system", row["system"])] if row["system"] else []
    if row["messages"] is not None:
        return turns + [dict(t) for t in row["messages"]]
    task = row["instruction"]
    if row["input"]:
        task = f"{task}\n\n{row['input']}" if task else row["input"]
    return [*turns, turn("user", task), turn("assistant", row["output"])]


def row_id(row: Mapping[str, Any]) -> str:
    """Return the blake2b-128 hex digest of the conversation: system, turns, tools and candidates, nothing else.

    Two rows with the same conversation have the same id whatever file, source, language or score they carry.
    """
    if row["messages"] is None:
        said: Any = [row["instruction"], row["input"], row["output"]]
    else:
        said = [{k: v for k, v in t.items() if v is not None} for t in row["messages"]]
    candidates = [[c["text"], c["source"]] for c in row["candidates"] or ()]
    canonical = _CANONICAL([row["system"], said, row["tools"], candidates])
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Return rows as one Arrow table with the ROW schema."""
    rows = list(rows)
    return pa.table({f.name: pa.array([r[f.name] for r in rows], f.type) for f in ROW}, schema=ROW)


def dropped_row(row: Row, stage: str, reason: str, **fate: Any) -> Row:
    """Return a ledger row: the row with the stage and reason of its drop, and score, threshold, witness or evidence."""
    return {**row, **dict.fromkeys(("score", "threshold", "witness_id", "evidence")), "stage": stage, "reason": reason, **fate}


def operation_of(row: Mapping[str, Any]) -> str | None:
    """Return the operation that made a row of another one (Evol-Instruct's), or None."""
    found = extra_of(row).get("operation")
    return found if isinstance(found, str) else None


def extra_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names and values in a row's `extra`; none where it holds something else."""
    try:
        found = json.loads(row["extra"] or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def view(table: pa.Table, name: View) -> list[str]:
    """Return one text per row: what a stage compares.

    `instruction`: the task of the last user turn. `context`: system, every turn before the answer that ends it, and the
    input; two conversations that wait for the answer to different questions are two. `answer`: the last assistant turn, a
    tool call included, though nobody answered what came after it: so the row is trained. `answers`: every assistant turn.
    `conversation`: system, tools, every turn, other candidates.
    """
    columns: dict[str, list[Any]] = {
        c: table.column(c).to_pylist() for c in ("instruction", "input", "output", "system", "messages")
    }
    if name == "instruction":
        return columns["instruction"]
    messages = columns["messages"]
    if name == "answer":
        return [o if m is None else _answer(m) for o, m in zip(columns["output"], messages, strict=True)]
    if name == "answers":
        return [o if m is None else _joined(map(said, _answers(m))) for o, m in zip(columns["output"], messages, strict=True)]
    flat = zip(columns["system"], columns["instruction"], columns["input"], columns["output"], messages, strict=True)
    if name == "context":
        return [_joined((s, i, x)) if m is None else _joined((s, *map(said, _unanswered(m)))) for s, i, x, _, m in flat]
    texts = [_joined((s, i, x, o)) if m is None else _joined((s, *map(said, m))) for s, i, x, o, m in flat]
    tools_of: list[Any] = table.column("tools").to_pylist()
    candidates_of: list[Any] = table.column("candidates").to_pylist()
    others = zip(texts, tools_of, candidates_of, strict=True)
    return [_joined((text, tools, *(c["text"] for c in candidates or ()))) for text, tools, candidates in others]


def said(turn: Mapping[str, Any]) -> str:
    """Return what a turn says: its content and its tool call, whose escapes are the letters that they stand for."""
    calls = turn.get("tool_calls") or ""
    return _joined((turn["content"] or "", _ESCAPED.sub(_letters, calls) if "\\u" in calls else calls))


def _letters(found: re.Match[str]) -> str:
    r"""The letters of JSON escapes beyond ASCII, of JSON text inside JSON too; others stay."""
    units = [int(unit, 16) for unit in re.findall("[0-9A-Fa-f]{4}", found.group())]
    letters = b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")
    return letters if min(units) > 0x9F and "\ufffd" not in letters else found.group()


def transcript(turns: Iterable[Mapping[str, Any]]) -> str:
    """Return what turns say as one text, each after its role where more than one speaks beside the system."""
    shown = [(t["role"], text) for t in turns if (text := said(t))]
    several = sum(role != "system" for role, _ in shown) > 1
    return "\n\n".join(f"{role}: {text}" if several else text for role, text in shown)


def tasks(table: pa.Table) -> list[str]:
    """Return what the `answer` of each row answers, as a judge reads it: of a conversation every turn before, with its role."""
    columns = zip(view(table, "context"), table.column("system").to_pylist(), table.column("messages").to_pylist(), strict=True)
    return [
        context if m is None else transcript([turn("system", system), *m[: _answer_at(m)]]) for context, system, m in columns
    ]


def _answer_at(messages: Sequence[Mapping[str, Any]]) -> int:
    """Index of the last assistant turn; the number of turns where there is none."""
    return max((i for i, turn in enumerate(messages) if turn["role"] == "assistant"), default=len(messages))


def _answer(messages: Sequence[Mapping[str, Any]]) -> str:
    return "".join(map(said, messages[_answer_at(messages) :][:1]))


def _unanswered(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return all turns but an answer that ends them."""
    return messages[:-1] if _answer_at(messages) == len(messages) - 1 else messages


def _answers(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m for m in messages if m["role"] == "assistant"]


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(p for p in parts if p)
