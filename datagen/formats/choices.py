"""Questions with choices (MMLU, ARC, columns A to D): the choices as lines of the task, the right one as the answer.

Files hold the choices as a list, as a map of labels, as `{"text": […], "label": […]}`, as the text of one of these, or in a
column each, and the right one as a letter, a label, a number that counts from 0 or from 1 (the file shows it), or its text.
Without the choices in its task a row would teach a letter that stands for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from datagen.formats.answers import is_missing
from datagen.formats.cells import listed_in_text
from datagen.formats.names import ANSWERS, CHOICES, LISTS, PROMPTS, SIDES, bare_name, plain_name
from datagen.formats.notes import Notes
from datagen.formats.shape import Record, dumps, text_of

# Names of the right choice beside those of an answer, the surest first; the others only where nothing else says it.
_SURE = (
    *("answerkey", "answerindex", "answeridx", "answerletter", "correctansweridx", "correctanswerindex", "correctoption"),
    *("correctchoice", "correctindex", "correctidx", "correctanswer", "cop"),
)
_OTHERS = ("correct", "answerid", "gold", "label", "target")
_ALPHABETS = ("ABCDEFGHIJKLMNOPQRST", "กขคงจฉชซ", "甲乙丙丁戊己庚辛")
_COLUMN = re.compile(r"(?:(?:option|choice)[ _-]?)?([a-j])|op([a-j])|(?:option|choice)[ _-]?([0-9])|([กขคงจ甲乙丙丁戊])")
_LABELLED = re.compile(r"\s*+[(（[]?([A-Za-zก-ฮ甲乙丙丁戊己庚辛]|\d{1,2})\s?[)）.．:：、\]]\s*+(\S.*)", re.S)
_TEXT = ("text", "value", "content", "option", "choice", "answer")
_LABEL = ("label", "key", "letter", "id", "option_id")
_FLAGS = ("is_correct", "isCorrect", "correct")
_MMLU = frozenset({"question", "subject", "choices", "answer"})  # as it is published: its numbers count from 0


class _Choices(NamedTuple):
    field: str  # where they stand
    labels: list[str]
    texts: list[str]
    own: bool  # whether the record gives the labels
    right: int | None = None  # where the choices themselves say which is right
    plain: bool = True  # whether they stand as a list, in which a text is no number
    usual: bool = False  # whether they stand in a published layout whose numbers count from 0


def with_choices(record: Record, notes: Notes) -> Record:
    """Return a record of a question with its choices as lettered lines of the task, and the right one as `B. text`.

    The record itself where it has none; where an answer in words stands beside them, that stays.

    Raises:
        ValueError: the right choice is out of range, may be one of several, or contradicts the answer.
        DataError: nothing in the file shows whether its numbers count from 0 or from 1.
    """
    record = _of_stem(record)
    task = next((name for name in PROMPTS if isinstance(record.get(name), str) and record[name].strip()), None)
    if task is None or any(name in record for name in SIDES):
        return record
    target = "output" if task == "instruction" else "completion"
    said = next((name for name in (target, *ANSWERS, LISTS[-1]) if not is_missing(record.get(name))), None)
    found = _listed(record, said) or _columns(record)
    if found is None:
        return record
    usual = found.usual or (record.keys() == _MMLU and len(found.texts) == 4)
    found, meant = _right(record, said, found._replace(usual=usual), notes)
    if found.field == "" and meant is None:
        return record  # columns of some letters, and nothing that speaks of them
    place = "input" if task == "instruction" and isinstance(record.get("input"), str) and record["input"] else task
    lines = "" if shows(record[place], found.labels, found.texts) else "".join(
        f"\n{label}. {text}" for label, text in zip(found.labels, found.texts, strict=False)
    )  # fmt: skip
    told = ["the choices are written into the task ('A. …')"] if lines else []
    told += ["the right one is taught as its letter and its text ('B. …')"] if meant is not None else []
    if told:
        notes.add(", ".join(told))
    record = {**record, place: record[place] + lines}
    if meant is None:
        return record
    return {**record, said if said in ANSWERS else target: f"{found.labels[meant]}. {found.texts[meant]}"}


def _right(record: Record, said: str | None, among: _Choices, notes: Notes) -> tuple[_Choices, int | None]:
    """Return the choices, by the letters that the record uses, and the right one; None for no answer, or one in words."""
    keys = {bare_name(name): name for name in record if _names_one(record[name])}
    sure = next((keys[name] for name in _SURE if name in keys), None)
    other = next((keys[name] for name in _OTHERS if name in keys), None) if said is None and sure is None else None
    among = _as_lettered(among, [record[name] for name in (said, sure, other) if name])
    if other is not None and (among.field or len(among.texts) > 2):
        return among, _meant(other, record[other], among, notes)
    _compare(record, [name for name in (said, sure) if name], among, notes)
    by_answer = None if said is None else _meant(said, record[said], among, notes)
    if said is not None and by_answer is None:
        return among, None
    by_key = among.right if sure is None else _meant(sure, record[sure], among, notes)
    if None not in (by_answer, by_key) and by_answer != by_key:
        raise ValueError(f"'{said}' and '{sure or among.field}' name two different choices as the right one")
    if said is not None:
        return among, by_answer
    if sure is not None and by_key is None and among.field:
        raise ValueError(f"the field '{sure}' holds {dumps(record[sure])[:40]}, which is none of the choices")
    return among, by_key


def _compare(record: Record, fields: list[str], among: _Choices, notes: Notes) -> None:
    """Note what a letter, a text or a mark of the right choice shows of a number beside it.

    Raises:
        ValueError: they contradict each other from wherever one counts.
    """
    numbers = {} if _numbered(among) else {f: n for f in fields if (n := _number_in(record[f])) is not None}
    words = [name for name in fields if name not in numbers]
    if not numbers or (at := _meant(words[0], record[words[0]], among, Notes()) if words else among.right) is None:
        return
    for field, number in numbers.items():
        if number - at in (0, 1):
            notes.shown(field, number - at)
        elif notes.first(field) is None:
            other = words[0] if words else among.field
            raise ValueError(f"'{other}' and '{field}' name two different choices as the right one")


def _numbered(among: _Choices) -> bool:
    """Whether the record itself gives its choices numbers as labels."""
    return among.own and all(label.isdecimal() for label in among.labels)


def _number_in(value: Any) -> int | None:
    """The whole number that a value is; of a column with a gap pandas makes floats: 1.0 is 1."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    said = text_of(value).strip()
    return int(float(said)) if re.fullmatch(r"-?\d{1,4}(?:\.0)?", said) else None


