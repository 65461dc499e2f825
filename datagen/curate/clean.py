"""Mending of text: unicode, HTML, emoji and personal data; code, tables, formulas and the JSON of tools are never touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
import regex

from datagen.curate.rules import RULES, texts_of
from datagen.data.rows import ROW
from datagen.errors import UsageError
from datagen.html_text.page import text_of_html
from datagen.options import option
from datagen.personal_data.mask import KINDS, masked, masked_fields
from datagen.personal_data.untouched import untouched
from datagen.stage import Stage

MENDS = ("unicode", "html", "emoji", "pii")
MASKING = "clean:do=pii"  # the stage that masks all personal data, as --stage takes it

SHOWN = 200  # characters of a text that was only markup
_PLAIN = regex.compile(r"[\t\n\x20-\x7e]*")  # nothing that unicode repair could change


@dataclass(frozen=True)
class Clean(Stage):
    r"""Mend text, by name: unicode repair, HTML to text, emoji to words, personal data masked.

    Nothing is done unless named: `do=unicode,html,emoji,pii`. `unicode` repairs mojibake, control characters and line ends
    (ftfy) and leaves full-width forms, curly quotes and ligatures; `html` turns a text with tags into its text, a block a line;
    `emoji` writes `:thumbs_up:`; `pii` masks e-mail addresses, phone numbers, public IP addresses, card numbers with a right
    checksum and API keys as `[EMAIL]`, `[PHONE]`, `[IP]`, `[CARD]`, `[KEY]`, or only those of `mask`; addresses that
    are nobody's by rule (`example.com`, private networks) stay; other fields of a row are masked with it. Code, Markdown
    tables, formulas, tool calls and what tools say are never touched. A row that becomes equal to an earlier one is dropped as
    `exact_duplicate`, one whose answer or task was only markup as `empty_answer` or `empty_task`.
    """

    do: tuple[str, ...] = option((), "unicode, html, emoji, pii")
    mask: tuple[str, ...] = option(KINDS, "kinds of personal data: email, phone, ip, card, key")

    version: ClassVar[int] = 3
    rewrites: ClassVar[bool] = True
    reasons: ClassVar[frozenset[str]] = frozenset({"exact_duplicate", "empty_answer", "empty_task"})

    def __post_init__(self) -> None:
        for name, given, known in (("do", self.do, MENDS), ("mask", self.mask, KINDS)):
            if wrong := [g for g in given if g not in known]:
                raise ValueError(f"{name}: '{wrong[0]}' is not one of {', '.join(known)}")

    @property
    def protects(self) -> str:
        """Personal data, where it masks that."""
        return "personal data" if "pii" in self.do else ""

    def identity(self) -> str:
        """Make sure that something is to be mended."""
        if not self.do:
            raise UsageError(f"clean does only what is named: --stage clean:do={','.join(MENDS)}, or some of these")
        return ""

    @property
    def incremental(self) -> bool:
        """A row is mended by itself."""
        return True

    def rewrite(self, rows: pa.Table) -> pa.Table:
        """Return the rows with their texts mended, in order, and why one goes of which nothing was left."""
        given = rows
        changed: set[int] = set()
        for name in ("instruction", "input", "output", "system"):
            texts = rows.column(name).to_pylist()
            mended = [self.text(t) for t in texts]
            if mended != texts:
                rows = _with(rows, name, mended)
                changed |= {i for i, text in enumerate(texts) if text != mended[i]}
        for name, fields in (("messages", ("content", "reasoning")), ("candidates", ("text",))):
            column = rows.column(name)
            if column.null_count < len(rows):
                rows = _with(rows, name, [self._inside(items, fields) for items in column.to_pylist()])
                changed |= {i for i, items in enumerate(column) if items.is_valid}
        if "pii" in self.do:
            rows = _with(rows, "extra", [masked_fields(extra, self.mask) for extra in rows.column("extra").to_pylist()])
        return _without_emptied(given, rows, sorted(changed)) if changed and "html" in self.do else rows

    def _inside(self, items: list[dict[str, Any]] | None, fields: tuple[str, ...]) -> list[dict[str, Any]] | None:
        """Mend the texts of turns or candidates; what a tool says is data."""
        if items is None:
            return None
        return [
            item if item.get("role") == "tool"
            else {**item, **{f: self.text(item[f]) for f in fields if item[f]}}
            for item in items
        ]  # fmt: skip

    def text(self, text: str) -> str:
        """Return a text mended."""
        if not any(_WANTS[name](text) for name in self.do):
            return text
        if "unicode" in self.do:
            text = _in_prose(text, repaired)
        if "html" in self.do and "<" in text:
            text = text_of_html(text, untouched(text))
        if "emoji" in self.do or "pii" in self.do:
            text = _in_prose(text, self._reworded)
        return text

    def _reworded(self, part: str) -> str:
        part = spelled(part) if "emoji" in self.do else part
        return masked(part, self.mask) if "pii" in self.do else part


def _in_prose(text: str, mend: Callable[[str], str]) -> str:
    """Return a text whose prose is mended, piece by piece."""
    parts: list[str] = []
    at = 0
    for start, end in untouched(text):
        parts += [mend(text[at:start]) if at < start else "", text[start:end]]
        at = end
    return "".join([*parts, mend(text[at:]) if at < len(text) else ""])


def _without_emptied(old: pa.Table, new: pa.Table, at: list[int]) -> pa.Table:
    """Return mended rows, with why those go whose answer or task was only markup, such as `<script>…</script>`."""
    found: dict[int, tuple[str, str]] = {}
    for i, before, after in zip(at, texts_of(old.take(pa.array(at))), texts_of(new.take(pa.array(at))), strict=True):
        for name, text in (("empty_answer", before.answer), ("empty_task", before.task or before.input)):
            if i not in found and RULES[name](after, "") is not None and RULES[name](before, "") is None:
                found[i] = name, f"only markup: {' '.join(text.split())[:SHOWN]}"
    if not found:
        return new
    told = [found.get(i, (None, None)) for i in range(len(new))]
    new = new.append_column("reason", pa.array([reason for reason, _ in told], pa.string()))
    return new.append_column("evidence", pa.array([evidence for _, evidence in told], pa.string()))


def _with(rows: pa.Table, name: str, values: list[Any]) -> pa.Table:
    field = ROW.field(name)
    return rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))


def repaired(text: str) -> str:
    r"""Return a text with its unicode repaired; example: `schÃ¶n` gives `schön`."""
    return _repairs()(text)


@lru_cache(maxsize=1)
def _repairs() -> Callable[[str], str]:
    import ftfy

    settings = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization="NFC",
        explain=False,
    )  # fmt: skip
    return lambda text: str(ftfy.fix_text(text, settings))


def spelled(text: str) -> str:
    """Return a text with its emoji as words; example: 👍 gives `:thumbs_up:`."""
    if text.isascii():
        return text
    import emoji

    return str(emoji.demojize(text))


# Whether a text may have anything for a mend to do; most texts have not.
_WANTS: dict[str, Callable[[str], bool]] = {
    "unicode": lambda text: not (text.isascii() and _PLAIN.fullmatch(text)), "html": lambda text: "<" in text,
    "emoji": lambda text: not text.isascii(), "pii": bool,
}  # fmt: skip
