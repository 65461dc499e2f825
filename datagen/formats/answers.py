"""The answer of a record of plain fields: which field holds it, and what a list, a number or a map there means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from datagen.formats.names import ANSWERS, LISTS, MATERIAL, PROMPTS, SIDES
from datagen.formats.notes import Notes
from datagen.formats.shape import Record, dumps, text_of

_TEXTS = ("response", "text", "content", "generation", "output", "completion", "answer")  # of one of several answers
_SCORES = ("fine-grained_score", "overall_score", "pm_score", "score", "Score", "rating", "votes", "upvotes")
_ADDRESS = re.compile(r"https?://\S++")
_SELECTED = ("selected", "is_selected", "accepted", "is_accepted", "best", "is_best")  # flags of the one that was chosen


def answer_field(record: Record) -> str | None:
    """Return the field that holds the one answer of a record of plain fields; where all are empty the first; None without.

    What the shape calls it goes first: `output` beside an `instruction`, `completion` beside any other task.
    """
    there = [name for name in ("output" if "instruction" in record else "completion", *ANSWERS) if name in record]
    return next((name for name in there if not is_missing(record[name])), next(iter(there), None))


def other_answers(record: Record) -> Iterator[str]:
    """Yield a note for each field of a record that holds another answer than the one that is taught."""
    name = answer_field(record)
    if name is None or any(side in record for side in SIDES) or not any(task in record for task in PROMPTS):
        return
    said = text_of(record[name]).strip()
    for other in ANSWERS:
        if other != name and not is_missing(record.get(other)) and text_of(record[other]).strip() != said:
            yield f"the answer in '{name}' is taught; '{other}' holds another one, which is kept beside it"


def with_answer(record: Record, notes: Notes) -> Record:
    """Return a record of a task with its answer as a text under a known name, further ones as `candidates`, the best first.

    The best is the one that was selected, then the one with the highest score; without either it is said that it is the first.

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
    name = answer_field(record)
    if name is not None and not is_missing(record[name]):
        if name != target and target in record:
            record = {key: value for key, value in record.items() if key != target}
        return _with_text(record, name, notes)
    several = next((name for name in LISTS if not is_missing(record.get(name))), None)
    if several is None:
        empty = {name: None for name in (target, *ANSWERS) if record.get(name) == []}
        return {**record, **empty} if empty else record
    ratings = next((record[key] for key in ("ratings", "scores") if key in record), None)
    return _with_candidates(record, target, _listed(several, record[several], ratings, notes))


def with_material(record: Record, notes: Notes) -> Record:
    """Return a record of a task, and of the texts that it is about, as an instruction with its input.

    Raises:
        ValueError: one of the texts is a map, or a list of something else than texts.
    """
    task = next((name for name in PROMPTS if name in record), None)
    if task is None or not isinstance(record[task], str):
        return record
    names = [name for name in MATERIAL if _is_text(name, record.get(name))]
    if task == "instruction" and (names in ([], ["input"]) or (names == ["context"] and "input" not in record)):
        return record  # as Alpaca and Dolly have them
    if task == "instruction" and (maps := [n for n in names if not _is_listed_text(record[n])]):
        for name in maps if len(names) > 1 else ():
            notes.add(f"the field '{name}' holds no text and is left out of the task")
        if "input" in maps:
            return record
        names = [name for name in names if name not in maps]
    texts = {name: _material(name, record[name], task) for name in names}
    texts = {name: text for name, text in texts.items() if text not in record[task]}  # the task shows it already
    texts = dict({text: (name, text) for name, text in texts.items()}.values())
    if not texts:
        return record
    if len(texts) > 1:
        named = " and ".join(f"'{name}'" for name in texts)
        notes.add(f"{named} are read as one text that '{task}' is about, in this order")
    place = "input" if "input" in record else next(iter(texts))
    ours = {task: "instruction", place: "input"}
    joined = {place: "\n\n".join(texts.values())}
    kept = {key: joined.get(key, one) for key, one in record.items() if key == place or key not in texts}
    said = answer_field(record)
    if said and answer_field({ours.get(key, key): one for key, one in kept.items()}) != said:
        ours |= {"output": next(name for name in ("output_", "output__") if name not in record), said: "output"}
    return {ours.get(key, key): one for key, one in kept.items()}


def _is_text(name: str, value: Any) -> bool:
    """Whether a field holds a text that a task may be about: no number of a paragraph, no address of an article."""
    if is_missing(value) or name in ("input", "context"):
        return not is_missing(value)
    return not isinstance(value, (int, float)) and not (isinstance(value, str) and _ADDRESS.fullmatch(value))


def _is_listed_text(value: Any) -> bool:
    """Whether a value is a text, what can be written as one, or a list of texts."""
    return all(isinstance(text, str) for text in value) if isinstance(value, list) else not isinstance(value, dict)


