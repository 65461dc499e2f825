"""Keys and tokens in a text, told by the marks that their makers gave them.

The forms are those of detect-secrets 1.5 (Apache-2.0), made linear and told from the words around them in every script, and
newer ones of the makers' own pages.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator

import regex

from datagen.personal_data.addresses import Span

_C = r"[A-Za-z0-9_\-]"
_BASE64_LINE = r"(?:\s|\\n|\\r)+[A-Za-z0-9+/=]{16,}"
# The last line of a key is shorter; where its end is cut off, it is all of a line.
_LAST_LINE = r"(?:(?:\s|\\n|\\r)+[A-Za-z0-9+/]++={0,2}+(?=[ \t\r]*+(?:\n|\Z)|\\[nr]))?"
_PRIVATE = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?"
_KEY = regex.compile(
    rf"-----BEGIN {_PRIVATE}-----(?:(?:(?!-----).)*+-----END {_PRIVATE}-----|(?:{_BASE64_LINE})++{_LAST_LINE})"
    r"|---- BEGIN SSH2 [A-Z ]{0,40}PRIVATE KEY ----(?:(?!---- ).)*+(?:---- END SSH2 [A-Z ]{0,40}PRIVATE KEY ----)?"
    r"|PuTTY-User-Key-File-\d: *+[\w\-]++(?:(?!PuTTY-User-Key-File-|Private-(?:MAC|Hash):).)*+"
    r"Private-(?:MAC|Hash): *+[0-9A-Fa-f]++"
    rf"|PuTTY-User-Key-File-\d: *+[\w\-]++(?:\r?\n[A-Z][\w\-]*+: [^\n]*+(?:{_BASE64_LINE}(?![^\n:]{{0,80}}: ))*+)++"
    rf"|(?<!{_C})(?:sk-(?:proj-|ant-)?{_C}{{20,}}|[sr]k_live_[0-9A-Za-z]{{16,}}|whsec_[A-Za-z0-9+/]{{24,}}=*"
    rf"|gh[pousr]_[A-Za-z0-9_]{{36,}}|github_pat_[A-Za-z0-9_]{{22,}}"
    rf"|(?:glpat|gldt|glft|glsoat|glrt|glptt|glcbt|glimt|glagent|gloas|glffct)-{_C}{{20,}}(?:\.{_C}+)*+|GR1348941{_C}{{20,}}"
    rf"|hf_[A-Za-z]{{30,}}|npm_[A-Za-z0-9]{{36,}}|pypi-AgE{_C}{{50,}}|SG\.{_C}{{22}}\.{_C}{{43}}"
    rf"|(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{{16}}|AIza{_C}{{35}}|ya29\.{_C}{{20,}}|GOCSPX-{_C}{{20,}}"
    rf"|xox[abeoprs]-{_C}{{10,}}|xapp-\d-{_C}{{20,}}|dop_v1_[0-9a-f]{{64}}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}"
    rf"|\d{{8,10}}:AA{_C}{{33}}|(?P<jwt>eyJ{_C}{{8,}}(?:\.{_C}*+){{2,4}}))(?!{_C})"
    r"""|(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s:/@?#"'<>\[\]]{0,64}:\K(?![$<{%\[])[^\s:/@"'<>\[\]]{1,128}"""
    r"(?=@[\p{L}\p{N}\[])"
    r"|(?<=hooks\.slack\.com/services/)T[A-Za-z0-9_]++/B[A-Za-z0-9_]++/[A-Za-z0-9_]++"
    r"|(?<=AccountKey=)[A-Za-z0-9+/]{86}=="
    r"""|(?i:aws_?secret_?(?:access_?)?key)["']?\s{0,3}[:=]\s{0,3}["']?\K[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])""",
    flags=regex.S,
)  # fmt: skip
# One of which every key has: most texts have none.
_SIGNS = (
    "PRIVATE KEY",
    "PuTTY-User",
    "sk-",
    "k_live_",
    "whsec_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glft-",
    "glsoat-",
    "glrt-",
    "glptt-",
    "glcbt-",
    "glimt-",
    "glagent-",
    "gloas-",
    "glffct-",
    "GR1348941",
    "hf_",
    "npm_",
    "pypi-AgE",
    "SG.",
    "A3T",
    "ABIA",
    "ACCA",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "GOCSPX-",
    "xox",
    "xapp-",
    "dop_v1_",
    "shp",
    ":AA",
    "eyJ",
    "hooks.slack.com",
    "AccountKey=",
)
SIGNS = "|".join([*map(regex.escape, _SIGNS), "(?i:aws_?secret)"])  # of RE2 and regex alike
_SIGNED = regex.compile(SIGNS)


def keys(text: str) -> Iterator[Span]:
    """Yield the keys of a text: private keys, tokens of the services that mark theirs, and passwords in URLs."""
    if not _SIGNED.search(text) and not ("://" in text and "@" in text):
        return
    for found in _KEY.finditer(text):
        if not found["jwt"] or _is_header(found["jwt"].partition(".")[0]):
            yield found.span()


def _is_header(part: str) -> bool:
    """Whether the first part of a token is the header of a JSON Web Token."""
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(header, dict) and not header.keys().isdisjoint(("alg", "enc", "typ", "kid"))
