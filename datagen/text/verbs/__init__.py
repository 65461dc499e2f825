"""The root verb of an instruction and its noun, the figure by which Self-Instruct and Alpaca show how diverse their tasks are.

English by the dictionary of lemminflect, Chinese by jieba and Thai by pythainlp, with a few rules each and no parser; what they
reach on real instructions is in the tests. Nothing is fetched, and nothing is loaded before the first text.

Source: Wang et al. 2023 (Self-Instruct), figure 2: the most common root verbs and their direct nouns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module

from datagen.errors import UsageError, did_you_mean

LANGUAGES = {"en": "english", "zh": "chinese", "th": "thai"}  # and the module of each
LONGEST = 2000  # characters that are read: the task is said by then

# Code and quotations are what a task is about; a mark stays where they were, because they end a phrase.
_CITED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]{1,300}\"|“[^”]{1,300}”|‘[^’]{1,300}’|「[^」]{1,300}」|『[^』]{1,300}』|《[^》]{1,300}》"
    r"|(?<!\w)'[^'\n]{1,300}'(?!\w)",
    re.DOTALL,
)


def verb_noun(text: str, language: str) -> tuple[str, str]:
    """Return the root verb of an instruction and its direct noun.

    Both in lower case, English ones as lemmas in one spelling (`Summarise two stories.` is of summarize and story); "" where
    there is none, and no noun where the object is a clause, a name or a quotation. Of a question it is the main verb, never
    the question word: `What is the capital of Peru?` is of be and capital, `How do I bake bread?` of bake and bread; where it
    has no object, the noun is its subject. Where several sentences ask for something, the first counts; the scene of a task
    (`Imagine …`) only where nothing else does.

    Args:
        text: the instruction, without its input.
        language: en, zh or th.

    Raises:
        UsageError: another language, or the extra that a language needs is not installed.
    """
    return reader(language)(_CITED.sub(' " ', text[:LONGEST]))


def reader(language: str) -> Callable[[str], tuple[str, str]]:
    """Return the function that reads the instructions of a language.

    Raises:
        UsageError: a language other than en, zh and th.
    """
    if language not in LANGUAGES:
        raise UsageError(f"verbs are found in en, zh and th, not in {language!r}{did_you_mean(language, LANGUAGES)}")
    found: Callable[[str], tuple[str, str]] = import_module(f"datagen.text.verbs.{LANGUAGES[language]}").verb_noun
    return found