def _material(name: str, value: Any, task: str) -> str:
    if isinstance(value, list) and _is_listed_text(value):
        return "\n\n".join(value)
    if not _is_listed_text(value):
        kind = f"a map of {', '.join(map(str, value))}" if isinstance(value, dict) else "a list of lists or maps"
        raise ValueError(
            f"the field '{name}' holds {kind}, where the text that '{task}' is about belongs; write it as one text"
        )
    return text_of(value)


def is_missing(value: Any) -> bool:
    """Whether a field that holds this value has no answer, or no text."""
    if isinstance(value, dict) and value.keys() >= {"text", "answer_start"}:  # SQuAD's; a question without an answer has none
        value = value["text"]
    return value is None or value in ("", [])


def _check_task(record: Record, name: str) -> None:
    value = record[name]
    turns = isinstance(value, list) and all(isinstance(turn, dict) and "role" in turn for turn in value)
    if isinstance(value, (dict, list)) and value and not (turns and name == "prompt"):
        kind = "a map" if isinstance(value, dict) else "a list"
        raise ValueError(f"the field '{name}' holds {kind}, where the text of a task belongs")


def _with_text(record: Record, name: str, notes: Notes) -> Record:
    """Return the record with the answer under a name as a text, where it is not one yet."""
    value = record[name]
    if isinstance(value, list) and all(isinstance(one, dict) and "role" in one for one in value):
        if isinstance(record.get("prompt"), list) and "instruction" not in record:
            return record
        texts = [one.get("content") for one in value if one["role"] == "assistant"]
        if len(texts) == 1 == len(value) and isinstance(texts[0], str):
            return {**record, name: texts[0]}
        if 0 < len(texts) < len(value):  # not several answers, but what was said on both sides, or by a tool
            if "instruction" not in record:
                return record
            raise ValueError(f"the field '{name}' holds a conversation, where the text of an answer belongs")
    if not isinstance(value, (dict, list)):
        return record
    return _with_candidates(record, name, _listed(name, value, None, notes))


def _with_candidates(record: Record, name: str, found: list[Record]) -> Record:
    if len(found) == 1 or "candidates" in record:
        return {**record, name: found[0]["text"]}
    return {**record, name: found[0]["text"], "candidates": found}


def _listed(name: str, value: Any, ratings: Any, notes: Notes) -> list[Record]:
    """Return the answers of a field as candidates: the selected one, then by their scores where all have one, else in order.

    Raises:
        ValueError: it holds something else than texts, or maps with one known text each.
    """
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value = value["text"]  # SQuAD's answers: {"text": […], "answer_start": […]}
    if not isinstance(value, list) or not value:
        kind = f"a map of {', '.join(map(str, value))}" if isinstance(value, dict) else f"the value {dumps(value)[:40]}"
        raise ValueError(f"the field '{name}' holds {kind}, where the text of an answer belongs")
    rated = ratings if isinstance(ratings, list) and len(ratings) == len(value) else [None] * len(value)
    maps = [one for one in value if isinstance(one, dict)]
    # One name for all: a `score` is not compared with a `rating`.
    counts = {key: sum(_number(one.get(key)) is not None for one in maps) for key in _SCORES}
    key = max(counts, key=lambda name: counts[name])
    found = [_candidate(name, one, rating, key) for one, rating in zip(value, rated, strict=True)]
    scored = all(one["score"] is not None for one in found)
    if scored:
        found.sort(key=lambda one: -one["score"])
    selected = _selected(value)
    if selected is not None:
        best = _candidate(name, value[selected], rated[selected], key)
        found.remove(best)
        found.insert(0, best)
    elif len(found) > 1 and found[0]["text"] != found[1]["text"] and (not scored or found[0]["score"] == found[1]["score"]):
        notes.add(f"several answers in '{name}', and neither a score nor a mark says which is best: the first is taught")
    return found


def _selected(value: list[Any]) -> int | None:
    """The place of the one answer that is marked as selected; None where there is no such one."""
    for key in _SELECTED:
        marked = [at for at, one in enumerate(value) if isinstance(one, dict) and one.get(key) == 1]
        if len(marked) == 1:
            return marked[0]
    return None


def _candidate(name: str, one: Any, rating: Any, key: str) -> Record:
    if isinstance(one, str):
        return {"text": one, "score": _number(rating), "source": None}
    text = next((one[name] for name in _TEXTS if isinstance(one.get(name), str)), None) if isinstance(one, dict) else None
    if text is None:
        raise ValueError(f"the field '{name}' holds {dumps(one)[:40]} in its list, where the text of an answer belongs")
    score = _number(one.get(key))
    score = _number(rating) if score is None else score
    model = one.get("model", one.get("model_name"))
    return {"text": text, "score": score, "source": model if isinstance(model, str) else None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 else None
