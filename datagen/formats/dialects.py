"""Records of the dialects that data sets are published in, as the records of the shapes that say the same.

distilabel (`generation`, `generations`), the seed tasks of self-instruct (`instances`), UltraFeedback (`completions`),
Gemini (`contents` of `parts`), OpenAI's older `functions`, SQuAD (`context`), conversations as JSON or Python
text in a cell, names with blanks or capitals or in Chinese and Thai, null and NaN for what is missing. `dialogues` has the
conversations that are no turns.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from datagen.formats.answers import answer_field, other_answers, with_answer, with_material
from datagen.formats.choices import with_choices
from datagen.formats.dialogues import with_turns
from datagen.formats.names import ANSWERS, CONVERSATIONS, MATERIAL, PROMPTS, SIDES, in_their_names, known_name, pair_in
from datagen.formats.notes import Notes
from datagen.formats.parts import NeedsImages, plain_turns, text_of_parts
from datagen.formats.preferences import with_pair
from datagen.formats.roles import is_answer
from datagen.formats.shape import Record, dumps
from datagen.formats.tools import without_nulls
from datagen.remnants import LONGEST_MARK, marks_nothing

_MEDIA = tuple(f"{kind}{plural}" for kind in ("image", "audio", "video") for plural in ("", "s"))
_PLACEHOLDER = re.compile(r"<(?:image|audio|video)>")
_MARKED = frozenset({*MATERIAL, "system"})  # fields that may hold a mark that there is none
_PLAIN = frozenset({"instruction", "input", "output"})
_GAP = re.compile(r"\}[^\S\n]*+\n\s*+\{")  # how NumPy prints a list of maps: without commas


def understood(record: Record, notes: Notes | None = None) -> list[Record]:
    """Return the plain records that a record says: itself where its shape is known, one per instance of a seed task.

    Args:
        record: of a file.
        notes: gets what a person should know of the reading.

    Raises:
        NeedsImages: it says something in images, sound, video or files.
        ValueError: a field that should hold text or turns holds something else.
    """
    notes = Notes() if notes is None else notes
    plain = (
        "instruction" in record
        and record.keys() <= _PLAIN
        and record.get("output")
        and all(type(value) is str for value in record.values())
    )
    if not plain or 0 < len(record.get("input", "")) <= LONGEST_MARK:
        record = _without_marks(record, notes)
    if plain:
        return [record]  # most rows that there are
    instances = record.get("instances")
    if is_maps(instances) and "instruction" in record and "output" not in record:
        others = {key: value for key, value in record.items() if key != "instances"}
        return [one for each in instances for one in understood({**others, **each}, notes)]
    said = with_pair(_tools(_turns(_parsed(with_turns(_named(record))))))
    if not any(is_maps(said.get(name)) for name in CONVERSATIONS[:2]):
        said = _paired(said)
        asked = with_choices(said, notes)
        for words in other_answers(asked):
            notes.add(in_own_names(words, record))
        said = _sides(with_answer(with_material(asked, notes), notes))
    _check_media(said)
    return [said]


def _without_marks(record: Record, notes: Notes) -> Record:
    """Return a record without the marks for no material and no system prompt (`<noinput>`, `N/A`), as if they were null.

    An input that has no task beside it is the task itself, and stays.
    """
    marked: list[str] = []
    task = ""
    for key, value in record.items():
        if type(value) is str and 0 < len(value) <= LONGEST_MARK and (key in _MARKED or known_name(key) in _MARKED):
            task = task or " ".join(v for k, v in record.items() if known_name(k) in PROMPTS and isinstance(v, str))
            if marks_nothing(value, task) and (known_name(key) == "system" or task.strip()):
                marked.append(key)
    for key in marked:
        notes.add(f"'{key}' is only a mark that there is none (<noinput>, N/A, nan, …), and is read as empty")
    return {key: "" if key in marked else value for key, value in record.items()} if marked else record


def is_maps(value: Any) -> TypeGuard[list[Record]]:
    """Whether a value is a non-empty list of maps."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _named(record: Record) -> Record:
    """Return the record with its known names in small letters and without blanks (` output`, `Answer`)."""
    better = _better_names(record)
    return {better.get(key, key): value for key, value in record.items()} if better else record


def _better_names(record: Record) -> dict[str, str]:
    better = {key: name for key in record if (name := known_name(key)) != key and name not in record}
    names = [*better.values(), *(["system"] if _has_system(record) else [])]  # said once: by the turn
    return {key: name for key, name in better.items() if names.count(name) == 1}


def in_own_names(problem: str, record: Record) -> str:
    """Return what is wrong with a record in the names of its file, which a person finds there: '答案', not 'answer'."""
    return in_their_names(problem, _better_names(record))


def _has_system(record: Record) -> bool:
    """Whether a conversation of the record begins with a system turn."""
    first = [record[name][0] for name in CONVERSATIONS if is_maps(record.get(name))]
    return any(str(said.get("role", said.get("from"))).casefold() in ("system", "developer") for said in first)


