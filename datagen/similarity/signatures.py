r"""What stands under a text and is no part of what it says: the signature, with its telephone, e-mail and order numbers.

Sixty copies of one answer, each signed with another number, are one answer. A signature is the end of a text: lines from a
closing phrase on, or short lines and last sentences that hold such data, or lines that only say when a page was made, by
whom and where it stands. Data in the middle of a text stay; there they may be what it is about. Pure.

That many rows share a line does not make it one: on real sets the lines that one in a hundred answers shares, digits apart,
are what is answered (`#### 72` in 7,391 of 7,473 of GSM8K, `return 0`, years, sums), and none is a footer. It would also make
what becomes of a row depend on rows that come after it.
"""

from __future__ import annotations

import re
from itertools import islice

_MAY = re.compile(r"[\d@＠](?:(?<=[@＠])|\D{0,3}\d)")  # nothing to look for in a text without
_DASH = r"[-\u2010-\u2015－]"
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Thai to Han
_NAME = r"A-Za-z0-9_\u00c0-\u024f\u0370-\u052f"  # of scripts with spaces: 邮箱 before an address is no part of it
_EMAIL = rf"(?<![{_NAME}.+%-])[{_NAME}.+%-]{{1,64}}+[@＠][{_NAME}-]{{1,63}}+(?:\.[{_NAME}-]{{1,63}}+){{1,4}}+"
_EXTENSION = r"(?:\s?(?:extension|ext|x|分机|分機|转|內線|内線|ต่อ)\.?\s?\d{1,5}(?!\d))?"
_CALLED = (  # a number that is announced as a telephone's, in any form
    r"(?:\b(?:tele)?phone|\btel|\bmobile|\bcell|\bfax|\bwhatsapp|\bhotline|\bcall(?:\sus)?(?:\s(?:on|at))?"
    r"|电话|電話|手机|手機|热线|熱線|致电|致電|拨打|传真|携帯|微信|โทรศัพท์|โทรสาร|โทร|เบอร์|มือถือ)"
    rf"(?:\s?(?:number|no|号码|號碼|番号|ติดต่อ))?[\s.:：#()是为]{{0,4}}+[+(]?\d(?:[\s()./]|{_DASH})?(?:\d(?:[\s()./]|{_DASH}){{0,2}}){{4,14}}\d"
)
_PHONE = (  # or is written as one: +66 2 555 1234, (555) 123-4567, 555-123-4567, 02-555-1234, 0755-12345678
    r"(?<![\w)\]])(?<!\d\s)\+\d{1,3}(?:[\s().-]{0,2}\d){6,13}(?!\d)"
    rf"|(?<![\w)])\(0?\d{{2,4}}\)\s?\d{{3,4}}(?:{_DASH}|\s)\d{{4}}(?!\d)"
    rf"|(?<![\w.])(?<!\d{_DASH})(?:\d{{3}}{_DASH}\d{{3}}|0\d{{1,3}}{_DASH}\d{{3,4}}|1[3-9]\d{_DASH}\d{{4}}){_DASH}\d{{4}}(?!{_DASH}?\d)"
    rf"|(?<![\w.])(?<!\d{_DASH})0\d{{1,3}}{_DASH}\d{{6,8}}(?!{_DASH}?\d)"
)
_CODE = rf"\#?(?:[A-Z]{{1,6}}{_DASH}?)?\d(?:[\dA-Z]|{_DASH}){{2,24}}+"
_NAMED = (
    *("order", "ticket", "case", "invoice", "reference", "ref", "booking", "tracking", "customer", "account", "claim"),
    *("request", "incident", "confirmation", "agent", "parcel", "shipment"),
)
_REFERENCE = (
    rf"(?:\b(?:{'|'.join(_NAMED)})(?:\s(?:no|nr|number|id|code|ref|reference))?\s?[.:#№]{{0,2}}\s?"
    r"|(?:订单|訂單|工单|工單|快递|快遞|运单|案件|客户|客戶|发票|预约|注文|受付|お?問い?合わせ|お客様|单|編|编)(?:号码|编号|編號|番号|号|號)[:：\#是为\s]{0,3}"
    r"|(?:หมายเลข|เลขที่|เลข|รหัส)(?:คำสั่งซื้อ|ออเดอร์|ใบสั่งซื้อ|พัสดุ|เคส|งาน|ตั๋ว|อ้างอิง|ลูกค้า|การจอง|ใบแจ้งหนี้)?[:：\#\s]{0,3})"
    rf"{_CODE}"
)
_KINDS = tuple(re.compile(pattern, flags=re.I) for pattern in (_EMAIL, f"(?:{_CALLED}|{_PHONE}){_EXTENSION}", _REFERENCE))
# What each of them cannot do without, which is looked for first: a mark, six digits close together, three signs of a code (K
# and s have other forms for whoever does not mind the case).
_NEEDS = tuple(
    re.compile(pattern)
    for pattern in (r"[@＠]", r"\d(?:\D{0,2}\d){5}", r"\d[\dA-Za-z\u017f\u212a\u0130\u0131\u2010-\u2015－-]{2}")
)
_WHEN = r"(?=[^\n]{0,30}\d{4})[\s:：,.–-]{0,3}[\w\s:/.,–-]{0,40}"  # a date with its year
_STAMP = re.compile(  # a line of nothing else
    rf"(?:(?:this\s(?:page|document|answer|article|text)\s(?:was\s)?)?(?:last\s)?(?:updated?|modified|revised|reviewed|generated|printed|exported)"
    rf"(?:\s(?:on|at|by))?(?=[\s:：])|最后更新|最近更新|更新(?:时间|日期|于)|生成(?:时间|日期|于)|打印(?:时间|日期)|最終更新(?:日)?|更新日"
    rf"|(?:อัปเดต|ปรับปรุง|แก้ไข)(?:ครั้ง)?ล่าสุด(?:เมื่อ)?|พิมพ์เมื่อ|สร้างเมื่อ){_WHEN}"
    r"|(?:©|\(c\)|copyright\b)[\s©]{0,3}\d{4}\D{0,60}|(?:page|หน้า|第)\s?\d{1,4}(?:\s?(?:of|/|จาก|页\s?[/，,]?\s?共)\s?\d{1,4})?\s?页?",
    flags=re.I,
)
_CLOSING = re.compile(
    r"(?:(?:with\s)?(?:(?:my|our|the|very|kind|best|warm|warmest|kindest|many)\s){0,3}(?:regards|wishes|thanks|best)"
    r"|(?:yours\s)?(?:sincerely|faithfully|truly)(?:\syours)?|thank\syou(?:\svery\smuch)?|cheers|respectfully|--+"
    r"|此致|敬礼|祝好|顺祝商祺|顺颂商祺|谨启|敬上|谢谢|敬具|よろしくお願い(?:いた)?します|よろしくお願い致します"
    r"|ขอแสดงความนับถือ|ด้วยความเคารพ|ด้วยความนับถือ|ขอบคุณ(?:ครับ|ค่ะ)?)[\s,，.。!！:：]*",
    flags=re.I,
)
_SENTENCES = re.compile(r"\A.*(?:\n|[.!?](?=\s)|[。！？])", flags=re.S)  # all but the last
_WORD = re.compile(rf"[{_UNSPACED}]{{1,3}}|[^\W{_UNSPACED}]+")
MOST_LINES = 8  # of a signature
FEW_WORDS = 8  # of a line of a signature, its data apart
BODY = 12  # words, about, that a text must have above its signature