def _as_lettered(among: _Choices, values: list[Any]) -> _Choices:
    """The choices by the letters of the script in which one of some values names one of them."""
    bare = [value.strip(BRACKETS) for value in values if isinstance(value, str)]
    used = next((letters for letters in _ALPHABETS[1:] if any(len(one) == 1 and one in letters for one in bare)), None)
    return among if used is None or among.own else among._replace(labels=list(used))


def _of_stem(record: Record) -> Record:
    """The record with its question and choices beside each other, where the question is a map of both."""
    asked = record.get("question")
    if not isinstance(asked, dict) or not isinstance(asked.get("stem"), str) or asked.keys() & record.keys():
        return record
    return {**record, "question": asked["stem"], **{name: value for name, value in asked.items() if name != "stem"}}


def _names_one(value: Any) -> bool:
    """Whether a value may say which choice is right."""
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, str) and bool(value.strip())))


def _listed(record: Record, said: str | None) -> _Choices | None:
    """The choices that one field holds.

    Raises:
        ValueError: they are a text that is no list, and the answer is a letter or a number.
    """
    for field in sorted((key for key in record if plain_name(key) in CHOICES), key=lambda key: CHOICES.index(plain_name(key))):
        if is_missing(record[field]):
            continue
        value = record[field]
        found = _read(field, listed_in_text(value) if isinstance(value, str) else value)
        if found:
            return found._replace(plain=not isinstance(value, str))
        answer = text_of(record[said]).strip(BRACKETS) if said else ""
        if said not in ANSWERS:
            continue
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z]|\d", answer):
            raise ValueError(f"the field '{field}' holds one text, where a list of choices belongs that '{said}' may speak of")
        if isinstance(value, (list, dict)) and len(value) > 1 and re.fullmatch("[A-Za-z]", answer):
            many = f"more than {len(_ALPHABETS[0])} choices" if len(value) > len(_ALPHABETS[0]) else "choices that are no texts"
            raise ValueError(f"the field '{field}' holds {many}, and '{said}' is the letter of one; write its text")
    return None


