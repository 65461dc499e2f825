"""Personal data of a text masked, or counted without a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from datagen.personal_data.addresses import Span, emails, ip_addresses
from datagen.personal_data.keys import keys
from datagen.personal_data.numbers import cards, phones
from datagen.personal_data.untouched import untouched

KINDS = ("email", "phone", "ip", "card", "key")
# In the order in which they are masked: digits within an address or a key are no phone number.
_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "email": emails, "key": keys, "card": cards, "ip": ip_addresses, "phone": phones,
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
