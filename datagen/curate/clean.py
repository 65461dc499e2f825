"""Mending of text: unicode, HTML, emoji and personal data; code, tables, formulas and the JSON of tools are never touched."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import pyarrow as pa
import regex

from datagen.errors import UsageError
from datagen.rows import ROW
from datagen.stage import Stage

MENDS = ("unicode", "html", "emoji", "pii")
KINDS = ("email", "phone", "ip", "card", "key")

# What is none of our business: fenced and inline code, Markdown tables, formulas.
_PROTECTED = regex.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`|^[ \t]*\|.*\|[ \t]*$|\$\$.+?\$\$|\$(?=\S)[^$\n]+?(?<=\S)\$(?!\d)"
    r"|\\\(.+?\\\)|\\\[.+?\\\]|\\begin\{(\w+\*?)\}.*?\\end\{\1\}",
    flags=regex.S | regex.M,
)
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
_EMAIL = regex.compile(r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]++@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![A-Za-z0-9-])")
_NOBODYS = regex.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)$|@(?:[\w-]+\.)*(?:test|invalid|localhost)$", flags=regex.I)
_IP = regex.compile(
    r"(?<![\w.:])(?<!version |release )(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?![\w.:]*[\w:])",
    flags=regex.I,
)
_CARD = regex.compile(r"(?<![\d.,-])(?:[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?![\d-]|[.,]\d)")
_KEY = regex.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<![\w-])(?:sk-(?:proj-|ant-)?[\w-]{20,}|gh[pousr]_\w{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}|hf_[A-Za-z]{30,}|AKIA[0-9A-Z]{16}"
    r"|AIza[\w-]{35}|xox[abeprs]-[\w-]{10,}|ya29\.[\w-]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})(?![\w-])",
    flags=regex.S,
)
_PHONE = regex.compile(r"(?<![A-Za-z0-9_.])(?:\+|00|\(?0|\(?[1-9])[\d()\s./-]{6,18}\d(?![A-Za-z0-9_]|[.,]\d)")
_CALLED = regex.compile(r"(?:tel|phone|mobile|cell|call|fax|whats?app|电话|手机|致电|โทร)\S{0,10}[\s:：.]*$", flags=regex.I)
_REGIONS = ("US", "CN", "TH")  # whose national numbers are known beside those that begin with +
_SHAPED = regex.compile(r"1[3-9]\d{9}|0[689]\d{8}")  # mobile numbers of China and Thailand, which are written in one


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

    version: ClassVar[int] = 1
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
        for found in _PROTECTED.finditer(text):
            parts += [self._mended(text[at : found.start()]), found.group()]
            at = found.end()
        return "".join([*parts, self._mended(text[at:])])

    def _mended(self, part: str) -> str:
        if not part:
            return part
        for name in MENDS:
            if name in self.do:
                part = self._masked(part) if name == "pii" else _MEND[name](part)
        return part

    def _masked(self, part: str) -> str:
        for kind in KINDS:
            if kind in self.mask:
                part = _MASK[kind](part)
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


def _mask_email(text: str) -> str:
    if "@" not in text:
        return text
    return _EMAIL.sub(lambda m: m.group() if _NOBODYS.search(m.group()) else "[EMAIL]", text)


def _mask_key(text: str) -> str:
    return _KEY.sub("[KEY]", text)


def _mask_card(text: str) -> str:
    return _CARD.sub(lambda m: "[CARD]" if _checks(m.group()) else m.group(), text)


def _checks(number: str) -> bool:
    """Whether the digits of a card number have a right checksum (Luhn)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) for d in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _mask_ip(text: str) -> str:
    return _IP.sub(lambda m: "[IP]" if _is_public(m.group()) else m.group(), text)


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _mask_phone(text: str) -> str:
    parts: list[str] = []
    at = 0
    for found in _phones(text):
        parts += [text[at : found.start()], "[PHONE]"]
        at = found.end()
    return "".join([*parts, text[at:]]) if parts else text


def _phones(text: str) -> Iterator[regex.Match[str]]:
    """Yield what is a phone number: one with its country, one that is written or announced as one, and a valid one at that."""
    import phonenumbers

    for found in _PHONE.finditer(text):
        number = found.group()
        if number.count(".") == 3 and number.replace(".", "").isdigit():
            continue  # an address of another kind
        announced = _CALLED.search(text, max(0, found.start() - 24), found.start()) is not None
        digits, marks = sum(c.isdigit() for c in number), sum(number.count(c) for c in " .-)/")
        # Nine digits in three groups, as years, ranges and coordinates are not.
        shaped = _SHAPED.fullmatch(number) is not None or (digits >= 9 and marks >= 2)
        regions = (None,) if number.startswith("+") else _REGIONS if announced or shaped else ()
        for region in regions:
            try:
                if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                    yield found
                    break
            except phonenumbers.NumberParseException:
                pass


_MASK: dict[str, Callable[[str], str]] = {
    "email": _mask_email, "key": _mask_key, "card": _mask_card, "ip": _mask_ip, "phone": _mask_phone,
}  # fmt: skip
