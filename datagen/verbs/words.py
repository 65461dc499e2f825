"""Word lists of the rules for English, and how word lists are written here."""

from __future__ import annotations


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
    " something anything everything nothing someone anyone everyone"
)
NEEDS = word_set("need asked requested required have")
ANOTHER = word_set("a an the some one two three four five six seven eight nine ten")
ADVERBS = word_set("always never often ever still also even usually not")
NAMES = word_set("bill bob chase drew frank grant harry jack mark mary may pat peter rob sue third will")
NO_OBJECT = frozenset(("", ":", "or", "who", "which"))  # what follows a noun rather than a verb
KNOWN = HELPERS | WH | LEAD | BEFORE_NOUN | ENDS
AMOUNTS = word_set("couple lot number variety bit handful range kind type sort pair")