def _paired(record: Record) -> Record:
    """Return a record whose task and answer are known only by standing together (`human`, `assistant`) with known names."""
    if any(name in record for name in (*PROMPTS, *CONVERSATIONS, *SIDES)) or (names := pair_in(record)) is None:
        return record
    if not all(isinstance(record[name], (str, type(None))) for name in names):
        return record
    ours = dict(zip(names, ("prompt", "completion"), strict=True))
    return {ours.get(key, key): value for key, value in record.items()}


def _parsed(record: Record) -> Record:
    """Return the record with the turns and tools that stand in it as JSON or Python text as lists."""
    found = {}
    for name in (*CONVERSATIONS, *PROMPTS[1:], *SIDES, "completion", "functions"):
        value = record.get(name)
        if isinstance(value, str) and (turns := parsed_turns(value, ("name",) if name == "functions" else ())) is not None:
            found[name] = turns
    return {**record, **found} if found else record


def parsed_turns(text: str, names: Iterable[str] = ()) -> list[Record] | None:
    """Return the list of turns that a text is, as JSON or as Python prints it; null for any other text.

    Args:
        text: the text of a cell.
        names: more fields by which a map is known for a turn.
    """
    marks = {"role", "from", *names}
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]") and text[1:].lstrip().startswith("{")):
        return None
    for read, said in ((json.loads, text), (ast.literal_eval, text), (ast.literal_eval, _GAP.sub("},{", text))):
        try:
            value = read(said)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if is_maps(value) and all(marks & turn.keys() for turn in value):
            return value
    return None


def _turns(record: Record) -> Record:
    """Return the record with plain turns wherever it holds turns."""
    record = _conversation(record)
    found: Record = {}
    for name in (*CONVERSATIONS[:2], *PROMPTS[1:], *SIDES, *ANSWERS):
        value = record.get(name)
        if is_maps(value) and (name in CONVERSATIONS or all("role" in t or "from" in t for t in value)):
            if name in SIDES and "from" in value[0]:
                if len(value) > 1:
                    raise ValueError(
                        f"the field '{name}' holds several turns of 'from'; write them as messages of role and content"
                    )
                found[name] = (plain_turns(value) or value)[-1]
            elif name not in CONVERSATIONS or any("role" in t or "from" in t for t in value):
                found[name] = plain_turns(value)
        elif name in SIDES and isinstance(value, dict) and ("role" in value or "from" in value):
            found[name] = (plain_turns([value]) or [value])[-1]
    found = {name: value for name, value in found.items() if value is not record[name]}
    record = {**record, **found} if found else record
    system = record.get("system")
    if isinstance(system, (list, dict)) and system:
        record = {**record, "system": text_of_parts(system)}
    return record


def _conversation(record: Record) -> Record:
    """Return the record with its turns under `messages` where they have another known name and nothing else asks."""
    if any(name in record for name in (*CONVERSATIONS[:2], "instruction", *PROMPTS)):
        return record
    name = next((name for name in CONVERSATIONS[2:] if is_maps(record.get(name))), None)
    if name is None or not all("role" in t or "from" in t for t in record[name]):
        return record
    ours = "messages" if "role" in record[name][0] else "conversations"
    record = {ours if key == name else key: value for key, value in record.items()}
    system = next((key for key in ("systemInstruction", "system_instruction") if key in record), None)
    if system and "system" not in record:
        text = text_of_parts(record[system]) if record[system] else ""
        record = {"system" if k == system else k: text if k == system else v for k, v in record.items()}
    return record


def _tools(record: Record) -> Record:
    """Return the record with its tools in OpenAI's newer field, without the null padding of Arrow."""
    offered = record.get("functions")
    if is_maps(offered) and not record.get("tools"):
        tools = [{"type": "function", "function": without_nulls(one)} for one in offered]
        return {**{k: v for k, v in record.items() if k not in ("functions", "tools")}, "tools": tools}
    if is_maps(record.get("tools")) and (tools := without_nulls(record["tools"])) != record["tools"]:
        return {**record, "tools": tools}
    return record


def _sides(record: Record) -> Record:
    """Return a record whose prompt is a list of messages with its answer as a list, too."""
    prompt = record.get("prompt")
    if not is_maps(prompt) or any(name in record for name in ("instruction", *SIDES)):
        return record
    name = answer_field(record) or "completion"
    answer = record.get(name)
    if isinstance(answer, str):
        return {**record, name: [{"role": "assistant", "content": answer}]}
    return {**record, name: []} if answer is None else record


def _check_media(record: Record) -> None:
    """Raise NeedsImages for a record that speaks of the images, sounds or videos beside its text."""
    for name in _MEDIA:
        value = record.get(name)
        if not value:
            continue
        one = value[0] if isinstance(value, list) else value
        if isinstance(one, (dict, bytes)) or _PLACEHOLDER.search(dumps({k: v for k, v in record.items() if k != name})):
            raise NeedsImages(f"it speaks of what the field '{name}' holds; datagen trains on texts")


def has_answer(record: Mapping[str, Any]) -> bool:
    """Whether a record has a field, or a turn, for an answer: under a known name, even if nothing is in it."""
    for plain in understood(dict(record)):
        for name in (*CONVERSATIONS[:2], "prompt"):
            turns = plain.get(name)
            if is_maps(turns) and any(map(is_answer, turns)):
                return True
        if any(plain.get(name, []) != [] for name in (*ANSWERS, *SIDES, "candidates")):
            return True
    return False
