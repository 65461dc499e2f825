"""English words: the lists that the rules go by, and what the dictionary of lemminflect says of any other."""

from __future__ import annotations

from functools import lru_cache


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(words.split())


BE = word_set("am is are was were be been being isn't aren't wasn't 's what's who's where's how's when's")
MODALS = word_set("can could will would shall should may might must can't couldn't won't")
DO = word_set("do does did don't doesn't didn't") | MODALS
HAVE = word_set("have has had haven't hasn't")
HELPERS = BE | DO | HAVE
WH = word_set("what which who whom whose when where why how what's who's where's how's when's")
# What a clause that is not yet the task begins with.
LEAD = word_set(
    "given using based in for from with without if when while as to after before by on at during upon according considering"
    " because since once under of out among between whenever you there suppose supposing assuming imagine assume pretend"
    " consider"
)
SETTING = word_set("imagine suppose assume pretend consider act")  # the scene of a task, and its verb only where no other is
TAKES = word_set("of at with about on for over through up out down off")  # `look at the table`, `think of a pun`
GIVES = word_set("give tell show send offer teach write ask read sell buy bring hand lend")
BEFORE_NOUN = word_set(
    "a an the this that these those my your his her its our their some any each every all both another no few several many"
    " much more most other such same own one two three four five six seven eight nine ten eleven twelve half me us exactly"
    " least only about around approximately up very so not just at"
)
ENDS = word_set(
    "and or but nor if then than as to of in on at by for from with without into onto about over under between among"
    " through during before after since until while because so that which who whom whose what when where why how whether i"
    " you he she it we they him them there not be am is are was were been being do does did have has had can could will"
    " would shall should may might must using per via vs versus like except out up off down away back ever too now left"
    " something anything everything nothing someone anyone everyone behind below above against along within across beyond"
    " despite toward towards near inside outside regarding"
)
NEEDS = word_set("need asked requested required have")
ANOTHER = word_set("a an the this some one two three four five six seven eight nine ten")
ADVERBS = word_set("always never often ever still also even usually not")
NAMES = word_set("bill bob chase drew frank grant harry jack mark mary may pat peter rob sue third will")
NO_OBJECT = frozenset(("", ":", "or", "who", "which"))  # what follows a noun rather than a verb
KNOWN = HELPERS | WH | LEAD | BEFORE_NOUN | ENDS
ALWAYS_ISE = word_set("advertise comprise compromise enterprise exercise expertise merchandise supervise surprise")
AMOUNTS = word_set("couple lot number variety bit handful range kind type sort pair")


def is_participle(word: str) -> bool:
    """Return whether a word is a participle, or past tense, and no base form; `written` is, and `found` is not."""
    return "VERB" in lemmas(word) and not is_base(word) and (word.endswith(("ing", "ed")) or _is_irregular(word))


def _is_irregular(word: str) -> bool:
    return not word.endswith("s") and "NOUN" not in lemmas(word)


@lru_cache(maxsize=1 << 16)
def lemmas(word: str) -> dict[str, tuple[str, ...]]:
    """Return the lemmas of a word by part of speech (NOUN, VERB, ADJ, ADV, AUX); none of a function word or an unknown one."""
    from lemminflect import getAllLemmas

    found: dict[str, tuple[str, ...]] = getAllLemmas(word)
    return found


@lru_cache(maxsize=1 << 16)
def noun_of(word: str) -> str:
    """Return the lemma of a word that can be a noun, else ""; one that the dictionary does not have is taken for a noun."""
    from lemminflect import getLemma

    kinds = lemmas(word)
    if word in ENDS or word in BEFORE_NOUN or len(word) < 2 or (kinds and "NOUN" not in kinds) or max(word) > "ɏ":
        return ""
    if "-" in word and not kinds:
        return noun_of(word.rsplit("-", 1)[1])
    if not kinds and word.endswith(("sis", "tis", "xis", "us", "ss")):
        return word  # which the rules would cut
    return str(getLemma(word, "NOUN")[0])


def is_base(word: str) -> bool:
    """Return whether a word can be the base form of a verb."""
    return word in lemmas(word).get("VERB", ())


def verb_of(word: str) -> str:
    """Return the lemma of a word that can be a verb, else ""."""
    return lemmas(word).get("VERB", ("",))[0]


@lru_cache(maxsize=1 << 16)
def one_spelling(lemma: str) -> str:
    """Return a lemma in American spelling: `summarise` and `summarize` are one verb; `advise` is spelt so in both."""
    for british, american in (("ise", "ize"), ("yse", "yze"), ("our", "or")):
        other = lemma.removesuffix(british) + american
        if lemma.endswith(british) and len(lemma) > 5 and lemma not in ALWAYS_ISE and lemmas(other):
            return other
    return lemma
