"""Personal data of a text masked, or counted without a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import regex

from datagen.data.rows import extra_of
from datagen.formats.shape import KEY, dumps
from datagen.personal_data.addresses import Span, emails, ip_addresses
from datagen.personal_data.keys import keys
from datagen.personal_data.numbers import cards, phones
from datagen.personal_data.untouched import untouched

_SAYS = regex.compile(r"[\p{L}@]|\d\.\d")  # a text of digits alone is a number or an id
KINDS = ("email", "phone", "ip", "card", "key")
# In the order in which they are masked: what stands before the `@` of a URL is a password, digits within an address or a
# key are no phone number.
_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "key": keys, "email": emails, "card": cards, "ip": ip_addresses, "phone": phones,
}  # fmt: skip


def masked(prose: str, kinds: Sequence[str] = KINDS, found: Counter[str] | None = None) -> str:
    """Return a text with its personal data as `[EMAIL]`, `[PHONE]`, `[IP]`, `[CARD]`, `[KEY]`.

    Args:
        prose: a text, or a piece of one that `untouched` left.
        kinds: what is masked.
        found: counts of each kind, to which what was masked is added.
    """
    for kind, spans in _FINDERS.items():
        if kind not in kinds:
            continue
        parts: list[str] = []
        at = 0
        for start, end in spans(prose):
            parts += [prose[at:start], f"[{kind.upper()}]"]
            at = end
        if parts:
            prose = "".join([*parts, prose[at:]])
            if found is not None:
                found[kind] += len(parts) // 2
    return prose


def counted(text: str, kinds: Sequence[str] = KINDS) -> Counter[str]:
    """Return how much personal data of each kind a text has outside of code, tables and formulas."""
    found: Counter[str] = Counter()
    for piece in prose_of(text):
        masked(piece, kinds, found)
    return found


def prose_of(text: str) -> Iterator[str]:
    """Yield the pieces of a text that are prose, in order."""
    at = 0
    for start, end in untouched(text):
        if start > at:
            yield text[at:start]
        at = end
    if at < len(text):
        yield text[at:]


def masked_fields(extra: str, kinds: Sequence[str] = KINDS) -> str:
    """Return the JSON text of a row's other fields with the personal data in their texts masked; a number stays one."""
    fields = extra_of({"extra": extra})
    done = {name: value if name == KEY else _masked_inside(value, kinds) for name, value in fields.items()}
    return extra if done == fields else dumps(done)


def _masked_inside(value: Any, kinds: Sequence[str]) -> Any:
    if isinstance(value, str):
        if not _SAYS.search(value):
            return value
        parts: list[str] = []
        at = 0
        for start, end in untouched(value):
            parts += [masked(value[at:start], kinds), value[start:end]]
            at = end
        return "".join([*parts, masked(value[at:], kinds)])
    if isinstance(value, list):
        return [_masked_inside(item, kinds) for item in value]
    return {key: _masked_inside(item, kinds) for key, item in value.items()} if isinstance(value, dict) else value


def texts_of_fields(extra: str) -> Iterator[str]:
    """Yield the texts of a row's other fields in which personal data may stand."""
    waiting = [value for name, value in extra_of({"extra": extra}).items() if name != KEY]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and _SAYS.search(value):
            yield value
