"""The verb and noun of an English instruction, by the dictionary of lemminflect and the few shapes that instructions have.

No parser: in an instruction the root verb stands first, after words of politeness, after a clause with a comma, or after the
subject of a question, and its object follows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from datagen.text.verbs.words import (
    ADVERBS,
    AMOUNTS,
    ANOTHER,
    BE,
    BEFORE_NOUN,
    DO,
    ENDS,
    GIVES,
    HAVE,
    HELPERS,
    KNOWN,
    LEAD,
    MODALS,
    NAMES,
    NEEDS,
    NO_OBJECT,
    SETTING,
    TAKES,
    WH,
    is_base,
    is_participle,
    lemmas,
    noun_of,
    one_spelling,
    verb_of,
)

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*(?:-[^\W_]+)*|\d+(?:[.,/-]?\w+)*%?|[^\s\w]")
_OPENING = re.compile(
    r"(?:(?:please|kindly|now|then|first|next|finally|also|ok(?:ay)?|hi|hello|hey|so|and|but|just|simply|again|instead"
    r"|(?!(?:re|app|supp|multip|comp|imp|f)ly)[a-z]+ly)\b[\s,!]*"
    r"|(?:can|could|would|will) you\b|(?:i|we)(?: want| need|(?: woul|')d like) you to\b|i(?:'d| would) (?:like|love) to\b"
    r"|(?:i|we) (?:want|need) to\b|(?:your|the) (?:task|job|goal|role|objective) (?:here )?is to\b"
    r"|you (?:must|should|(?:need|have) to|are (?:asked|required|expected) to)\b|let(?:'s| us| me)\b"
    r"|(?:try|be sure|make sure) to\b|help (?:me|us)\b(?! (?:with|in|on))(?: to\b)?|go ahead and\b|feel free to\b"
    r"|(?:step|task|question|part) ?\d+ ?[.)]?|[\W\d_]+)\s*",
    re.IGNORECASE,
)


def verb_noun(text: str) -> tuple[str, str]:
    """Return the lemmas of the root verb and its noun; the first sentence that asks for something decides."""
    scene = ("", "")
    for sentence in re.split(r"(?<=[.?!:;])\s+|\n+", text):
        found = _of_sentence(sentence)
        if found[0] and found[0] not in SETTING:
            return one_spelling(found[0]), one_spelling(found[1])
        scene = scene if scene[0] else found
    return scene


def _of_sentence(sentence: str) -> tuple[str, str]:
    rest = sentence
    while (opening := _OPENING.match(rest)) and opening.end() < len(rest):
        rest = rest[opening.end() :]
    for part in (rest, sentence):
        found = _of_words(_words(part))
        if found[0]:
            return found
    return "", ""


def _words(sentence: str) -> list[str]:
    """The words in lower case; `~` stands for a name, which is no noun: capitals in the sentence, and in no dictionary."""
    found = [word.replace("’", "'") for word in _WORD.findall(sentence)]
    return [
        "~" if n and word[0].isupper() and not word.isupper() and not lemmas(word.lower()) and word.lower() not in KNOWN
        else word.lower()
        for n, word in enumerate(found)
    ]  # fmt: skip


def _of_words(words: Sequence[str]) -> tuple[str, str]:
    if not words:
        return "", ""
    first = words[0]
    asked = 1 if len(words) > 1 and words[1] in WH and first in ENDS else 0  # `in which month`
    if words[asked] in WH and words[asked + 1 : asked + 2] == ["to"]:
        return _of_words(words[asked + 2 :])  # `how to bake bread`
    if words[asked] in WH or first in BE or first in DO or (first in HAVE and "?" in words):
        return _question(words, asked)
    if _leads(first) and (found := _after_lead(words, comma=first in SETTING))[0]:
        return found
    if first in ("i", "we") and len(words) > 2:
        at = next((i for i, w in enumerate(words[1:4], 1) if w in ("need", "want", "like")), 0)
        return (words[at], _object(words, at + 1)[0]) if at else ("", "")
    if not _is_imperative(words):
        return "", ""
    return first, _direct(words, 1, first)


def _after_lead(words: Sequence[str], *, comma: bool) -> tuple[str, str]:
    """The task after a clause in front: behind its comma, or else at the first word that can be nothing but a verb."""
    for i, word in enumerate(words[:-1]):
        if word in NEEDS and words[i + 1] == "to":
            return _of_words(words[i + 2 :])
        if word == ",":
            rest = words[i + 1 :]
            while rest and (rest[0] in ("please", "and", "then") or rest[0].endswith("ly")):
                rest = rest[1:]
            if rest and (not _leads(rest[0]) or (rest[1:2] and rest[1] in WH)) and (found := _of_words(rest))[0]:
                return found
    for i, word in enumerate(words[2:] if not comma else (), 2):
        if is_base(word) and not noun_of(word) and word not in ENDS and words[i - 1] not in ("to", "you", "not"):
            return word, _direct(words, i + 1, word)
    return "", ""


def _leads(word: str) -> bool:
    """Whether a clause that begins with a word is not yet the task."""
    return word in LEAD or (word.endswith("ing") and not is_base(word))


def _is_imperative(words: Sequence[str]) -> bool:
    """Whether the first word is a verb in its base form; `people lived`, `fact or opinion` and `question:` begin with none."""
    first, after = words[0], words[1] if len(words) > 1 else ""
    if not lemmas(first) and after in BEFORE_NOUN and first not in ENDS | LEAD | BEFORE_NOUN:
        return True  # `refactor this`: no dictionary has the word
    if not is_base(first) or first in ENDS:
        return False
    if not noun_of(first):
        return True
    if first in NAMES and after not in BEFORE_NOUN:
        return False
    if after in NO_OBJECT or after in BE or after in DO or after in HAVE:
        return False
    inflected = "VERB" in lemmas(after) and not is_base(after) and not {"NOUN", "ADJ"} & lemmas(after).keys()
    return not inflected or after.endswith("ing")


def _direct(words: Sequence[str], at: int, verb: str) -> str:
    """The object that begins at a word, or after another verb (`compare and contrast`), an adverb or a preposition."""
    while at + 1 < len(words) and words[at] in ("and", "or", ",") and is_base(words[at + 1]):
        at += 2
    if words[at : at + 1] in (["me"], ["us"]) and words[at + 1 : at + 2] == ["with"]:
        at += 2  # `help me with a toast`
    for _ in range(2):
        if at < len(words) and (words[at] in TAKES or (words[at].endswith("ly") and "ADV" in lemmas(words[at]))):
            at += 1
    noun, end = _object(words, at)
    if verb in GIVES and noun and end < len(words) and (words[end] in ANOTHER or words[end][0].isdigit()):
        noun = _object(words, end)[0] or noun  # `give the user three ideas`
    return noun


def _object(words: Sequence[str], at: int, *, of_be: bool = False) -> tuple[str, int]:
    """The head of the noun phrase that begins at a word, "" where none does, and where it ends.

    With `of_be` an adjective ends it too: `is this advice good`.
    """
    head = ""
    while at < len(words):
        word, after = words[at], words[at + 1] if at + 1 < len(words) else ""
        if word.endswith("'s") or (word == "of" and head in AMOUNTS):  # `the customer's emotion`, `a number of ideas`
            head = ""
        elif (not head and _modifies(word, after)) or (head and word in "-/" and after):
            pass
        elif _ends_phrase(word) or (head and (_closes(words, at) or (of_be and "ADJ" in lemmas(word)))):
            break
        elif found := noun_of(word) or (word if words[at - 1] in ANOTHER and is_base(word) else ""):
            head = found
        elif not head and word.endswith("ing") and (not after.isalpha() or after in ENDS):
            head = word  # `critique the reasoning`
        elif head or not ({"ADJ", "ADV"} & lemmas(word).keys() or is_participle(word)):
            break
        at += 1
    return head, at


def _closes(words: Sequence[str], at: int) -> bool:
    """Whether a participle follows the noun (`a list containing`), not an adjective (`a simple training challenge`)."""
    after = words[at + 1] if at + 1 < len(words) else ""
    return is_participle(words[at]) and not ("ADJ" in lemmas(words[at - 1]) and noun_of(after))


def _ends_phrase(word: str) -> bool:
    return word in ENDS or word in BEFORE_NOUN or not word[0].isalpha()


def _modifies(word: str, after: str) -> bool:
    """Whether a word stands before a noun and is none: an article, a number, a name, the first part of `a one-day visit`."""
    compound = "-" in word and not lemmas(word) and (after == "~" or after.isalpha()) and after not in ENDS
    return word in BEFORE_NOUN or word[0].isdigit() or word in ",-–/'%~" or compound


def _question(words: Sequence[str], at: int) -> tuple[str, str]:
    """The main verb of a question and its object, else its subject; `what is the capital` is of the verb be."""
    words = ["~" if w == '"' else w for w in words]
    asked, at = _asked(words, at)
    if at >= len(words):
        return "", asked
    helper = words[at]
    if helper not in HELPERS:
        if not verb_of(helper):  # `which elements make a plan`: taken for a noun
            asked, at = _object(words[: at - 1], 1)[0], at - 1
        lemma = verb_of(words[at])
        return lemma, (_direct(words, at + 1, lemma) if lemma else "") or asked
    if helper in MODALS and at + 1 < len(words) and is_base(words[at + 1]):
        subject, verb_at = asked, at + 1  # `which section would carry this`
    else:
        of_object = bool(asked) or words[0] in ("what", "where", "when")
        subject, verb_at = _subject(words, at + 1, helper, of_object=of_object)
    if verb_at < len(words):
        if words[verb_at] == "be" and verb_at + 1 < len(words) and is_participle(words[verb_at + 1]):
            verb_at += 1
        lemma = verb_of(words[verb_at])
        return lemma, _direct(words, verb_at + 1, lemma) or asked or subject
    return "be" if helper in BE else "have" if helper in HAVE else "", asked or subject


def _asked(words: Sequence[str], at: int) -> tuple[str, int]:
    """The noun that a question word stands with (`which part of speech`), and where what follows it begins."""
    wh = words[at]
    if wh not in WH or wh.endswith("'s"):
        return "", at
    at += 1
    while at + 1 < len(words) and words[at] in ("and", "or") and words[at + 1] in WH:
        at += 2  # `when and why`
    if wh == "how" and at < len(words) and ("ADJ" in lemmas(words[at]) or words[at] in ("many", "much", "often")):
        at += 1
    verb_first = at < len(words) and (wh in ("who", "whom") or (wh == "what" and is_participle(words[at])))
    noun = ""
    if not verb_first and at < len(words) and words[at] not in HELPERS:
        noun, at = _object(words, at)
    while at < len(words) and words[at] in ("of", "in", "on", "from", "for"):
        at = _object(words, at + 1)[1]
    return noun, at


def _subject(words: Sequence[str], at: int, helper: str, *, of_object: bool) -> tuple[str, int]:
    """The noun before the main verb of a question, and where that verb stands; past the end where there is none.

    Of the words that may be noun or verb the last is the verb when the question is `of_object` (`does this program print`),
    else the first (`how does a company market products`).
    """
    is_verb = is_base if helper in DO else is_participle
    subject, end = _object(words, at, of_be=helper in BE)
    noun_end = end
    end += end == at  # a pronoun
    while end < len(words) and (words[end] in ADVERBS or words[end] == "~" or words[end].endswith("ly")):
        end += 1
    if end < len(words) and is_verb(words[end]) and words[end] not in ENDS - HELPERS:
        return subject, end
    if helper not in DO:
        return subject, len(words)
    stop = next((i for i in range(end, len(words)) if words[i] in ",.?:;("), len(words))
    within = [i for i in range(at + 1, noun_end) if is_verb(words[i])]
    later = [i for i in range(end, stop) if is_verb(words[i]) and words[i] not in ENDS - HELPERS]
    choices = (
        [i for i in within if i == noun_end - 1] if of_object else within,
        [i for i in later if not noun_of(words[i])],
        [i for i in later if i + 1 < stop and _begins_object(words[i + 1])],
        within[-1:],
        later[-1:],
    )
    found = next((choice[0] for choice in choices if choice), len(words))
    return (_object(words[:found], at)[0] if found in within else subject), found


def _begins_object(word: str) -> bool:
    return word in BEFORE_NOUN or word.endswith("'s") or "ADJ" in lemmas(word)