def _read(field: str, value: Any) -> _Choices | None:
    """The choices that a list or a map is, without the nulls that pad it; None where it is something else."""
    if isinstance(value, list):
        value = _unpadded(value)
    if isinstance(value, dict):
        value = {key: _unpadded(inner) if isinstance(inner, list) else inner for key, inner in value.items()}
        while value and next(reversed(value.values())) is None:
            value.popitem()
        texts, labels = (next((value[k] for k in names if isinstance(value.get(k), list)), None) for names in (_TEXT, _LABEL))
        if texts is not None and labels is not None and len(texts) == len(labels) > 1:
            return _of(field, [text_of(label) for label in labels], texts)
        if len(value) > 1 and all(len(key.strip(BRACKETS)) == 1 for key in value):
            return _of(field, [key.strip(BRACKETS) for key in value], list(value.values()))
        return None
    if not isinstance(value, list) or len(value) < 2:
        return None
    if not all(isinstance(one, dict) for one in value):
        return _of(field, None, value)
    keys = [next((k for k in names if all(k in one for one in value)), "") for names in (_TEXT, _LABEL, _FLAGS)]
    if not keys[0] or any(one.keys() - {*_TEXT, *_LABEL, *_FLAGS} for one in value):
        return None
    flagged = [at for at, one in enumerate(value) if keys[2] and one[keys[2]] is True]
    found = _of(field, [text_of(one[keys[1]]) for one in value] if keys[1] else None, [one[keys[0]] for one in value])
    return found and found._replace(right=flagged[0] if len(flagged) == 1 else None)


def _unpadded(items: list[Any]) -> list[Any]:
    """A list without the nulls at its end, by which tables make lists equally long."""
    end = len(items)
    while end and items[end - 1] is None:
        end -= 1
    return items[:end]


def _of(field: str, labels: list[str] | None, texts: list[Any]) -> _Choices | None:
    """Choices with their labels: the given ones, those that begin their texts (`A) text`), else letters."""
    if not all(isinstance(text, (str, int, float)) for text in texts):
        return None
    said = [text_of(text).strip() for text in texts]
    begun = [_LABELLED.fullmatch(text) for text in said]
    if labels is None and all(begun) and _in_order([found[1] for found in begun if found]):
        labels = [found[1] for found in begun if found]
        said = [found[2] for found in begun if found]
    if labels is not None and len(set(labels)) == len(labels):
        return _Choices(field, [label.strip() for label in labels], said, own=True)
    return _Choices(field, list(_ALPHABETS[0]), said, own=False) if len(said) <= len(_ALPHABETS[0]) else None


def _in_order(labels: list[str]) -> bool:
    """Whether labels are the first letters of an alphabet, or the first numbers, in their order."""
    if all(label.isdecimal() for label in labels):
        return all(int(b) == int(a) + 1 for a, b in pairwise(labels)) and int(labels[0]) < 2
    return "".join(labels).upper() in (alphabet[: len(labels)] for alphabet in _ALPHABETS)


def _columns(record: Record) -> _Choices | None:
    """The choices that stand in a column each: A to D, opa to opd, option_a to option_d, option1 to 4, choice0 to 3."""
    found: dict[str, tuple[str, str]] = {}
    for key in record:
        if letter := _letter(key):
            if letter in found or not isinstance(record[key], (str, int, float, type(None))):
                return None
            found[letter] = (key.strip(), text_of(record[key]).strip())
    labels = sorted(found, key=lambda letter: "".join((*_ALPHABETS, "0123456789")).index(letter.upper()))
    while labels and not found[labels[-1]][1]:
        labels.pop()  # a question with fewer choices than others
    if len(labels) < 2 or not _in_order(labels) or any(not found[label][1] for label in labels):
        return None
    if labels[0] == "0":  # choice0, choice1, …: letters are shown, as of the list that these columns were
        texts = [found[label][1] for label in labels]
        return _Choices(found["0"][0], list(_ALPHABETS[0]), texts, own=False, plain=False, usual=True)
    # As the file calls them: `a` for the column a, A for `option_a`.
    shown = [found[label][0] if len(found[label][0]) == 1 else label.upper() for label in labels]
    return _Choices("", shown, [found[label][1] for label in labels], own=True, plain=False)


