"""What a chat template takes for today: one day for all texts of a run, so that a resumed run shows what it began with."""

from __future__ import annotations

from datetime import datetime

from datagen.json_text import dumps

# Texts that are only measured (IFD, a judge's choice) show this day: equal rows have equal scores on every day.
MEASURED_ON = "2026-01-01"
_LETTERS = "aAbBcCdDeFgGHIjklmMnpPrRsStTuUVwWxXyY"
_DIRECTIVES = tuple(f"%{mark}" for mark in ("-d", "-m", "-j", "-I", "-H", "-M", "-S", *_LETTERS))


def shows_today(template: str) -> bool:
    """Say whether a template asks which day it is."""
    return "strftime_now" in template


def on(date: str, template: str) -> str:
    """Return a template to which it is always the same moment: the beginning of a date (YYYY-MM-DD).

    transformers gives templates a function `strftime_now`, and takes no other; a macro of that name hides it. It stands on a
    line of its own, the first.
    """
    moment = datetime.fromisoformat(date)
    table = dumps({mark: moment.strftime(mark) for mark in _DIRECTIVES} | {"%%": "%"}, ensure_ascii=True)
    return (
        "{% macro strftime_now(format) %}{% set shown = namespace(text=format) %}"
        f"{{% for mark, value in {table}.items() %}}"
        "{% set shown.text = shown.text | replace(mark, value) %}{% endfor %}{{ shown.text }}{% endmacro %}\n" + template
    )
