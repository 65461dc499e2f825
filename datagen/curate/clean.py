"""Mending of text: unicode, HTML, emoji and personal data; code, tables, formulas and the JSON of tools are never touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
import regex

from datagen.errors import UsageError
from datagen.personal_data.mask import KINDS, masked
from datagen.personal_data.untouched import untouched
from datagen.rows import ROW
from datagen.stage import Stage

MENDS = ("unicode", "html", "emoji", "pii")
MASKING = "clean:do=pii"  # the stage that masks all personal data, as --stage takes it

_PLAIN = regex.compile(r"[\t\n\x20-\x7e]*")  # nothing that unicode repair could change
_TAG = regex.compile(
    r"</?(?:a|abbr|article|aside|b|blockquote|br|center|code|dd|div|dl|dt|em|figure|font|footer|h[1-6]|header|hr|i|img|li|nav|ol|p"
    r"|pre|s|script|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|tr|u|ul)(?:\s[^<>]*)?/?>",
    flags=regex.I,
)
_BLOCKS = (
    "address,article,aside,blockquote,br,center,dd,div,dl,dt,figure,footer,form,h1,h2,h3,h4,h5,h6,header,hr,li,main,nav,ol,p,pre,"
    "section,table,tr,ul"
)


@dataclass(frozen=True)
class Clean(Stage):
    r"""Mend text, by name: unicode repair, HTML to text, emoji to words, personal data masked.

    Nothing is done unless named: `do=unicode,html,emoji,pii`. `unicode` repairs mojibake, control characters and line ends
    (ftfy) and leaves full-width forms, curly quotes and ligatures; `html` turns a text with tags into its text, a block a line;
    `emoji` writes `:thumbs_up:`; `pii` masks e-mail addresses, phone numbers, public IP addresses, card numbers with a right
    checksum and API keys as `[EMAIL]`, `[PHONE]`, `[IP]`, `[CARD]`, `[KEY]`, or only those of `mask`; addresses that
    are nobody's by rule (`example.com`, private networks) stay. Code, Markdown tables, formulas, tool calls and what tools
    say are never touched. A row that becomes equal to an earlier one is dropped as `exact_duplicate`.
    """

    do: tuple[str, ...] = ()  # unicode, html, emoji, pii
    mask: tuple[str, ...] = KINDS  # kinds of personal data: email, phone, ip, card, key

    version: ClassVar[int] = 2
    rewrites: ClassVar[bool] = True
    reasons: ClassVar[frozenset[str]] = frozenset({"exact_duplicate"})

    def __post_init__(self) -> None:
        for name, given, known in (("do", self.do, MENDS), ("mask", self.mask, KINDS)):
            if wrong := [g for g in given if g not in known]:
                raise ValueError(f"{name}: '{wrong[0]}' is not one of {', '.join(known)}")

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
        """Return the rows with their texts mended, in order."""
        for name in ("instruction", "input", "output", "system"):
            texts = rows.column(name).to_pylist()
            mended = [self.text(t) for t in texts]
            if mended != texts:
                rows = _with(rows, name, mended)
        for name, fields in (("messages", ("content", "reasoning")), ("candidates", ("text",))):
            column = rows.column(name)
            if column.null_count < len(rows):
                rows = _with(rows, name, [self._inside(items, fields) for items in column.to_pylist()])
        return rows

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
        parts: list[str] = []
        at = 0
        for start, end in untouched(text):
            parts += [self._mended(text[at:start]), text[start:end]]
            at = end
        return "".join([*parts, self._mended(text[at:])])

    def _mended(self, part: str) -> str:
        if not part:
            return part
        for name in MENDS:
            if name in self.do:
                part = masked(part, self.mask) if name == "pii" else _MEND[name](part)
        return part


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


def text_of_html(text: str) -> str:
    r"""Return what a text with HTML tags says, a block a line; one without a tag as it is. Example: `<p>a<br>b` → `a\nb`."""
    if "<" not in text or not _TAG.search(text):
        return text
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    for node in tree.css("script,style,noscript,template,svg"):
        node.decompose()
    for node in tree.css(_BLOCKS):
        node.insert_before("\n")
        node.insert_after("\n")
    for node in tree.css("td,th"):
        node.insert_after(" | ")
    body = tree.body
    lines = [" ".join(line.split()).removesuffix(" |") for line in (body.text() if body else "").splitlines()]
    return "\n".join(line for line in lines if line)


def spelled(text: str) -> str:
    """Return a text with its emoji as words; example: 👍 gives `:thumbs_up:`."""
    if text.isascii():
        return text
    import emoji

    return str(emoji.demojize(text))


_MEND: dict[str, Callable[[str], str]] = {"unicode": repaired, "html": text_of_html, "emoji": spelled}
# Whether a text may have anything for a mend to do; most texts have not.
_WANTS: dict[str, Callable[[str], bool]] = {
    "unicode": lambda text: not (text.isascii() and _PLAIN.fullmatch(text)), "html": lambda text: "<" in text,
    "emoji": lambda text: not text.isascii(), "pii": bool,
}  # fmt: skip
