"""The answer of a record of plain fields: which field holds it, and what a list, a number or a map there means."""

from __future__ import annotations

from typing import Any

from datagen.formats.names import ANSWERS, LISTS, MATERIAL, PROMPTS, SIDES
from datagen.formats.shape import Record, dumps, text_of

_TEXTS = ("response", "text", "content", "generation", "output", "completion", "answer")  # of one of several answers
_SCORES = ("fine-grained_score", "overall_score", "score", "rating")


def with_answer(record: Record) -> Record:
    """Return a record of a task with its answer as a text under a known name, further ones as `candidates`, the best first.

    Raises:
        ValueError: the task or the answer is a map or a list of something else than texts.
    """
    task = next((name for name in PROMPTS if name in record), None)
    if task is None:
        return record
    target = "output" if task == "instruction" else "completion"
    _check_task(record, task)
    if all(name in record for name in SIDES):
        return record
    name = next((name for name in (target, *ANSWERS) if not _is_missing(record.get(name))), None)
    if name is not None:
        if name != target and target in record:
            record = {key: value for key, value in record.items() if key != target}
        return _with_text(record, name)
    several = next((name for name in LISTS if not _is_missing(record.get(name))), None)
    if several is None:
        empty = {name: None for name in (target, *ANSWERS) if record.get(name) == []}
        return {**record, **empty} if empty else record
    return _with_candidates(record, target, _listed(several, record[several], record.get("ratings")))


def with_material(record: Record) -> Record:
    """Return a record of a question, and of the text that it is about, as an instruction with its input.

    Raises:
        ValueError: that text is a map, or a list of something else than texts.
    """
    task = next((name for name in PROMPTS if name in record), None)
    if task in (None, "instruction") or not isinstance(record[task], str):
        return record
    name = next((name for name in MATERIAL if not _is_missing(record.get(name))), None)
    if name is None:
        return record
    value = record[name]
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        value = "\n\n".join(value)
    if isinstance(value, (dict, list)):
        kind = f"a map of {', '.join(map(str, value))}" if isinstance(value, dict) else "a list of lists or maps"
        raise ValueError(
            f"the field '{name}' holds {kind}, where the text that '{task}' is about belongs; write it as one text"
        )
    if text_of(value) in record[task]:  # the prompt shows it already
        return record
    ours = {task: "instruction", name: "input"}
    return {ours.get(key, key): value if key == name else one for key, one in record.items()}


def unwanted(record: Record) -> Record:
    """Return a record whose answer people did not want (KTO: `label` or `kto_tag` is false) with a turn that is not taught.

    `label` is KTO's beside a prompt and its completion only; other sets have labels that say something else.
    """
    label = record.get("label") if {"prompt", "completion"} <= record.keys() else None
    if record.get("kto_tag", label) is not False:
        return record
    turns = next((record[name] for name in ("messages", "conversations") if isinstance(record.get(name), list)), None)
    taken = ("messages", "conversations", "prompt", "completion", "instruction", "input", "output", *ANSWERS)
    if turns is None:
        parts = [text_of(record.get(name)) for name in ("prompt", "question", "query", "instruction", "input")]
        asked = record["prompt"] if isinstance(record.get("prompt"), list) else None
        said = next((record[name] for name in ANSWERS if not _is_missing(record.get(name))), None)
        turns = asked or [{"role": "user", "content": "\n\n".join(filter(None, parts))}]
        turns = [*turns, *(said if isinstance(said, list) else [{"role": "assistant", "content": text_of(said)}])]
    name = "conversations" if "conversations" in record else "messages"
    others = {key: value for key, value in record.items() if key not in taken}
    return {name: [*turns[:-1], {**turns[-1], "train": False}], **others} if turns else record


def _is_missing(value: Any) -> bool:
    if isinstance(value, dict) and value.keys() >= {"text", "answer_start"}:  # SQuAD's; a question without an answer has none
        value = value["text"]
    return value is None or value in ("", [])


def _check_task(record: Record, name: str) -> None:
    value = record[name]
    turns = isinstance(value, list) and all(isinstance(turn, dict) and "role" in turn for turn in value)
    if isinstance(value, (dict, list)) and value and not (turns and name == "prompt"):
        kind = "a map" if isinstance(value, dict) else "a list"
        raise ValueError(f"the field '{name}' holds {kind}, where the text of a task belongs")


def _with_text(record: Record, name: str) -> Record:
    """Return the record with the answer under a name as a text, where it is not one yet."""
    value = record[name]
    if isinstance(value, list) and all(isinstance(one, dict) and "role" in one for one in value):
        if isinstance(record.get("prompt"), list):
            return record
        texts = [one.get("content") for one in value if one["role"] == "assistant"]
        if len(texts) == 1 == len(value) and isinstance(texts[0], str):
            return {**record, name: texts[0]}
    if not isinstance(value, (dict, list)):
        return record
    return _with_candidates(record, name, _listed(name, value, None))


def _with_candidates(record: Record, name: str, found: list[Record]) -> Record:
    if len(found) == 1 or "candidates" in record:
        return {**record, name: found[0]["text"]}
    return {**record, name: found[0]["text"], "candidates": found}


def _listed(name: str, value: Any, ratings: Any) -> list[Record]:
    """Return the answers of a field as candidates: by their scores where all have one, else in their order.

    Raises:
        ValueError: it holds something else than texts, or maps with one known text each.
    """
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value = value["text"]  # SQuAD's answers: {"text": […], "answer_start": […]}
    if not isinstance(value, list) or not value:
        kind = f"a map of {', '.join(map(str, value))}" if isinstance(value, dict) else f"the value {dumps(value)[:40]}"
        raise ValueError(f"the field '{name}' holds {kind}, where the text of an answer belongs")
    rated = ratings if isinstance(ratings, list) and len(ratings) == len(value) else [None] * len(value)
    found = [_candidate(name, one, rating) for one, rating in zip(value, rated, strict=True)]
    if all(one["score"] is not None for one in found):
        found.sort(key=lambda one: -one["score"])
    return found


def _candidate(name: str, one: Any, rating: Any) -> Record:
    if isinstance(one, str):
        return {"text": one, "score": _number(rating), "source": None}
    text = next((one[key] for key in _TEXTS if isinstance(one.get(key), str)), None) if isinstance(one, dict) else None
    if text is None:
        raise ValueError(f"the field '{name}' holds {dumps(one)[:40]} in its list, where the text of an answer belongs")
    score = next((number for key in _SCORES if (number := _number(one.get(key))) is not None), _number(rating))
    model = one.get("model", one.get("model_name"))
    return {"text": text, "score": score, "source": model if isinstance(model, str) else None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 else None