@lru_cache(4096)
def _letter(column: str) -> str:
    """The letter or number of the choice that a column of this name holds; "" for others."""
    hit = _COLUMN.fullmatch(plain_name(column))
    return next(filter(None, hit.groups())) if hit else ""


def _meant(field: str, value: Any, among: _Choices, notes: Notes) -> int | None:
    """Return which choice a value names; None for an answer in words.

    Raises:
        ValueError: it is a letter or a number of none of them, or may mean two.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        if isinstance(value, list) and all(_meant(field, one, among, Notes()) is not None for one in value):
            raise ValueError(f"the field '{field}' names several choices; one is right in a row")
        return None
    said = text_of(value).strip()
    bare = said.strip(BRACKETS).casefold()
    texts = {at for at, text in enumerate(among.texts) if text == said} or {
        at for at, text in enumerate(among.texts) if text.casefold() == said.casefold()
    }
    if (number := _number_in(value)) is not None and not (texts and among.plain and isinstance(value, str)):
        return _by_number(field, value, number, texts, among, notes)
    found = texts | {at for at, label in enumerate(among.labels[: len(among.texts)]) if label.casefold() == bare}
    if not found and (hit := _LABELLED.fullmatch(said)) and hit[2].strip().casefold() in map(str.casefold, among.texts):
        at = _meant(field, hit[1], among, notes)
        if at is not None and among.texts[at].casefold() != hit[2].strip().casefold():
            raise ValueError(f"the field '{field}' holds '{said[:40]}', and the choice {among.labels[at]} is another one")
        return at
    if not found and re.fullmatch(r"[A-J](?:[ ,;/&]{0,2}[A-J])+", said):
        raise ValueError(f"the field '{field}' holds '{said}', which names several choices; one is right in a row")
    letter = len(bare) == 1 and bare.upper() in "".join(_ALPHABETS)
    return _one(field, said, found) if found or letter else None


def _by_number(field: str, value: Any, number: int, texts: set[int], among: _Choices, notes: Notes) -> int | None:
    """Return which choice a number names: by its label where labels are numbers, else counted as the file counts."""
    size = len(among.texts)
    as_text = texts if isinstance(value, str) or not among.plain else set()
    if among.usual and not among.plain and 0 <= number < size:  # choice0, choice1, …: the number is a column's own
        as_text = set()
    if _numbered(among):
        notes.label(field, number, first=int(among.labels[0]))
        return _one(field, str(number), {at for at, label in enumerate(among.labels) if int(label) == number} | as_text)
    if among.field == "" and all(re.fullmatch(r"-?[\d.,]+", text) for text in among.texts):
        return None if not texts else _one(field, str(number), texts)  # numbers beside a number: columns of something else
    counts = 0 <= number <= size
    if counts and not as_text:
        notes.number(field, number, size, usual=among.usual)
    first = notes.first(field)
    if first is None and counts and not as_text:
        raise notes.stop(field)
    by_number = {number - one for one in ((0, 1) if first is None else (first,)) if 0 <= number - one < size}
    if not by_number and not as_text:
        raise ValueError(f"the field '{field}' holds {number}, and there are {size} choices, counted from {first or 0}")
    if not as_text:
        why = " (none is 0)" if first else ""
        notes.add(f"the numbers in '{field}' count the choices from {first}{why}")
    return _one(field, str(number), by_number | as_text)


def _one(field: str, said: str, found: set[int]) -> int:
    if len(found) != 1:
        many = "may mean more than one of the choices" if found else "is none of the choices"
        raise ValueError(f"the field '{field}' holds '{said[:40]}', which {many}")
    return found.pop()


BRACKETS = " \t\r\n()（）[].．:：、"


def shows(task: str, labels: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether a task shows all of some choices, each behind its label; labels beyond the texts do not matter."""
    return all(_stands_behind(task, label, text) for label, text in zip(labels, texts, strict=False))


def _stands_behind(task: str, label: str, text: str) -> bool:
    at = task.find(text)
    while at >= 0:
        before = task[max(0, at - len(label) - 8) : at].rstrip().casefold()
        marked = before[-1:] in tuple(BRACKETS.strip()) and before.rstrip(BRACKETS).endswith(label.casefold())
        if marked and not before.rstrip(BRACKETS).removesuffix(label.casefold())[-1:].isalnum():
            return True
        at = task.find(text, at + 1)
    return False
