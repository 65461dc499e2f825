"""How diverse the instructions are: root verbs, their direct nouns and first words, in the seed tasks and in what was kept.

Like the page, the panel is made by an autoescaping sandboxed template alone: every word of a row is data in it.

Source: Wang et al. 2023 (Self-Instruct), figure 2 and the Stanford Alpaca blog post.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from datagen.errors import UsageError
from datagen.report import numbers, texts
from datagen.text.tokens import tokens
from datagen.text.verbs import verb_noun

TOP = 20  # new words of each kind that are shown
KINDS = {"verbs": "root verbs", "nouns": "direct nouns", "pairs": "verb–noun pairs", "first_words": "first words"}

_PANEL = """\
<section id="diversity">
<h2>Diversity</h2>
{% if not d.kept.texts %}
<p class="soft">No row was kept.</p>
{% else %}
<p class="lead">What the instructions ask for: their root verb and its direct noun, in {{ d.seeds.texts|count }} seed \
task{{ 's' if d.seeds.texts != 1 }} and {{ d.kept.texts|count }} kept row{{ 's' if d.kept.texts != 1 }}\
{% if d.of is defined and d.of > d.kept.texts %} (evenly drawn from {{ d.of|count }}){% endif %}.\
{% if d.unseen.share is not none %} Of {{ d.unseen.of|count }} kept rows with both, {{ d.unseen.rows|count }} \
({{ d.unseen.share|percent }}) have a pair that no seed task has.{% endif %}</p>
{% if d.unread %}
<p class="soft">No verbs and nouns: <bdi>{{ d.unread|visible }}</bdi></p>
{% endif %}
<div class="scroll" tabindex="0" role="region" aria-label="Diversity"><table><thead><tr><th scope="col">instructions</th>\
<th scope="col">seed tasks</th><th scope="col">kept rows</th><th scope="col">new in the kept rows</th></tr></thead><tbody>
{% if not d.unread %}
{% for name, label in (('with_verb', 'with a verb'), ('with_noun', 'with a noun')) %}
<tr><th scope="row">{{ label }}</th><td>{{ d.seeds[name]|count }}</td><td>{{ d.kept[name]|count }}</td><td></td></tr>
{% endfor %}
{% endif %}
{% for name, label in kinds if not d.unread or name == 'first_words' %}
<tr><th scope="row">distinct {{ label }}</th><td>{{ d.seeds[name]|count }}</td><td>{{ d.kept[name]|count }}</td>\
<td>{{ d.new[name].distinct|count }}</td></tr>
{% endfor %}
</tbody></table></div>
<div class="pair">
{% for name, label in kinds if d.new[name].top and name != 'first_words' %}
<div class="scroll" tabindex="0" role="region" aria-label="New {{ label }}"><table><caption>New {{ label }}</caption><thead>\
<tr><th scope="col">{{ label }} that no seed task has</th><th scope="col">rows</th></tr></thead><tbody>
{% for word, rows in d.new[name].top %}
<tr><th scope="row"><bdi{% if d.language %} lang="{{ d.language }}"{% endif %}>{{ word|visible }}</bdi></th>\
<td>{{ rows|count }}</td></tr>
{% endfor %}
{% set rest = d.new[name].distinct - d.new[name].top|length %}
{% if rest %}<tr><th scope="row" class="soft">{{ rest|count }} more</th><td>{{ d.new[name].rest|count }}</td></tr>{% endif %}

</tbody></table></div>
{% endfor %}
</div>
{% endif %}
</section>
"""


def diversity(seed_texts: Sequence[str], kept_texts: Sequence[str], language: str) -> dict[str, Any]:
    """Count the verbs, nouns and first words of instructions, and which of them are new against the seed tasks.

    Args:
        seed_texts: the instructions of the seed tasks.
        kept_texts: the instructions of the kept rows.
        language: en, zh or th; of both.

    Returns:
        `seeds` and `kept`: {texts, with_verb, with_noun, and how many distinct verbs, nouns, pairs, first_words}; `new`: for
        each of the four {distinct, top: [(word, kept rows)] most frequent first, rest: rows of the others}; `unseen`: {rows:
        kept rows with a verb and a noun whose pair no seed has, of: kept rows with both, share: 0..1, or None where there are
        none}; `unread`: why there are no verbs, "" where there are (the extra of the language is missing: the message names
        it; first words are counted all the same). A pair is written `verb noun`.
    """
    groups, unread = (seed_texts, kept_texts), ""
    try:
        read = [[verb_noun(text, language) for text in group] for group in groups]
    except UsageError as error:
        read, unread = [[], []], str(error)
    seeds, kept = (_words(group, pairs) for group, pairs in zip(groups, read, strict=True))
    unseen, of = sum(n for pair, n in kept["pairs"].items() if pair not in seeds["pairs"]), kept["pairs"].total()
    return {
        "language": language if language.isascii() and language.isalpha() else "",
        "seeds": _told(seed_texts, seeds), "kept": _told(kept_texts, kept),
        "new": {kind: _new(seeds[kind], kept[kind]) for kind in KINDS},
        "unseen": {"rows": unseen, "of": of, "share": unseen / of if of else None},
        "unread": unread,
    }  # fmt: skip


def first_word(text: str) -> str:
    """Return the first word of a text in lower case, or the first two characters where words are not spaced; "" of no text."""
    found = tokens(text[:200])
    if not found:
        return ""
    unspaced = len(found) > 1 and not found[0].isascii() and text.casefold().find(found[0] + found[1]) >= 0
    return found[0] + found[1] if unspaced else found[0]


def panel(d: Mapping[str, Any]) -> str:
    """Return the section of the report that shows what `diversity` counted: HTML, everything in it escaped."""
    from markupsafe import Markup

    return Markup(_template().render(d=d, kinds=list(KINDS.items())))  # noqa: S704 - the template escaped it


@cache
def _template() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    env = SandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters.update(count=numbers.count, percent=numbers.percent, visible=texts.cut)
    return env.from_string(_PANEL)


def _words(group: Iterable[str], pairs: Sequence[tuple[str, str]]) -> dict[str, Counter[str]]:
    """How many texts each verb, noun, pair and first word has."""
    return {
        "verbs": Counter(verb for verb, _ in pairs if verb),
        "nouns": Counter(noun for _, noun in pairs if noun),
        "pairs": Counter(f"{verb} {noun}" for verb, noun in pairs if verb and noun),
        "first_words": Counter(word for word in map(first_word, group) if word),
    }


def _told(group: Sequence[str], words: Mapping[str, Counter[str]]) -> dict[str, int]:
    counts = {kind: len(words[kind]) for kind in KINDS}
    return {"texts": len(group), "with_verb": words["verbs"].total(), "with_noun": words["nouns"].total(), **counts}


def _new(seeds: Mapping[str, int], kept: Mapping[str, int]) -> dict[str, Any]:
    """The words that only the kept rows have, the most frequent first, equal ones by the alphabet."""
    new = sorted(((word, n) for word, n in kept.items() if word not in seeds), key=lambda w: (-w[1], w[0]))
    return {"distinct": len(new), "top": new[:TOP], "rest": sum(n for _, n in new[TOP:])}
