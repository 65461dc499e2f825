"""The prompts of a benchmark's items: under the fields that one names, or as rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from datagen.data.rows import Row
from datagen.errors import DataError

FIELDS = ("question", "prompt", "text", "instruction", "turns")  # where one is there, it is the prompt
# Names of a prompt that rows do not have, as `plain_name` has them; the first that is there counts.
NAMES = (
    *("stem", "questionstem", "problem", "problemstatement", "query", "questiontext", "inputs", "input", "goal", "premise"),
    *("sentence", "sentence1", "ctx", "context", "passage", "story", "statement", "claim"),
    *("题目", "问题", "問題", "质问", "題目", "質問"),
    *("คำถาม", "โจทย์", "질문", "문제", "вопрос", "pregunta", "frage", "السؤال", "سؤال"),
)


class Prompts(NamedTuple):
    """The prompts of benchmarks: the file and place of each, its text, and the items that hold nothing to look for."""

    names: list[str]
    texts: list[str]
    silent: list[str]


def prompts(record: Mapping[str, Any], fields: tuple[str, ...]) -> Iterator[str]:
    """Yield the prompts of an item: every text in the fields that it has, a list's texts each by itself.

    A dot in the name of a field goes into a nested one, of each element of a list: `question.stem`.
    """
    wanted = {f.casefold() for f in fields}
    for name, value in record.items():
        folded = str(name).casefold()
        for element in value if isinstance(value, list) else [value]:
            text = element
            if isinstance(text, Mapping):
                yield from prompts(text, tuple(f[len(folded) + 1 :] for f in wanted if f.startswith(f"{folded}.")))
                text = text.get("content") or text.get("value")
            if folded in wanted and isinstance(text, str) and text.strip():
                yield text


def of_item(record: Mapping[str, Any]) -> list[str]:
    """Return the prompts of an item that has none of the usual fields: what a row of it asks, or a field of a known name."""
    from datagen.formats.names import plain_name
    from datagen.formats.records import rows_of

    try:
        rows = rows_of(dict(record))
    except (ValueError, OverflowError, RecursionError):  # no row: it has no answer, or no shape that rows have
        rows = []
    if asked := [text for row in rows for text in _asked(row) if text.strip()]:
        return asked
    named = {plain_name(str(name)): value for name, value in record.items()}
    for name in NAMES:
        if found := list(prompts({name: named.get(name)}, (name,))):
            return found
    inner = [value for value in record.values() if isinstance(value, Mapping)]  # such as `{"doc": {"question": …}}`
    return [text for value in inner for text in list(prompts(value, FIELDS)) or of_item(value)]


def _of_item(record: Mapping[str, Any]) -> list[str]:
    try:
        return of_item(record)
    except RecursionError:  # nested deeper than any item
        return []


def _asked(row: Row) -> list[str]:
    """What the users of a row ask."""
    if row["messages"] is None:
        return ["\n\n".join(text for text in (row["instruction"], row["input"]) if text)]
    return [turn["content"] or "" for turn in row["messages"] if turn["role"] == "user"]


@lru_cache(maxsize=2)
def read(paths: tuple[str, ...], fields: tuple[str, ...], state: tuple[Any, ...]) -> Prompts:
    """Return the prompts of benchmarks; kept for the process, as long as the files are in one state.

    Raises:
        DataError: an item cannot be read, or a file has none with such a field.
    """
    from datagen.formats.read import records

    found = Prompts([], [], [])
    count: dict[str, int] = {}
    for path in paths:
        for file, piece in records(path, split="all"):
            count.setdefault(file, 0)
            if not isinstance(piece.record, dict):
                raise DataError(
                    f"decontaminate: {file}, {piece.position} cannot be read; what is not looked for is not found, so mend"
                    " the file, or leave it out"
                )
            texts = list(prompts(piece.record, fields))
            if not texts and fields == FIELDS:
                texts = _of_item(piece.record)
            name = f"{file}, {piece.position}"
            if not texts:
                found.silent.append(name)
            count[file] += len(texts)
            found.names.extend([name] * len(texts))
            found.texts.extend(texts)
    empty = [file for file, texts in count.items() if not texts]
    if empty or not found.names:
        raise DataError(
            f"decontaminate: {empty[0] if empty else paths[0]} has no item with one of the fields {', '.join(fields)}; name"
            " them with fields=NAME, or leave the file out"
        )
    return found
