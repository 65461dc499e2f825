"""Texts as numbered tokens, a batch at once: the tokens of `datagen.text.tokens`, made by a kernel where texts are ASCII.

The kernel walks the bytes as the patterns of `datagen.text.tokens` do (a test proves them equal) and numbers tokens by
their bytes, hash and comparison both, so that no collision counts. Other texts go through the patterns themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.kernels import kernel
from datagen.similarity.token_lists import Offsets
from datagen.text.tokens import Units, facts, is_fact, tokenizer, without_separators, words

Bytes = npt.NDArray[np.uint8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Split = Callable[[str], list[str]]

_DIGIT, _WORD, _SIGN, _BLANK = 1, 2, 4, 8  # kinds of a byte; a digit is of a word too
_KINDS = np.zeros(256, np.uint8)
for _chars, _kind in (
    (b"0123456789", _DIGIT | _WORD), (b"abcdefghijklmnopqrstuvwxyz_", _WORD), (b"*/%#@&\\+<=>^`|~$", _SIGN),
    (b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f ", _BLANK),
):  # fmt: skip
    _KINDS[list(_chars)] |= _kind
# Most English texts that are not ASCII have only these; none is of a token but the apostrophe, nor is a semicolon.
_TYPOGRAPHIC = {**dict.fromkeys("“”„‘–—…•·«»", ";"), "\u2019": "'", "\u00a0": " "}
_OTHER = re.compile(rf"[^\x00-\x7f{''.join(_TYPOGRAPHIC)}]")
_ALNUM = re.compile(r"[A-Za-z0-9]")


@dataclass(frozen=True)
class Tokenised:
    """Text i has the tokens `vocabulary[ids[k]]` for k in `offsets[i]..offsets[i + 1]`.

    Shapes: ids int32[n_tokens], offsets int64[n_texts + 1].
    """

    ids: Int32
    offsets: Offsets
    vocabulary: list[str]

    @property
    def counts(self) -> Int64:
        """Tokens of each text: int64[n_texts]."""
        return np.diff(self.offsets)

    def of(self, text: int) -> list[str]:
        """Return the tokens of a text."""
        return [self.vocabulary[i] for i in self.ids[self.offsets[text] : self.offsets[text + 1]].tolist()]

    def column(self) -> pa.Array:
        """Return them as a list column of dictionary-encoded strings, which `columns.token_lists` reads."""
        values = pa.DictionaryArray.from_arrays(pa.array(self.ids), pa.array(self.vocabulary, pa.string()))
        return pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), values)

    def holding(self, wanted: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
        """Return which texts hold a token of some kind: bool[n_texts]; each token of the vocabulary is asked about once."""
        return self._with_any(np.array(list(map(wanted, self.vocabulary)), bool))

    def _with_any(self, marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        before = np.cumsum(np.concatenate([[0], marked[self.ids]]))
        some: npt.NDArray[np.bool_] = before[self.offsets[1:]] > before[self.offsets[:-1]]
        return some

    def facts(self, wanted: npt.NDArray[np.bool_]) -> list[str]:
        """Return `text.facts` of the wanted texts, "" for the others."""
        found = [""] * len(wanted)
        # Where the vocabulary is ASCII a token is a fact by itself; else the text's other tokens have a say.
        plain = np.array([t.isascii() for t in self.vocabulary], bool)
        held = np.array([is_fact(t) for t in self.vocabulary], bool)
        foreign = self._with_any(~plain)
        for text in np.flatnonzero(wanted & foreign).tolist():
            found[text] = facts(self.of(text))
        at = np.flatnonzero(held[self.ids] & np.repeat(wanted & ~foreign, self.counts))
        owners = np.searchsorted(self.offsets, at, side="right") - 1
        several: dict[int, list[str]] = {}
        for text, token in zip(owners.tolist(), self.ids[at].tolist(), strict=True):
            several.setdefault(text, []).append(self.vocabulary[token])
        for text, tokens in several.items():
            found[text] = " ".join(tokens)
        return found


def tokenised(texts: Sequence[str], units: Units = "graphemes") -> Tokenised:
    """Return the tokens of texts in these units."""
    if units == "rouge_score":
        ids, counts, vocabulary = _by_pattern(texts, tokenizer(units), [])
        return Tokenised(ids, _ends(counts), vocabulary)
    return _both(texts, tokenizer(units), words_only=False)


def tokenised_words(texts: Sequence[str]) -> Tokenised:
    """Return the `text.words` of texts."""
    return _both(texts, words, words_only=True)


def _ends(counts: Int64) -> Offsets:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _both(texts: Sequence[str], split: Split, *, words_only: bool) -> Tokenised:
    """Return the tokens of texts, those of ASCII by the kernel where it is worth it."""
    texts = [t if t.isascii() else _plainer(t) for t in texts]
    plain = np.array([t.isascii() for t in texts], bool)
    ascii_texts = [t for t in texts if t.isascii()]
    if cut.is_worth(0.25 * sum(map(len, ascii_texts))):
        ids, counts, vocabulary = _by_kernel(ascii_texts, words_only)
    else:
        ids, counts, vocabulary = _by_pattern(ascii_texts, split, [])
    if plain.all():
        return Tokenised(ids, _ends(counts), vocabulary)
    more, their_counts, vocabulary = _by_pattern([t for t in texts if not t.isascii()], split, vocabulary)
    all_counts = np.empty(len(texts), np.int64)
    all_counts[plain], all_counts[~plain] = counts, their_counts
    flat, mine = np.empty(len(ids) + len(more), np.int32), np.repeat(plain, all_counts)
    flat[mine], flat[~mine] = ids, more
    return Tokenised(flat, _ends(all_counts), vocabulary)


def _plainer(text: str) -> str:
    """Return a text with typographic punctuation as ASCII that is cut the same way, if that makes all of it ASCII."""
    if _OTHER.search(text) or not _ALNUM.search(text):
        return text
    for sign, plain in _TYPOGRAPHIC.items():  # `translate` is ten times as slow
        text = text.replace(sign, plain)
    return text


def _by_pattern(texts: Sequence[str], split: Split, vocabulary: list[str]) -> tuple[Int32, Int64, list[str]]:
    """Return ids and counts of the tokens that `split` makes, and the vocabulary with those that it had not."""
    index = {token: i for i, token in enumerate(vocabulary)}
    lists = [[index.setdefault(t, len(index)) for t in split(text)] for text in texts]
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    return np.fromiter((i for ids in lists for i in ids), np.int32, int(counts.sum())), counts, list(index)


def _by_kernel(texts: Sequence[str], words_only: bool) -> tuple[Int32, Int64, list[str]]:
    """Return ids and counts of the tokens of ASCII texts, and their vocabulary in order of appearance."""
    joined = "".join(texts).lower()
    data = np.frombuffer(joined.encode(), np.uint8)
    ends = _ends(np.fromiter(map(len, texts), np.int64, len(texts)))
    starts, lengths, counts = cut(data, ends, _KINDS, words_only)
    ids, first = numbered(data, starts, lengths)
    vocabulary = [joined[a : a + n] for a, n in zip(starts[first].tolist(), lengths[first].tolist(), strict=True)]
    if words_only:  # `3,000` is `3000`, which may be there already
        index: dict[str, int] = {}
        place = np.array([index.setdefault(without_separators(t), len(index)) for t in vocabulary], np.int32)
        return place[ids] if len(ids) else ids, counts, list(index)
    return ids, counts, vocabulary


@kernel(work=lambda data, ends, kinds, words_only: len(data))
def cut(data: Bytes, ends: Offsets, kinds: Bytes, words_only: bool) -> tuple[Int32, Int32, Int64]:
    """Return where each token starts, how long it is, and how many each text has.

    Args:
        data: uint8, the bytes of all texts, lower case.
        ends: int64[n_texts + 1], where texts begin and end.
        kinds: uint8[256], the kinds of each byte.
        words_only: as `text.words`: no signs, and nothing of underscores alone.
    """
    starts, lengths = np.empty(len(data), np.int32), np.empty(len(data), np.int32)
    counts = np.zeros(len(ends) - 1, np.int64)
    made = 0
    for text in range(len(ends) - 1):
        at, end, before = ends[text], ends[text + 1], made
        while at < end:
            size = token_at(data, at, end, kinds, words_only)
            if size > 0:
                starts[made], lengths[made] = at, size
                made += 1
                at += size
            else:
                at -= size - 1 if size < 0 else -1
        if made == before and not words_only:  # visible characters, but no token: one token per character
            for place in range(ends[text], end):
                if not kinds[data[place]] & 8:
                    starts[made], lengths[made] = place, 1
                    made += 1
        counts[text] = made - before
    return starts[:made], lengths[:made], counts


@kernel()
def token_at(data: Bytes, at: int, end: int, kinds: Bytes, words_only: bool) -> int:
    """The length of the token that begins here; 0 where none does; -n where none does in the next n + 1 bytes."""
    kind = kinds[data[at]]
    if kind & 1:
        number = number_at(data, at, end, kinds)
        if number > 0:
            return int(number)
    if kind & 2:
        return int(word_at(data, at, end, kinds, words_only))
    if words_only:
        return 0
    return 1 if kind & 4 != 0 or (data[at] == 45 and is_minus(data, at, end, kinds)) else 0


@kernel()
def number_at(data: Bytes, at: int, end: int, kinds: Bytes) -> int:
    """The length of a number with separators, as 3.14 or 1,000; 0 where there is none."""
    stop = at
    while stop < end and kinds[data[stop]] & 1:
        stop += 1
    digits = stop
    while stop + 1 < end and (data[stop] == 44 or data[stop] == 46) and kinds[data[stop + 1]] & 1:
        stop += 1
        while stop < end and kinds[data[stop]] & 1:
            stop += 1
    return stop - at if stop > digits else 0


@kernel()
def word_at(data: Bytes, at: int, end: int, kinds: Bytes, words_only: bool) -> int:
    """The length of a word with its inner apostrophes; -n for n + 1 underscores that are no word."""
    stop, solid = at, False
    while stop < end and kinds[data[stop]] & 2:
        solid = solid or data[stop] != 95
        stop += 1
    run = stop
    while stop + 1 < end and data[stop] == 39 and 97 <= data[stop + 1] <= 122:
        stop += 1
        while stop < end and 97 <= data[stop] <= 122:
            stop += 1
    if words_only and not solid and stop == run:
        return at - stop + 1
    return stop - at


@kernel()
def is_minus(data: Bytes, at: int, end: int, kinds: Bytes) -> bool:
    """Whether a hyphen stands before a number or a bracket, a blank between them or not."""
    after = at + 1
    if after < end and (data[after] == 32 or 9 <= data[after] <= 13):
        after += 1
    return after < end and (kinds[data[after]] & 1 != 0 or data[after] == 40)


@kernel(work=lambda data, starts, lengths: len(data))
def numbered(data: Bytes, starts: Int32, lengths: Int32) -> tuple[Int32, Int32]:
    """Return a number per token, equal for equal bytes, by first appearance, and the first token of each number."""
    slots, hashes = np.full(1 << 12, -1, np.int32), np.empty(1 << 11, np.uint64)
    first = np.empty(1 << 11, np.int32)
    ids = np.empty(len(starts), np.int32)
    used = 0
    for token in range(len(starts)):
        h = hash_of(data, starts[token], lengths[token])
        slot = slot_of(data, starts, lengths, slots, hashes, first, token, h)
        if slots[slot] < 0:
            if used == len(first):
                first, hashes = np.concatenate((first, first)), np.concatenate((hashes, hashes))
            slots[slot], first[used], hashes[used] = used, token, h
            used += 1
            if 2 * used > len(slots):
                slots = spread(hashes, used, 4 * len(slots))
            ids[token] = used - 1
        else:
            ids[token] = slots[slot]
    return ids, first[:used]


@kernel()
def hash_of(data: Bytes, at: int, n: int) -> np.uint64:
    """FNV-1a of n bytes, its high bits folded into the low ones."""
    h = np.uint64(14695981039346656037)
    for k in range(at, at + n):
        h = (h ^ np.uint64(data[k])) * np.uint64(1099511628211)
    return h ^ (h >> np.uint64(29))


@kernel()
def slot_of(
    data: Bytes, starts: Int32, lengths: Int32, slots: Int32, hashes: npt.NDArray[np.uint64], first: Int32, token: int,
    h: np.uint64,
) -> int:  # fmt: skip
    """The slot of a token that is there, or the empty one where it would go."""
    a, n = starts[token], lengths[token]
    slot = np.int64(h & np.uint64(len(slots) - 1))
    while slots[slot] >= 0:
        known = slots[slot]
        if hashes[known] == h and lengths[first[known]] == n:
            b, same = starts[first[known]], True
            for k in range(n):
                if data[a + k] != data[b + k]:
                    same = False
                    break
            if same:
                break
        slot = (slot + 1) & (len(slots) - 1)
    return int(slot)


@kernel()
def spread(hashes: npt.NDArray[np.uint64], used: int, size: int) -> Int32:
    """Return a table of `size` slots with the numbers below `used`."""
    slots = np.full(size, -1, np.int32)
    for known in range(used):
        at = np.int64(hashes[known] & np.uint64(size - 1))
        while slots[at] >= 0:
            at = (at + 1) & (size - 1)
        slots[at] = known
    return slots
