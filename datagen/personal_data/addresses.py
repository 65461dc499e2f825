"""Addresses in a text: e-mail addresses of every script, and public IP addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import regex

from datagen.text.tokens import UNSPACED

Span = tuple[int, int]

# Scripts that are written without a blank between an address and the words beside it (Korean particles stick to it).
_DENSE = rf"{UNSPACED}\p{{Hangul}}"
_LOCAL = r"[\p{L}\p{M}\p{N}_.+\-]"
_LOCAL_SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}_.+\-]--[{_DENSE}]]"
_LABEL = r"[\p{L}\p{M}\p{N}\-]"
_LABEL_SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}\-]--[{_DENSE}]]"
# A domain ends in ASCII, in letters of another script that spaces its words, or in one of the domains of those that do not.
_TOP = (
    r"(?:(?:[A-Za-z]{2,}|xn--[A-Za-z0-9\-]+)(?![A-Za-z0-9\-])"
    rf"|[[\p{{L}}\p{{M}}]--[A-Za-z{_DENSE}]]{{2,}}(?![\p{{L}}\p{{M}}]))"
)
_TOP_DENSE = (
    "(?:中国|中國|公司|网络|網絡|网址|網址|网店|网站|在线|中文网|商城|商店|集团|移动|我爱你|香港|台湾|台灣|澳門|澳门|新加坡|世界|政府|政务|公益|机构|信息"
    "|手机|教育|大学|企业|みんな|コム|ストア|クラウド|セール|ファッション|ポイント|グーグル|日本|한국|닷컴|닷넷|삼성|ไทย|คอม|ລາວ)"
)
_EMAIL = regex.compile(
    rf"(?<!{_LOCAL_SPACED}){_LOCAL_SPACED}++@(?:{_LABEL_SPACED}++\.)+{_TOP}"
    rf"|(?<!{_LOCAL}){_LOCAL}++@(?:{_LABEL_SPACED}++\.)*+(?:(?:{_LABEL}++\.)+(?:{_TOP_DENSE}|{_TOP})|(?<=\.){_TOP_DENSE})"
    rf"|(?<!{_LOCAL}){_LOCAL}++(?<=[{_DENSE}])@(?:{_LABEL_SPACED}++\.)+{_TOP}",
    flags=regex.V1,
)
_NOBODYS = regex.compile(r"[@.](?:example\.(?:com|org|net)|test|invalid|localhost)$", flags=regex.I)

_SERVICES = frozenset(("git", "hg", "svn", "gitea", "gitlab", "forgejo"))  # users that are programs
_SCHEME = regex.compile(r"(?:git|ssh|https?)://\Z", flags=regex.I)
_REMOTE_PATH = regex.compile(r":(?:\d{1,5}/)?[\w~./-]")

_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_IP = regex.compile(
    rf"(?<![A-Za-z0-9_.:])[0-9A-Fa-f]{{0,4}}(?::[0-9A-Fa-f]{{0,4}}){{1,6}}:{_IPV4}(?![A-Za-z0-9_]|\.\d|\.[A-Za-z])"
    r"|(?<![A-Za-z0-9_.:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![A-Za-z0-9_:]|[.:]*[A-Za-z0-9_])"
    rf"|(?<![A-Za-z0-9_.])(?<![A-Za-z]/){_IPV4}(?![A-Za-z0-9_]|[.\-][A-Za-z]|\.\d)"
)
_IPV4_ALONE = regex.compile(rf"(?<![A-Za-z0-9_.]){_IPV4}(?![A-Za-z0-9_]|[.\-][A-Za-z]|\.\d)")
# Four numbers that count something else: a version, a section of a text.
_VERSION = regex.compile(
    r"(?:version|versión|versão|versione|версия|версии|release|build|revision|firmware|section|chapter|clause|(?<![a-z])v(?:er\.?)?"
    r"|バージョン|버전|เวอร์ชัน|เวอร์ชั่น|รุ่น|ข้อ|หมวด|版本|版|[第图圖表节節§])[号號]?[\s:：=#]*$",
    flags=regex.I,
)
_UPGRADE = regex.compile(r"升级|升級|更新|安装|安裝|软件|軟體|固件|驱动|発行|インストール|アップデート|อัปเดต|อัพเดต|ติดตั้ง")
_COUNTED = regex.compile(r"\s?(?:版|节|節|章|条|條|款|小节|項|项)")
_DENSE_NEXT = regex.compile(rf"[{_DENSE}]", flags=regex.V1)
_HEADING = regex.compile(r"(?:^|\n)[ \t#]*$")
_BEFORE = 24  # characters in which a word says what four numbers are
_GLOBAL = ipaddress.ip_network("2000::/3")  # all that is given out; `ad::d` is C++
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


def emails(text: str) -> Iterator[Span]:
    """Yield the e-mail addresses of a text, in every script; those of `example.com` and the like are nobody's."""
    if "@" not in text:
        return
    for found in _EMAIL.finditer(text):
        if not (_NOBODYS.search(found.group()) or _is_login(text, *found.span())):
            yield found.span()


def _is_login(text: str, start: int, end: int) -> bool:
    """Whether what looks like an e-mail address is where a program logs in: `git@github.com:a/b.git`, `ssh://git@host/a`."""
    if text[start : text.index("@", start)] not in _SERVICES:
        return False
    return _REMOTE_PATH.match(text, end) is not None or _SCHEME.search(text, max(0, start - 12), start) is not None


def ip_addresses(text: str) -> Iterator[Span]:
    """Yield the public IP addresses of a text, their ports left out; versions and sections are none."""
    if text.count(".") < 3 and text.count(":") < 2:
        return
    for found in _IP.finditer(text):
        if ":" not in found.group():
            if _is_host(text, *found.span()):
                yield found.span()
        elif _is_public(found.group()):
            yield found.span()
        elif "." in found.group():  # the time before an address, or a word of hexadecimal letters
            for inner in _IPV4_ALONE.finditer(text, found.start(), found.end()):
                if not _is_an_address(found.group()) and _is_host(text, *inner.span()):
                    yield inner.span()


def _is_host(text: str, start: int, end: int) -> bool:
    """Whether four numbers are a public address, and neither a version nor the number of a section."""
    if not _is_public(text[start:end]):
        return False
    before = text[max(0, start - _BEFORE) : start]
    if _VERSION.search(before) or _COUNTED.match(text, end):
        return False
    dense = _DENSE_NEXT.match(text, end) or (before and _DENSE_NEXT.match(before[-1]))
    return not (dense and (_UPGRADE.search(before) or _HEADING.search(before)))


def _is_an_address(found: str) -> bool:
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return False
    return True


def _is_public(found: str) -> bool:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global
    inner = address.ipv4_mapped or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None)
    return inner.is_global if inner else address in _GLOBAL and address.is_global
