"""Personal data of a text masked, or counted without a change."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import regex

from datagen.data.rows import extra_of
from datagen.formats.shape import KEY, dumps
from datagen.personal_data.addresses import Span, emails, ip_addresses
from datagen.personal_data.keys import keys
from datagen.personal_data.untouched import untouched

_CARD = regex.compile(r"(?<![\d.,-])(?:[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?![\d-]|[.,]\d)")
_PHONE = regex.compile(r"(?<![A-Za-z0-9_.])(?:\+|00|\(?0|\(?[1-9])[\d()\s./-]{6,18}\d(?![A-Za-z0-9_]|[.,]\d)")
# A number that follows a label is one in whatever form its country has: `Tel.: 030 901820`, `電話番号：03-1234-5678`.
_LABELLED = regex.compile(
    r"(?:(?<![\p{L}\p{M}])(?:tel|telephone|phone|mobile|cell(?:phone)?|fax|hotline|helpline|whats?app|viber|telefono?|teléfono"
    r"|telefonn?ummer|telefone|téléphone|tél|tlf|tfno|celular|móvil|handy|mobil|telp|hp|тел|телефон|моб|τηλ|τηλέφωνο"
    r"|điện thoại|đt|sđt|फ़ोन|फोन|मोबाइल|ফোন"
    r"|هاتف|جوال|تليفون|موبايل|تلفن|טלפון|נייד)"
    r"(?:[ \t]{0,2}(?:numbers?|no|nr|num|#|№|número|numéro|номер|رقم|नंबर|number is|is))?"
    r"|(?:电话|電話|手机|手機|座机|热线|熱線|传真|傳真|携帯|ファックス|ファクス|โทรศัพท์|โทรสาร|โทร|เบอร์|มือถือ|แฟกซ์|สายด่วน|전화|휴대폰|핸드폰|팩스|연락처)"
    r"(?:号码|號碼|番号|번호|หมายเลข|มือถือ|โทร|号|號)?)"
    r"(?:[ \t]{0,2}[.:：=）)#]{1,2}|[ \t]{0,2}(?:是|为|為|は|คือ|numbers? is|is|no\.?|number|номер|رقم))"
    r"[ \t]{0,3}[（(]?$",
    flags=regex.I,
)
_CALLED = regex.compile(
    r"(?:(?<![\p{L}\p{M}])(?:tele|cell)?(?:tel|phone|mobile|cell|call|dial|fax|whats?app)"
    r"|(?<![\p{L}\p{M}])[وفبل]?(?:ال)?(?:هاتف|جوال|تليفون|موبايل|محمول|واتساب)|اتصل|تلفن|تماس|טלפון|נייד|התקשר|फ़ोन|फोन|मोबाइल|ফোন"
    r"|τηλ|điện thoại|звоните|llame|llámenos|appelez|rufen"
    r"|电话|電話|手机|手機|致电|致電|拨打|撥打|携帯|โทร|เบอร์|전화|휴대폰)\S{0,10}[\s:：.]*$",
    flags=regex.I,
)
_HOME = ("US", "CN", "TH")  # whose numbers are known by their form alone
# Whose numbers are known where a word before them says that one calls them.
_REGIONS = (
    *_HOME,
    "GB",
    "DE",
    "FR",
    "JP",
    "KR",
    "TW",
    "HK",
    "IN",
    "BR",
    "ES",
    "IT",
    "MX",
    "RU",
    "AU",
    "NL",
    "PL",
    "TR",
    "VN",
    "ID",
    "PH",
    "MY",
    "SG",
    "SE",
    "CH",
    "AT",
    "BE",
    "PT",
    "GR",
    "IL",
    "AE",
    "SA",
    "EG",
    "ZA",
    "NG",
    "KE",
    "PK",
    "BD",
    "UA",
    "CZ",
    "RO",
    "FI",
    "NO",
    "DK",
    "IE",
    "NZ",
    "AR",
    "CL",
    "CO",
)
_SHAPED = regex.compile(r"1[3-9]\d{9}|0[689]\d{8}")  # mobile numbers of China and Thailand, which are written in one
_BEFORE = 40  # characters in which a word announces a number
_ENDS = regex.compile(r"[ \t]*\n|[ \t]+[(/]|[ \t]{2,}|[ \t]-[ \t]")  # after a whole number begins something else
_YEAR = r"(?:1[5-9]|20|2[45])\d\d"  # of the Buddhist era too
_NO_PHONE = regex.compile(
    rf"{_YEAR}[-./](?:0?[1-9]|1[0-2])[-./](?:[0-2]?\d|3[01])(?:\D.*)?|(?:[0-2]?\d|3[01])[-./](?:0?[1-9]|1[0-2])[-./]{_YEAR}"
    rf"|{_YEAR}\s?[-/]\s?{_YEAR}(?:\s.*)?|\d+\.\d+|\d(?:\s++\d){{4}}(?:\s++\d++)*+",
    flags=regex.S,
)  # a date, a span of years, a fraction, digits one by one
_THOUSANDS = regex.compile(r"[1-9]\d{0,2}(?:[ .]\d{3})+")
_COUNTS = "01234567890123456789"
_UNITS = regex.compile(r"[ \t]?(?:[元块万亿個个台部件次户人名篇%％]|บาท|เครื่อง|คน|dollars|times|people|units|users|원|円)")


_OTHER_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", flags=regex.V1)
_FULL_WIDTH = str.maketrans("（）＋－．／", "()+-./")


def _in_ascii(text: str) -> str:
    """Return a text with the digits of every script as ASCII, each in its place."""
    if text.isascii() or not _OTHER_DIGIT.search(text):
        return text
    return _OTHER_DIGIT.sub(lambda hit: str(unicodedata.digit(hit.group())), text.translate(_FULL_WIDTH))


def phones(text: str) -> Iterator[Span]:
    """Yield the phone numbers of a text: with their country, labelled, announced, or written as one and valid at that."""
    text = _in_ascii(text)
    for found in _PHONE.finditer(text):
        number, start = found.group(), found.start()
        if number.count(".") == 3 and number.replace(".", "").isdigit():
            continue  # an address of another kind
        labelled = _LABELLED.search(text, max(0, start - _BEFORE), start) is not None
        if labelled and (end := _labelled(text, found)):
            yield start, end
            continue
        announced = _CALLED.search(text, max(0, start - 24), start) is not None and not _counts(text, *_cut(found))
        digits, marks = sum(c.isdigit() for c in number), sum(number.count(c) for c in " .-)/")
        # Nine digits in three groups, as years, ranges and coordinates are not.
        shaped = _SHAPED.fullmatch(number) is not None or (digits >= 9 and marks >= 2 and not _counts(text, *_cut(found)))
        if number.startswith("+"):
            regions: tuple[str | None, ...] = (None,)
        else:
            regions = _HOME if announced or shaped else ()
        if any(_is_valid(number, region) for region in regions):
            yield found.span()
        elif announced and not number.startswith("+") and (end := _announced(text, found)):
            yield start, end


def _labelled(text: str, found: regex.Match[str]) -> int | None:
    """Where a number after a label ends; None where it is a date, a price, or nobody's (1234567890)."""
    number, end = _cut(found)
    digits = "".join(c for c in number if c.isdigit())
    if not 7 <= len(digits) <= 15 or _counts(text, number, end):
        return None
    return None if len(set(digits)) < 2 or digits in _COUNTS else end


