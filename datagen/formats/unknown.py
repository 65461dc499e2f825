"""What is said of a record that no shape knows: the fields it has, and the map or the command that would help."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.formats.dialects import is_maps, parsed_turns
from datagen.formats.dotted import is_turns, leaves, shown
from datagen.formats.names import (
    ANSWERS,
    CONVERSATIONS,
    LISTS,
    PROMPTS,
    SIDES,
    bare_name,
    is_beside,
    known_name,
    likely_answer,
)  # fmt: skip
from datagen.formats.notes import Notes, in_a_shell
from datagen.formats.shape import Record
from datagen.text.names import code_of

# Names of a field that says who speaks.
_WHO = frozenset({
    *("author", "speaker", "sender", "who", "by", "user", "participant", "side", "party", "actor", "name", "source", "type"),
    *("authorrole", "sendertype", "username", "character", "说话人", "說話人", "发言人", "角色", "作者", "身份"),
    *("ผู้พูด", "ผู้ส่ง", "ผู้เขียน", "คนพูด"),
})  # fmt: skip
_NAME = 40  # characters of the name of one who speaks, at most
_SPEAKERS = 6  # who speak in one record, at most
# Marks that part a task from its answer within one text.
_WORDS = (
    "instruction|input|response|human|user|assistant|ai|question|answer|q|a|指令|问|答|问题|回答|用户|助手|"
    "ถาม|ตอบ|คำสั่ง|คำถาม|คำตอบ|ผู้ใช้|ผู้ช่วย"
)
_MARKS = re.compile(
    r"<\|(?:im_start|user|assistant|system|start_header_id)\|>|<\|im_end\|>|<(?:start|end)_of_turn>|\[/?INST\]"
    rf"|^(?:#{{2,4}} ?)?(?:{_WORDS}) ?[:：]|^#{{2,4}} ?(?:{_WORDS})$",
    re.IGNORECASE | re.MULTILINE,
)


def unknown(record: Record, whole: Record, notes: Notes | None = None) -> str:
    """Say why no shape knows a record, and what would help.

    Args:
        record: as it was understood.
        whole: the same under the names of its file.
        notes: gets the names of those who speak in it.
    """
    for name in CONVERSATIONS:
        if is_maps(record.get(name)):
            inside = ", ".join(map(str, record[name][0])) or "nothing"
            return f"the turns in '{name}' have no role; they have: {inside}; name it with --map role=FIELD,content=FIELD"
        if isinstance(record.get(name), list) and record[name]:
            return f"the turns in '{name}' do not say who speaks; write each as a map of a role and its content"
    if all(is_maps(record.get(name)) for name in SIDES):
        return (
            "chosen and rejected share no message, and no prompt stands beside them; put what both answer into a field prompt"
        )
    if "custom_id" in record and any(isinstance(record.get(name), dict) for name in ("response", "result")):
        return (
            "an answer of a batch without what was asked; put the messages of the request with the same custom_id beside"
            " it, and the answer behind them"
        )
    found = leaves(whole)
    there = shown([name for name, _ in found])
    if turns := next((name for name, value in found if is_turns(value)), None):
        return f"no known fields; it has: {there}; name the turns with --map messages={turns}"
    if spoken := _speakers(whole, notes or Notes()):
        return f"no known fields; it has: {there}; {spoken}"
    texts = {name: value for name, value in found if isinstance(value, str) and value.strip()}
    if other := _marked(texts) or _languages(texts) or _no_names(list(whole)):
        return f"no known fields; it has: {there}; {other}"
    asked, said = _likely(texts)
    deep = "; a number takes that one of a list, and no other" if re.search(r"\.\d", f"{asked} {said}") else ""
    return f"no known fields; it has: {there}; name them with --map instruction={asked},output={said}{deep}"


def _speakers(whole: Record, notes: Notes) -> str:
    """Return the map for a list of maps of who speaks and what is said; "" where there is no such list."""
    for field, turns in _lists("", whole, 0):
        if pair := _who_says(turns):
            names = dict.fromkeys(turn[pair[0]].strip() for turn in turns)
            return notes.speakers(field, *pair, list(names))
    return ""


def _lists(name: str, value: Record, depth: int) -> Iterator[tuple[str, list[Record]]]:
    """Yield the lists of maps of a record by their dotted names, those that stand as text in a cell too."""
    for key, inner in value.items():
        below = f"{name}.{key}" if name else str(key)
        turns = parsed_turns(inner, re.findall(r"[\"']([^\"']+)[\"']\s*:", inner)) if isinstance(inner, str) else inner
        if is_maps(turns):
            yield below, turns
        elif isinstance(inner, dict) and depth < 4:
            yield from _lists(below, inner, depth + 1)


def _who_says(turns: list[Record]) -> tuple[str, str] | None:
    """Return the field of some maps that says who speaks, and the one of what is said; None where they are no turns."""
    texts = [key for key in turns[0] if all(isinstance(turn.get(key), str) for turn in turns)]
    whos = [key for key in texts if _is_who(key, [turn[key].strip() for turn in turns])]
    sizes = {key: sum(len(turn[key]) for turn in turns) for key in texts if not is_beside(key)}
    said = max(sizes.keys() - set(whos), key=lambda key: sizes[key], default=None)
    if not whos or said is None or not any(_is_sentence(turn[said]) for turn in turns):
        return None
    return min(whos, key=lambda key: bare_name(key) not in _WHO), said


def _is_who(key: str, values: list[str]) -> bool:
    """Whether the values of a field are few, short names, of which one comes again or which its own name calls speakers."""
    names = set(values)
    short = all(0 < len(value) <= _NAME and "\n" not in value and not any(map(str.isdecimal, value[:1])) for value in values)
    again = len(names) < len(values) and all(len(value.split()) < 3 for value in values)
    return short and 1 < len(names) <= _SPEAKERS and (bare_name(key) in _WHO or again)


def _marked(texts: Record) -> str:
    """Return what is said of a text that holds a task and its answer under marks."""
    for name, text in texts.items():
        marks = list(dict.fromkeys(found.strip() for found in _MARKS.findall(text)))
        if len(marks) > 1:
            return (
                f"'{name}' holds the task and its answer together under marks ({', '.join(marks[:3])}); cut it at them into the"
                " fields instruction and output, or into messages"
            )
    return ""


def _languages(texts: Record) -> str:
    """Return the command for fields of the same text in two languages."""
    spoken: dict[str, str] = {}
    for name, text in texts.items():
        last = name.rpartition(".")[2]
        if (code := code_of(last)) and (not is_beside(last) or _is_sentence(text)):
            spoken.setdefault(code, name)
    if len(spoken) < 2:
        return ""
    (one, here), (other, there) = list(spoken.items())[:2]
    fields = "" if (here, there) == (one, other) else f" --source-field {in_a_shell(here)} --target-field {in_a_shell(there)}"
    return f"for a text in two languages: datagen from-pairs FILE -o OUT --source {one} --target {other}{fields}"


def _no_names(names: list[str]) -> str:
    """Return what is said of names that are a row of data, as where a CSV has no line of names."""
    spoken = [name for name in names if name.strip()[-1:] in tuple(".?!。？！…") or len(name.split()) > 5 or _is_long(name)]
    if len(names) < 2 or 2 * len(spoken) < len(names):
        return ""
    return (
        "these look like a row and not like names: the first line of a CSV is taken for the names; put a line of names above"
        " it, such as instruction,output"
    )


def _is_long(name: str) -> bool:
    """Whether a name is as long as a sentence of a script without blanks between words."""
    return len(name) > 14 and " " not in name and not name.isascii() and "_" not in name


def _likely(texts: Record) -> tuple[str, str]:
    """Return which of some texts are most likely a task and its answer, FIELD for either that no name and no text tells."""
    answers = (*ANSWERS, *LISTS)
    says = [name for name in texts if _speaks_of(name, answers)]
    asks = [name for name in texts if _speaks_of(name, PROMPTS) and name not in says]
    prose = [name for name, text in texts.items() if not is_beside(name.rpartition(".")[2]) and _is_sentence(text)]
    whole = [name for name in prose if not re.search(r"\.\d", name)]  # one of a list is rarely all that a record says
    prose = whole if len(whole) > 1 else prose
    if len(prose) == 2:
        asked, said = prose
        turned = (asked in says and said not in says) or (said in asks and asked not in asks)
        return (said, asked) if turned or (not says and likely_answer(prose) == asked) else (asked, said)
    return (asks[0] if len(asks) == 1 else "FIELD", says[0] if len(says) == 1 else "FIELD")


def _speaks_of(name: str, known: tuple[str, ...]) -> bool:
    """Whether a part of a dotted name is one of some known names."""
    return any(known_name(part) in known for part in name.split("."))


def _is_sentence(text: str) -> bool:
    """Whether a text has more than one word, or is in a script that writes words without blanks between them."""
    text = text.strip()
    return any(map(str.isspace, text)) or (len(text) > 3 and not text.isascii() and any(map(str.isalpha, text)))