def without_data(text: str) -> str:
    """Return a text without the e-mail addresses and telephone numbers in it."""
    if _MAY.search(text):
        for number in range(2):
            if _may_hold(text, number):
                text = _KINDS[number].sub(" ", text)
    return text


def without_signature(text: str, *, sure: bool = False) -> str:
    """Return a text without its signature: the lines at its end that are one, and such data in its last sentence.

    Args:
        text: any text.
        sure: only one with a closing phrase or with two kinds of data: a telephone number alone under a task may be what the
            task is about.
    """
    if not _MAY.search(text):
        return text
    lines = text.splitlines(keepends=True)
    start, kinds, closed = len(lines), set[int](), False
    for at in range(len(lines) - 1, max(-1, len(lines) - 1 - MOST_LINES - lines.count("\n")), -1):
        bare, found = _bare(lines[at])
        if at and _STAMP.fullmatch(lines[at].strip(" \t\r\n*_~|()[]—–-.。")):
            bare, found = "", {len(_KINDS)}
        if _has_words(bare, FEW_WORDS + 1):
            break
        if _CLOSING.fullmatch(lines[at].strip()) and at:
            start, closed = at, True
            break
        if found and at:
            start, kinds = at, kinds | found
    body = "".join(lines[:start])
    if start == len(lines) or not kinds:
        body, kinds = _last_sentence_bare(text)
    enough = (closed and bool(kinds)) or len(kinds) > 1 if sure else bool(kinds)
    return body if enough and _has_words(body, BODY) else text


def _has_words(text: str, least: int) -> bool:
    """Whether a text has so many words, about."""
    return next(islice(_WORD.finditer(text), least - 1, None), None) is not None


def _may_hold(text: str, kind: int) -> bool:
    """Whether a text has what that kind of data cannot do without; a look that costs a tenth of the whole pattern."""
    if not _NEEDS[kind].search(text):
        return False
    if kind < 2 or not text.isascii():  # the names in other scripts are many, and rare
        return True
    small = text.lower()
    return any(name in small for name in _NAMED)


def _bare(text: str) -> tuple[str, set[int]]:
    """Return a text without data of any kind, and the kinds that it held."""
    found: set[int] = set()
    for number, kind in enumerate(_KINDS):
        if _may_hold(text, number):
            text, count = kind.subn(" ", text)
            if count:
                found.add(number)
    return text, found


def _last_sentence_bare(text: str) -> tuple[str, set[int]]:
    """Return a text whose last sentence holds no data, and the kinds that it held; the only sentence of a text stays."""
    last = _SENTENCES.match(text.rstrip()[:-1])
    if last is None:
        return text, set()
    bare, found = _bare(text[last.end() :])
    return text[: last.end()] + bare, found
