"""Which language a text is in: by its script, and among the languages of one script by py3langid.

A Chinese, Japanese or Thai text has no spaces to count words by, so letters are counted in units that are worth one English
word each: 1.7 Han characters, 3.4 kana, 5 Thai characters (vowel signs and tone marks among them; Lao, Khmer and Burmese
too), one word of every other script. Measured on the 1,997 news sentences of NTREX in English, Chinese, Thai and Japanese.

Code, inline code, URLs, LaTeX, JSON and tags are no language and are taken out first.

Not covered: transliterations (`ni hao`), and which of several languages a mixed text has beside the one it has most of.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Mapping
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

    from datagen.text.language_model import Model

LONGEST = 4000  # characters that are read; more tell nothing new
CLEARLY_NOT = 0.01  # probability of a language under which a text of its script is clearly in another
LEAST, LEAST_SENTENCE = 0.2, 0.3  # share of the language asked for beside names and terms, and beside a sentence in another
BEFOREHAND = {"latin": ("en", 20.0), "CYRILLIC": ("ru", 3.0)}  # how much likelier than others; with 1, names are Sotho

_WORTH = {"han": 1 / 1.7, "kana": 1 / 3.4, "thai": 0.2, "LAO": 0.2, "KHMER": 0.2, "MYANMAR": 0.2}  # of a character
_RUN = regex.compile(
    r"(?P<latin>\p{Latin}[\p{Latin}\p{M}'’]*)|(?P<han>\p{Han}+)|(?P<thai>[\p{Thai}&&[\p{L}\p{M}]]+)"
    r"|(?P<kana>[\p{Hiragana}\p{Katakana}ー]+)|(?P<hangul>\p{Hangul}+)|(?P<other>\p{L}[\p{L}\p{M}--[\p{Latin}\p{Han}]]*)",
    flags=regex.VERSION1,
)
_ASCII_WORD = re.compile("[A-Za-z][A-Za-z']+")
# Scripts that one language of today is written in, under the first word of their letters' Unicode names.
_ONLY = {
    "thai": "th", "hangul": "ko", "GREEK": "el", "HEBREW": "he", "ARMENIAN": "hy", "GEORGIAN": "ka", "LAO": "lo", "KHMER": "km",
    "MYANMAR": "my", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "GUJARATI": "gu", "GURMUKHI": "pa",
    "SINHALA": "si", "ORIYA": "or",
}  # fmt: skip
# Scripts of several languages, which py3langid tells apart. It knows 140; those with few writers take short English texts away
# from it (`Name 5 emotional states` is Latin), so they are left out.
_SEVERAL = {
    "latin": "af az bs ca cs cy da de en es et eu fi fr ga gl ha hr hu id is it lt lv mg ms mt nl no pl pt ro sk sl so sq sv sw"
    " tl tr uz vi yo zu",
    "CYRILLIC": "be bg kk ky mk mn ru sr tg tt uk", "ARABIC": "ar fa ps ug ur", "DEVANAGARI": "hi mr ne", "BENGALI": "as bn",
    "ETHIOPIC": "am",
}  # fmt: skip
_OWN = {"zh": ("han",), "ja": ("kana", "han")}  # the scripts of each language
_OWN |= {language: (script,) for script, language in _ONLY.items()}
_OWN |= {language: (script,) for script, languages in _SEVERAL.items() for language in languages.split()}
LANGUAGES = frozenset(_OWN)  # ISO 639-1 codes that `identify` may give
# English words that make Latin letters a sentence; without one, `list comprehension` in a Chinese text is a term of it.
_JOINING = regex.compile(
    r"(?<![A-Za-z])(?:a|an|and|are|as|be|by|can|define|describe|do|does|explain|for|from|how|i|in|into|is|it|means?|me|of|on|or"
    r"|say|that|the|this|to|translate|use|what|which|who|with|write|you|your)(?![A-Za-z])",
    flags=regex.I,
)
_ASKS = regex.compile(
    r"\P{L}*(?:please\s+)?(?:can|correct|could|define|describe|does|do|explain|give|how|is|summari[sz]e|tell|translate|use|what|which"
    r"|who|why|write)(?![A-Za-z])",
    flags=regex.I,
)  # how a task in English begins
TERM = 1 / 3  # of a unit: what a Latin word counts beside another script when none of them is such a word

_CODE = regex.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`", flags=regex.S)
_CODE_LINE = regex.compile(
    r"^[ \t]*+(?:(?:def|class|for|while|if|elif|else|try|except|with)\b[^\n]*:|(?:import|from|using|package|#include)\b[^\n]*"
    r"|(?:return|print|var|let|const|function|public|private|static|void|int|async|await|echo)\b[^\n]*[(){}=;][^\n]*"
    r"|(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\b[^\n]*|[^\n]*+(?<=(?:\)[ \t]*\{|\);)[ \t]*)|[{}()\];,]+)[ \t]*$",
    flags=regex.M,
)
# File names, paths, snake_case, camelCase, calls and what holds a digit.
_NAME_IN_CODE = regex.compile(
    r"(?<![A-Za-z0-9_])(?:[A-Za-z_][A-Za-z0-9_]*+(?:(?:[._/\\]|->|::)[A-Za-z0-9_]++)+|[A-Za-z0-9_]*?[0-9_][A-Za-z0-9_]*+"
    r"|[a-z]++[A-Z][A-Za-z]*+|[A-Za-z]++\((?=[^()\n]*\)))"
)
_MAYBE_NAME = re.compile(r"[0-9_(]|[./\\:>][A-Za-z]|[a-z][A-Z]")  # what each of them holds
_LINK = regex.compile(r"(?:https?|ftp)://[^\s\p{Han}\p{Thai}<>\"']+|\bwww\.[^\s\p{Han}\p{Thai}]+|(?<![\w.+-])[\w.+-]++@[\w.-]+")
_LATEX = regex.compile(
    r"\$\$.+?\$\$|\$(?=\S)[^$\n]+?(?<=\S)\$(?!\d)|\\\([^\\]*+(?:\\[^()][^\\]*+)*+\\\)|\\\[[^\\]*+(?:\\[^\[\]][^\\]*+)*+\\\]"
    r"|\\begin\{(\w+\*?)\}[^\\]*+(?:\\(?!(?:begin|end)\{\1\})[^\\]*+)*+\\end\{\1\}|\\[A-Za-z]+",
    flags=regex.S,
)
_TAG = regex.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_JSON = regex.compile(r"\{[^{}]*\}|\[[^\[\]]*[\"{:][^\[\]]*\]")
_QUOTED = regex.compile(
    r"\"[^\"\n]{1,300}\"|“[^”]{1,300}”|‘[^’]{1,300}’|「[^」]{1,300}」|『[^』]{1,300}』|«[^»]{1,300}»|《[^》]{1,300}》"
    r"|(?<![\p{L}\p{M}])'[^'\n]{1,300}'(?!\p{L})"
)
_OPENING = re.compile("[“‘「『«《]")
_FIRST = re.compile(r"\A\s*([^:：\n]+)")  # up to a colon or the end of the first line

Units = Mapping[str, float]


def identify(text: str) -> tuple[str, float]:
    """Return the language that a text has most of outside quotation marks, and how sure that is.

    Returns:
        An ISO 639-1 code and a confidence of 0..1: the share of the language's script, times the probability of the language
        within it where the script has several; ("", 0.0) when there is nothing to go by, as in `2+2?`. Traditional and
        simplified Chinese are both zh.
    """
    plain = _unquoted(_plain(text))
    return _identify(plain, _scripts(plain))


def is_in(text: str, language: str) -> bool:
    """Return whether a text, an instruction above all, may pass as one in a language (ISO 639-1).

    Lenient: false only when the text is clearly in another language. What is quoted or follows a colon or the first line may be
    in any (`把 'I love you' 翻译成英文`), and names, terms, formulas and code are in all. A text is always in the language that
    `identify` gives it; in a language that is not known here, every text is.
    """
    plain = _unquoted(_plain(text))
    scripts = _scripts(plain)
    found, _ = _identify(plain, scripts)
    if found in ("", language) or language not in _OWN:
        return True
    frame = _says_enough(next(iter(_FIRST.findall(plain)), ""), plain)
    if frame != plain:
        scripts = _scripts(frame)
        found, _ = _identify(frame, scripts)
        if found in ("", language):
            return True
    own = sum(scripts.get(script, 0.0) for script in _OWN[language])
    if {language, found} == {"zh", "ja"}:
        return language == "ja" and own < 6  # ten Han characters without kana are no Japanese
    if own * 2 > sum(scripts.values()):
        return _may_be(frame, language)
    return _has_enough(frame, language, own, scripts)


def _plain(text: str) -> str:
    """The text without what is no language; each test is cheap, so that plain prose pays for few of the patterns."""
    text = text[: 2 * LONGEST]
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "`" in text or "~~~" in text:
        text = _CODE.sub(" ", text)
    if "://" in text or "@" in text or "www." in text:
        text = _LINK.sub(" ", text)
    if "$" in text or "\\" in text:
        text = _LATEX.sub(" ", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if any(c in text for c in "({=#") or "SELECT" in text or "import " in text:
        text = _CODE_LINE.sub(" ", text)
    for _ in range(8):  # JSON from the inside out, as deep as people write it
        if not ("{" in text or "[" in text) or (shorter := _JSON.sub(" ", text)) == text:
            break
        text = shorter
    if _MAYBE_NAME.search(text):
        text = _NAME_IN_CODE.sub(" ", text)
    return text[:LONGEST].strip()


def _unquoted(plain: str) -> str:
    """The text without its quotations; with them where hardly anything is outside."""
    if plain.count('"') < 2 and plain.count("'") < 2 and (plain.isascii() or not _OPENING.search(plain)):
        return plain
    return _says_enough(_QUOTED.sub(" ", plain), plain)


def _says_enough(part: str, whole: str) -> str:
    """A part of a text where it holds enough words to tell a language by, else the whole."""
    return part.strip() if part != whole and says_enough(part) else whole


def says_enough(text: str) -> bool:
    """Whether a text holds enough words to tell a language by: three in Latin letters, one in those of fewer languages."""
    scripts = _scripts(text)
    return sum(scripts.values()) >= (3 if scripts.keys() <= {"latin"} else 1)


def _scripts(plain: str) -> dict[str, float]:
    """The units of each script, in the order of their first letters; a single letter is a variable, not a word."""
    if plain.isascii():
        return {"latin": float(count)} if (count := len(_ASCII_WORD.findall(plain))) else {}
    found: dict[str, float] = {}
    for match in _RUN.finditer(plain):
        script, length = str(match.lastgroup), match.end() - match.start()
        if script == "other":
            script = _script_of(match[0][0])
        worth = _WORTH[script] * length if script in _WORTH else 1.0
        if script and (length > 1 or script in _WORTH or script == "hangul"):
            found[script] = found.get(script, 0.0) + worth
    if len(found) > 1 and "latin" in found and not _JOINING.search(plain):
        found["latin"] *= TERM
    return found


def _latin(plain: str) -> list[str]:
    """The words in Latin letters, of two letters at least."""
    return [m[0] for m in _RUN.finditer(plain) if m.lastgroup == "latin" and len(m[0]) > 1]


@lru_cache(maxsize=4096)
def _script_of(letter: str) -> str:
    """The script of a letter, or "" for one that is of none, as mathematical letters are."""
    name = unicodedata.name(letter, "").split(" ")[0]
    return name if name in _ONLY or name in _SEVERAL else ""


def _identify(plain: str, scripts: Units) -> tuple[str, float]:
    total = sum(scripts.values())
    if not total:
        return "", 0.0
    east = scripts.get("han", 0.0) + scripts.get("kana", 0.0)
    script = max(scripts, key=scripts.__getitem__)
    if east >= scripts[script]:
        return ("ja" if "kana" in scripts and _is_japanese(plain) else "zh"), east / total
    share = scripts[script] / total
    if script in _ONLY:
        return _ONLY[script], share
    language, probability = _identifier(script).most_likely(plain)
    return language, share * probability


def _is_japanese(plain: str) -> bool:
    """Kana between the Han characters, as particles and endings are; one word of kana may be cited in Chinese."""
    kana = [len(m[0]) for m in _RUN.finditer(plain) if m.lastgroup == "kana"]
    han = sum(len(m[0]) for m in _RUN.finditer(plain) if m.lastgroup == "han")
    share = sum(kana) / (sum(kana) + han)
    return share >= (0.55 if len(kana) == 1 else 0.1)


def _has_enough(frame: str, language: str, own: float, scripts: Units) -> bool:
    """Whether a text that has most letters of other scripts says its task in the language asked for."""
    words = _latin(frame)
    joined = _JOINING.search(frame) is not None
    begins = next(iter(scripts), "") in _OWN[language]
    latin, total = scripts.get("latin", 0.0), sum(scripts.values())
    if (
        "latin" in _OWN[language]
    ):  # `Python如何读取文件` and `Wait for () Secs块是什么` have no more than names in Latin letters
        last = next((c for c in reversed(frame) if c.isalpha()), "")
        asks = joined and (last.isascii() or _ASKS.match(frame)) if language == "en" else _lower_case(frame, words) > 0
        return bool(begins and asks) and own >= LEAST * total
    other = total - latin + _lower_case(frame, words) - own
    if not own:  # names, or a term of one word
        return other < 2 and not any(script in _WORTH for script in scripts)
    return begins or own >= (LEAST_SENTENCE if joined else LEAST) * (own + other)


def _lower_case(text: str, words: list[str]) -> int:
    """How many words are no names: lower-case ones, and the capitalised first one before such."""
    if text.isupper():
        return len(words)
    count = sum(word[0].islower() for word in words)
    return count + (count > 0 and words[0][0].isupper() and not words[0].isupper())


def _may_be(frame: str, language: str) -> bool:
    """Whether py3langid leaves a language some probability among those of its script, or there are only names to go by."""
    script = _OWN[language][0]
    if script not in _SEVERAL:
        return True
    few = script == "latin" and _lower_case(frame, _latin(frame)) < 2
    return few or _identifier(script).probability(frame, language) >= CLEARLY_NOT


_LOCK = threading.Lock()


@lru_cache(maxsize=1)
def _model() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=len(_SEVERAL))
def _loaded(script: str) -> Model:
    """The model for the languages of one script; ranking changes nothing in it."""
    from datagen.text.language_model import Model

    identifier = copy(_model())
    identifier.set_languages(_SEVERAL[script].split())
    return Model(identifier, BEFOREHAND.get(script))


def _identifier(script: str) -> Model:
    with _LOCK:  # so that threads do not load it twice
        return _loaded(script)
