"""Normalise and tokenise text: the ONE tokeniser that every similarity stage shares.

Words for scripts that space them; one grapheme cluster per token for Han, kana, Thai, Lao, Khmer and Burmese. NFC and
case-folded; combining marks, digits and operators stay, so `3+5` is not `7-9` and ที่นี้ is not ที่นี่. Prose punctuation goes.

With `units=words` Chinese, Japanese and Thai are cut into words by a dictionary (jieba, pythainlp) instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import regex

Units = Literal["graphemes", "words", "rouge_score"]

# Of a class of `regex`: the scripts that put no blank between words.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# Alternatives in order: a number with its separators (3.14), a cluster of an unspaced script (its own digits included),
# a word with inner apostrophes, a minus sign before a number, an operator, any other symbol with its joiners (emoji).
_TOKEN = regex.compile(
    rf"[0-9]+(?:[.,][0-9]+)+"
    rf"|(?=[{UNSPACED}])\X"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}_]--[{UNSPACED}]]+(?:['’][[\p{{L}}\p{{M}}]--[{UNSPACED}]]+)*"
    rf"|[-−](?=\s?[0-9(])"
    rf"|[*/%#@&\\]"
    rf"|(?=\p{{S}})\X",
    flags=regex.VERSION1,
)
# The same alternatives for pure ASCII, where plain `re` is 2.5 times as fast; a test proves the two equal there.
_ASCII_TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)+|[a-z0-9_]+(?:'[a-z]+)*|-(?=[ \t-\r]?[0-9(])|[*/%#@&\\+<=>^`|~$]")
_ASCII_WORD = re.compile(
    r"[0-9]+(?:[.,][0-9]+)+|[a-z0-9][a-z0-9_]*(?:'[a-z]+)*|(?<!_)_++(?:[a-z0-9][a-z0-9_]*(?:'[a-z]+)*|(?:'[a-z]+)+)"
)
_MEANT = regex.compile(r"[\p{L}\p{M}\p{N}]")
_SEPARATOR = re.compile(r"(?<=[0-9])[.,](?=[0-9])")
_DIGITS = frozenset("0123456789")
_FACT = regex.compile(r"[\p{N}_\p{S}*/%#@&\\-]")
UNSPACED_CHARACTER = regex.compile(f"[{UNSPACED}]")
# Invisible characters inside words (soft hyphen, zero-width space, word joiner, byte-order mark) belong to no word; the
# typographic apostrophe is the plain one.
# The tatweel only stretches an Arabic word. Full-width letters, digits and operators are the plain ones.
_FOLDED: dict[int, str | None] = {
    **dict.fromkeys((0x00AD, 0x0640, 0x200B, 0x2060, 0xFEFF)), 0x2019: "'",
    **{ord(c) + 0xFEE0: c for c in map(chr, range(0x21, 0x7F)) if c.isalnum() or c in "*/%#@&\\-+<=>^`|~$_'."},
}  # fmt: skip
_NARROW = re.compile("[\uff65-\uff9f]+")  # half-width katakana, whose voice marks stand by themselves
_POINTED = re.compile("[\u0590-\u06ff]")  # Hebrew and Arabic, which may be written with their vowels
_POINT = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u0652\u0670]+")
_POINTED_WORD = re.compile("[\u05d0-\u05ea\u0620-\u064a][\u0590-\u06ff]*")
# What Unicode has in two spellings that look the same, in Thai and Lao: one sign or its two parts (แ ำ ແ ຳ), a tone mark before
# or after the vowel over or behind its letter, ๅ for า but after ฤ and ฦ, ຫນ and ຫມ for ໜ and ໝ. The order matters.
_THAI, _LAO = re.compile("[\u0e01-\u0e5b]"), re.compile("[\u0e81-\u0edf]")
_OF_THAI, _OF_LAO = (  # what is looked for first, for it is found ten times as fast; the pattern; the one spelling
    tuple((needle, re.compile(pattern), spelling) for needle, pattern, spelling in spellings)
    for spellings in (
        (
            ("\u0e40\u0e40", "\u0e40\u0e40", "\u0e41"),
            ("\u0e45", "(?<![\u0e24\u0e26])\u0e45", "\u0e32"),
            ("\u0e4d", "\u0e4d([\u0e48-\u0e4b]*)\u0e32", r"\1" "\u0e33"),
            ("", "([\u0e48-\u0e4c])([\u0e31\u0e34-\u0e3a\u0e47\u0e4d])", r"\2\1"),
            ("", "([\u0e30\u0e32\u0e33])([\u0e48-\u0e4b])", r"\2\1"),
        ),
        (
            ("\u0ec0\u0ec0", "\u0ec0\u0ec0", "\u0ec1"),
            ("\u0ecd", "\u0ecd([\u0ec8-\u0ecb]*)\u0eb2", r"\1" "\u0eb3"),
            ("", "([\u0ec8-\u0ecc])([\u0eb1\u0eb4-\u0ebb\u0ecd])", r"\2\1"),
            ("", "([\u0eb0\u0eb2\u0eb3])([\u0ec8-\u0ecb])", r"\2\1"),
            ("\u0eab\u0e99", "\u0eab\u0e99", "\u0edc"),
            ("\u0eab\u0ea1", "\u0eab\u0ea1", "\u0edd"),
        ),
    )
)


def tokens(text: str) -> list[str]:
    """Return the tokens of a text in order.

    A text that has visible characters but no token (`"???"`) gives one token per character, so that no row is
    compared as if it were empty.
    """
    if text.isascii():
        folded = text.lower()
        found = _ASCII_TOKEN.findall(folded)
    else:
        folded = _folded(text)
        found = _TOKEN.findall(folded)
    return found or [c for c in folded if not c.isspace()]


def _folded(text: str) -> str:
    """Return a text in the one spelling in which texts are compared.

    NFC, small letters, plain width, no vowel marks; of signs of Thai and Lao that look the same, one.
    """
    text = unicodedata.normalize("NFC", text).translate(_FOLDED)
    for script, spellings in ((_THAI, _OF_THAI), (_LAO, _OF_LAO)):
        if script.search(text):
            for needle, pattern, spelling in spellings:
                if needle in text:
                    text = pattern.sub(spelling, text)
    if _NARROW.search(text):
        text = _NARROW.sub(lambda hit: unicodedata.normalize("NFKC", hit.group()), text)
    # Folding may leave NFC (ΐ unfolds), hence the second pass.
    text = unicodedata.normalize("NFC", text.casefold())
    return _without_points(text) if _POINTED.search(text) else text


def _without_points(text: str) -> str:
    """Return a text of Hebrew or Arabic that is written with all its vowels without them.

    Where only some words have theirs, they are what tells these words from others, and stay.
    """
    found = _POINTED_WORD.findall(text)
    return _POINT.sub("", text) if sum(_POINT.search(word) is not None for word in found) > len(found) / 2 else text


def words(text: str) -> list[str]:
    """Return the tokens that hold a letter or a digit, the separators of numbers left out: `$3,000!` gives `3000`.

    For what must be found again whatever its punctuation.
    """
    if text.isascii():
        found = _ASCII_WORD.findall(text.lower())
    else:
        found = [t for t in tokens(text) if t.isalnum() or _MEANT.search(t)]
    return [without_separators(t) if t[0] in _DIGITS and len(t) > 2 else t for t in found]


def without_separators(token: str) -> str:
    """Return a token as `words` gives it: a number without the signs between its digits."""
    return _SEPARATOR.sub("", token)


def facts(found: Sequence[str]) -> str:
    """Return, joined by spaces, the tokens of which one changed character changes the meaning: numbers, operators, identifiers.

    In a text of an unspaced script words of other scripts count too: they are names there. Two texts that differ in one fact
    may be alike in almost every token, so no similarity stands for this.
    """
    names = any(map(is_unspaced, found))
    return " ".join(t for t in found if is_fact(t) or (names and not is_unspaced(t)))


@lru_cache(maxsize=1 << 16)
def is_fact(token: str) -> bool:
    """Say whether one changed character of a token changes its meaning."""
    return _FACT.search(token) is not None


@lru_cache(maxsize=1 << 16)
def is_unspaced(token: str) -> bool:
    """Say whether a token is of a script that does not space words."""
    return not token.isascii() and UNSPACED_CHARACTER.match(token) is not None


def words_in(text: str) -> float:
    """Return the length of a text in words; a character of a script without spaces counts as half a word."""
    found = tokens(text)
    return len(found) - sum(map(is_unspaced, found)) / 2


def rouge_score_tokens(text: str) -> list[str]:
    """Return the tokens that `rouge_score` makes: runs of a-z and 0-9, nothing for other scripts. For comparisons only."""
    from rouge_score import tokenize

    found: list[str] = tokenize.tokenize(text, None)
    return found


_HAN_OR_KANA = r"\p{Han}\p{Hiragana}\p{Katakana}"
_RUN = regex.compile(
    rf"(?P<zh>[{_HAN_OR_KANA}]+)|(?P<th>(?<!\p{{M}})\p{{M}}*+\p{{Thai}}[\p{{Thai}}\p{{M}}]*)", flags=regex.VERSION1
)


def dictionary_tokens(text: str) -> list[str]:
    """Return the tokens of a text, those of Chinese, Japanese and Thai being the words of a dictionary.

    Raises:
        UsageError: the extra `zh` or `th` that holds the dictionary is not installed.
    """
    from datagen.text.verbs import chinese, thai

    if text.isascii():
        return tokens(text)
    folded = _folded(text)
    found: list[str] = []
    at = 0
    for run in _RUN.finditer(folded):
        found += _TOKEN.findall(folded[at : run.start()])
        found += [w for w in (chinese if run["zh"] else thai).segmented(run.group()) if w.strip()]
        at = run.end()
    found += _TOKEN.findall(folded[at:])
    return found or tokens(text)


def tokenizer(units: Units) -> Callable[[str], list[str]]:
    """Return the function that cuts a text into these units."""
    return {"rouge_score": rouge_score_tokens, "words": dictionary_tokens}.get(units, tokens)
