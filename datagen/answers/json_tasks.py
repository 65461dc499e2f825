"""Tasks in JSON: an array, an object with a list, one object per line, one object, with words around; whole or cut off.

The brackets are read once, without recursion; Python's decoder then sees whole objects only, so that a completion of a
million brackets costs as much as any other.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from datagen.answers.item import Item, without_mark
from datagen.json_text import dumps, storable

INSTRUCTION_KEYS = (
    "instruction", "instructions", "prompt", "question", "task", "query", "指令", "任务", "问题",
    "คำสั่ง", "งาน", "คำถาม", "โจทย์",
)  # fmt: skip
INPUT_KEYS = ("input", "context", "输入", "上下文", "ข้อมูลนำเข้า", "อินพุต", "บริบท", "question", "问题", "คำถาม")
OUTPUT_KEYS = ("output", "answer", "response", "completion", "输出", "回答", "答案", "ผลลัพธ์", "เอาต์พุต", "คำตอบ")
DEPTH = 4  # of containers around a task; what lies deeper is no list of tasks

READ_AGAIN = 300_000  # characters, in all, that are read once more after objects that never end

_OPEN = re.compile(r'\{\s*+["}{\[]|\[\s*+["{\[]')
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]"]', re.S)
_KEY = re.compile(rf'"\s*+(?:{"|".join(INSTRUCTION_KEYS)})\s*+"\s*+:', re.I)
# Where reading goes on after an object that never ends: another one at the beginning of a line or after a comma.
_NEXT = re.compile(rf'(?:^[ \t]*+|,\s*+)\{{\s*+"(?:{"|".join((*INSTRUCTION_KEYS, *INPUT_KEYS))})"\s*+:', re.I | re.M)
# Strings as they are, and what many models get wrong: a comma before a closing bracket, \' and \_ and \d.
_FLAW = re.compile(r'"(?:[^"\\]|\\.)*+"|,(?=\s*[}\]])', re.S)
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt\']|u[0-9a-fA-F]{4})|\\')
_ESCAPES = {"\\'": "'", "\\": "\\\\"}
_CLOSERS = {"{": "}", "[": "]"}


class _Frame(NamedTuple):
    """An open bracket, and the complete objects and arrays directly inside it."""

    at: int
    inside: list[tuple[int, int]]


class _Scan(NamedTuple):
    """Where a value ends, or the brackets that the text leaves open; `in_string`: it ends inside a string."""

    end: int | None
    open: list[_Frame]
    in_string: bool


def begins(text: str) -> int:
    """Return where JSON with tasks begins, or the length of the text where there is none."""
    start, key = _OPEN.search(text), _KEY.search(text)
    return start.start() if start and key else len(text)


def pieces(text: str) -> list[Item | str]:
    """Return the tasks of all JSON in a text, and the words around it, in order.

    An object without a task is an `unparsed` item; one that the text leaves open is `cut_off`, with what can be read of it.
    """
    found: list[Item | str] = []
    at = 0
    left = READ_AGAIN
    while start := _OPEN.search(text, at):
        found += _words(text[at : start.start()])
        scan = _scanned(text, start.start())
        if scan.end is not None:
            found += _read(text[start.start() : scan.end], DEPTH)
            at = scan.end
            continue
        whole, rest = _salvaged(text, scan.open)
        found += whole
        left -= len(text) - start.start()
        onward = _NEXT.search(text, rest + 1) if left > 0 and rest < len(text) else None
        if onward is None:
            found += _cut(text, rest, scan)
            return found
        at = text.index("{", onward.start())
        found.append(_unparsed(text[rest:at]))
    return [*found, *_words(text[at:])]


def _words(text: str) -> list[Item | str]:
    """Return words between values, as an item where they are an object without its bracket."""
    return [_unparsed(text)] if _KEY.search(text) else [text]


def is_read(item: Item) -> bool:
    """Whether an item has a task, not only the source of what could not be read."""
    return item.reason is None or not item.instruction.startswith(("{", "["))


def _scanned(text: str, at: int) -> _Scan:
    """Return where the value that begins here ends; a bracket that closes nothing is passed over."""
    frames: list[_Frame] = []
    many = {"{": 0, "[": 0}
    for token in _TOKEN.finditer(text, at):
        sign = text[token.start()]
        if sign in "{[":
            frames.append(_Frame(token.start(), []))
            many[sign] += 1
        elif sign == '"':
            if token.end() == token.start() + 1:  # no quotation mark ends this string
                return _Scan(None, frames, in_string=True)
        else:
            opener = "{" if sign == "}" else "["
            if not many[opener]:
                continue
            while True:
                frame = frames.pop()
                many[text[frame.at]] -= 1
                if text[frame.at] == opener:
                    break
                if frames:
                    frames[-1].inside.extend(frame.inside)
            if not frames:
                return _Scan(token.end(), [], in_string=False)
            frames[-1].inside.append((frame.at, token.end()))
    return _Scan(None, frames, in_string=False)


def _read(source: str, depth: int) -> list[Item]:
    """Return the tasks of a whole value; where it is no valid JSON, those of the valid values inside it."""
    try:
        value = _decoded(source)
        return (_tasks(value, depth) if value is not None else _inside(source, depth)) or [_unparsed(source)]
    except RecursionError:  # deeper than any task
        return [_unparsed(source)]


def _inside(source: str, depth: int) -> list[Item]:
    """Return the tasks of the values inside a value that is no valid JSON, none where there are none."""
    # Without its last bracket the value is open, so that what lies directly inside it comes out.
    frames = _scanned(source[:-1], 0).open if depth else []
    inside = [(a, b, _read(source[a:b], depth - 1)) for frame in frames[:1] for a, b in frame.inside]
    if frames[1:]:  # an object in it has no end
        inside.append((frames[1].at, len(source) - 1, _ended(source[frames[1].at : -1], frames[1:], source, depth - 1)))
    found = _with_rests(source, 0, len(source), inside)
    return found if any(map(is_read, found)) else []


def _ended(source: str, frames: list[_Frame], text: str, depth: int) -> list[Item]:
    """Return the tasks of a value whose closing brackets are missing."""
    value = _decoded(source.rstrip(" \t\r\n,") + _closing(text, frames))
    return (_tasks(value, depth) if value is not None else []) or [_unparsed(source)]


def _closing(text: str, frames: list[_Frame]) -> str:
    return "".join(_CLOSERS[text[f.at]] for f in reversed(frames))


def _with_rests(text: str, start: int, end: int, inside: list[tuple[int, int, list[Item]]]) -> list[Item]:
    """Return the items of the values in a stretch of text, and between them what has lost its opening bracket."""
    found: list[Item] = []
    for a, b, read in [*inside, (end, end, [])]:
        # A key whose value is the next one is no task: {"tasks": [
        if _KEY.search(text, start, a) and not (rest := text[start:a].strip("[{ \t\r\n,")).endswith(":"):
            found.append(_unparsed(rest))
        found += read
        start = b
    return found


def _decoded(source: str) -> Any:
    """Return a value, flaws that many models make mended; None where it is no JSON, RecursionError where it is too deep.

    NaN is null: JSON has no such word, and no task is called so.
    """
    for text in (source, None):
        try:
            said = text or _mended(source)
            return json.loads(said, strict=False, object_pairs_hook=_object, parse_constant=lambda _: None)
        except ValueError:
            continue
    return None


def _mended(source: str) -> str:
    def mend(part: re.Match[str]) -> str:
        words = part[0]
        if words == ",":
            return ""
        return _ESCAPE.sub(lambda e: _ESCAPES.get(e[0], e[0]), words) if "\\" in words else words

    return _FLAW.sub(mend, source)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """Return an object; one that repeats a key is a list of objects whose brackets are missing."""
    objects: list[dict[str, Any]] = [{}]
    for key, value in pairs:
        if key in objects[-1]:
            objects.append({})
        objects[-1][key] = value
    return objects if len(objects) > 1 else objects[0]


def _tasks(value: Any, depth: int) -> list[Item]:
    """Return the tasks of a value, none where it holds none."""
    if isinstance(value, dict):
        if item := _task(value):
            return [item]
        return [i for v in value.values() if isinstance(v, dict | list) and depth for i in _tasks(v, depth - 1)]
    if not isinstance(value, list) or not depth:
        return []
    found = [_tasks(v, depth - 1) for v in value]
    if not any(found):
        return []
    return [i for v, of in zip(value, found, strict=True) for i in of or [_unparsed(_text(v) or "null")]]


def _task(value: dict[str, Any]) -> Item | None:
    """Return the task that an object holds, None where it has no instruction."""
    keys = {key.strip().casefold(): key for key in reversed(value)}
    name = next((k for k in INSTRUCTION_KEYS if k in keys and not _is_list_of_tasks(value[keys[k]])), None)
    if name is None:
        return None
    output = next((k for k in OUTPUT_KEYS if k in keys), None)
    given = next((k for k in INPUT_KEYS if k in keys and k != name), None)
    instruction = _text(value[keys[name]])
    return Item(
        instruction,
        without_mark(_text(value[keys[given]])) if given else "",
        _text(value[keys[output]]) if output else "",
        None if instruction and output else "unparsed",
    )


def _is_list_of_tasks(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value))


def _text(value: Any) -> str:
    """Return a text as it is, nothing for null, any other value as JSON."""
    if value is None:
        return ""
    return storable(value if isinstance(value, str) else dumps(value)).strip()


def _unparsed(text: str) -> Item:
    return Item(text.strip(" \t\r\n,"), reason="unparsed")


def _salvaged(text: str, frames: list[_Frame]) -> tuple[list[Item], int]:
    """Return the whole tasks inside open brackets, and where the object begins that was cut off."""
    read = [[(a, b, _read(text[a:b], DEPTH)) for a, b in frame.inside] for frame in frames]
    holds = [any(i.reason is None for _, _, of in values for i in of) for values in read]
    last = max((n for n, yes in enumerate(holds) if yes), default=-1)
    after = frames[last].inside[-1][1] if last >= 0 else frames[0].at
    rest = next((f.at for f in frames[last + 1 :] if text[f.at] == "{"), None)
    if rest is None:  # the last object is whole: only closing brackets are missing, or words follow
        rest = after if text[after:].strip(" \t\r\n,`") else len(text)
    inside = [value for values in read[: last + 1] for value in values]
    return _with_rests(text, inside[0][0] if inside else rest, after if inside else rest, inside), rest


def _cut(text: str, rest: int, scan: _Scan) -> list[Item]:
    """Return the object that the text ends in, its fields read as far as they go."""
    source = text[rest:].strip(" \t\r\n,")
    if not source:
        return []
    closers = _closing(text, [f for f in scan.open if f.at >= rest])
    for ending in ('"', '": null') if scan.in_string else ("", "null"):
        try:
            value = _decoded(text[rest:].rstrip(" \t\r\n,") + ending + closers) if closers else None
            item = _task(value) if isinstance(value, dict) else None
        except RecursionError:
            break
        if item:
            return [Item(item.instruction, item.input, item.output, "cut_off")]
    return [Item(source, reason="cut_off")]