def _announced(text: str, found: regex.Match[str]) -> int | None:
    """Where a number ends that one is told to call, written in groups or with its 0, and valid in some country."""
    number, end = _cut(found)
    grouped = sum(number.count(c) for c in " .-)/") >= 2 and not _THOUSANDS.fullmatch(number)
    if not (grouped or number.startswith(("0", "(0"))):
        return None
    digits = "".join(c for c in number if c.isdigit())
    return end if digits not in _COUNTS and any(_is_valid(number, region) for region in _REGIONS) else None


def _counts(text: str, number: str, end: int) -> bool:
    """Whether a number is a date, a span of years, a fraction or digits one by one, or counts what follows it."""
    return _NO_PHONE.fullmatch(number) is not None or _UNITS.match(text, end) is not None


def _cut(found: regex.Match[str]) -> tuple[str, int]:
    """A number without what follows it after a gap: opening hours, a second number."""
    number = found.group()
    for gap in _ENDS.finditer(number):
        if sum(c.isdigit() for c in number[: gap.start()]) >= 7:
            return number[: gap.start()], found.start() + gap.start()
    return number, found.end()


@lru_cache(maxsize=10_000)
def _is_valid(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def cards(text: str) -> Iterator[Span]:
    """Yield the card numbers of a text that have a right checksum."""
    for found in _CARD.finditer(_in_ascii(text)):
        if _checks(found.group()):
            yield found.span()


def _checks(number: str) -> bool:
    """Whether the digits of a card number have a right checksum (Luhn)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) for d in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


_SAYS = regex.compile(r"[\p{L}@]|\d\.\d")  # a text of digits alone is a number or an id
KINDS = ("email", "phone", "ip", "card", "key")
# In the order in which they are masked: what stands before the `@` of a URL is a password, digits within an address or a
# key are no phone number.
_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "key": keys, "email": emails, "card": cards, "ip": ip_addresses, "phone": phones,
}  # fmt: skip


def masked(prose: str, kinds: Sequence[str] = KINDS, found: Counter[str] | None = None) -> str:
    """Return a text with its personal data as `[EMAIL]`, `[PHONE]`, `[IP]`, `[CARD]`, `[KEY]`.

    Args:
        prose: a text, or a piece of one that `untouched` left.
        kinds: what is masked.
        found: counts of each kind, to which what was masked is added.
    """
    for kind, spans in _FINDERS.items():
        if kind not in kinds:
            continue
        parts: list[str] = []
        at = 0
        for start, end in spans(prose):
            parts += [prose[at:start], f"[{kind.upper()}]"]
            at = end
        if parts:
            prose = "".join([*parts, prose[at:]])
            if found is not None:
                found[kind] += len(parts) // 2
    return prose


def counted(text: str, kinds: Sequence[str] = KINDS) -> Counter[str]:
    """Return how much personal data of each kind a text has outside of code, tables and formulas."""
    found: Counter[str] = Counter()
    for piece in prose_of(text):
        masked(piece, kinds, found)
    return found


def prose_of(text: str) -> Iterator[str]:
    """Yield the pieces of a text that are prose, in order."""
    at = 0
    for start, end in untouched(text):
        if start > at:
            yield text[at:start]
        at = end
    if at < len(text):
        yield text[at:]


def masked_fields(extra: str, kinds: Sequence[str] = KINDS) -> str:
    """Return the JSON text of a row's other fields with the personal data in their texts masked; a number stays one."""
    fields = extra_of({"extra": extra})
    done = {name: value if name == KEY else _masked_inside(value, kinds) for name, value in fields.items()}
    return extra if done == fields else dumps(done)


def _masked_inside(value: Any, kinds: Sequence[str]) -> Any:
    if isinstance(value, str):
        if not _SAYS.search(value):
            return value
        parts: list[str] = []
        at = 0
        for start, end in untouched(value):
            parts += [masked(value[at:start], kinds), value[start:end]]
            at = end
        return "".join([*parts, masked(value[at:], kinds)])
    if isinstance(value, list):
        return [_masked_inside(item, kinds) for item in value]
    return {key: _masked_inside(item, kinds) for key, item in value.items()} if isinstance(value, dict) else value


def texts_of_fields(extra: str) -> Iterator[str]:
    """Yield the texts of a row's other fields in which personal data may stand."""
    waiting = [value for name, value in extra_of({"extra": extra}).items() if name != KEY]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and _SAYS.search(value):
            yield value
