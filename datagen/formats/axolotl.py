"""Axolotl's `chat_template` datasets, written only: messages with a `train` flag, and the lines for its YAML config.

Format: https://docs.axolotl.ai/docs/dataset-formats/conversation.html. They are read as `messages`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from datagen.data.rows import conversation_turns
from datagen.formats.conversation import is_pair, prompt_turns
from datagen.formats.format import Format
from datagen.formats.messages import answer_turns, write_turn
from datagen.formats.shape import Record, dumps
from datagen.formats.tools import functions

NAME = "axolotl"


def write_record(row: Mapping[str, Any]) -> Record:
    """Return the record of a row: `messages` and `tools`; prompt, `chosen` and `rejected` for a preference row."""
    turns = conversation_turns(row)
    record: Record = {"messages": [_message(t) for t in (prompt_turns(turns) if is_pair(row) else turns)]}
    if is_pair(row):
        record["chosen"], record["rejected"] = (_message(t) for t in answer_turns(row, turns))
    tools = functions(row["tools"])
    if tools:
        record["tools"] = tools
    return record


def _message(said: Mapping[str, Any]) -> Record:
    """Return a turn as a message; Axolotl only knows trained or not, so a weight of 0 becomes `train: false`."""
    message = write_turn(said)
    message["content"] = message["content"] or ""
    weight = message.get("weight")
    if weight is not None:
        message.setdefault("train", weight != 0)
        if weight in (0, 1):
            del message["weight"]
    return message


def config(path: str, *, training: bool, tools: bool, preference: bool) -> str:
    """Return the lines for an Axolotl config that use the file.

    Args:
        path: the file, as the config should name it.
        training: whether turns say for themselves if they are trained on.
        tools: whether rows offer tools.
        preference: whether the rows are pairs of answers (DPO).
    """
    lines = [f"  - path: {dumps(path)}", "    ds_type: json"]
    if preference:
        lines = ["rl: dpo", "datasets:", *lines, "    split: train", "    type: chat_template.default"]
        lines += ["    field_messages: messages", "    field_chosen: chosen", "    field_rejected: rejected"]
    else:
        lines = ["datasets:", *lines, "    type: chat_template", "    field_messages: messages"]
    lines += ["    message_property_mappings:", "      role: role", "      content: content"]
    if tools:
        lines += ["    field_tools: tools"]
    if training and not preference:
        lines += ["    message_field_training: train"]
    return "\n".join(lines) + "\n"


def _config(file_name: str, kinds: Counter[str]) -> str:
    uses = {kind: bool(kinds[kind]) for kind in ("training", "tools", "preference")}
    return config(file_name, **uses)


FORMAT = Format(NAME, write_record, config=_config, tools="functions", candidates=False, mixed="own")
