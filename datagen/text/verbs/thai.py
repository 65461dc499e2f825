"""The verb and noun of a Thai instruction, from the words and word classes of pythainlp.

Thai marks neither the end of a sentence nor the imperative, so a clause (between two spaces) counts first when it begins with a
word of asking or with a verb that instructions begin with, then when it holds a question word, then when it begins with a verb.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import takewhile

from datagen.errors import UsageError
from datagen.text.verbs.words import word_set

Word = tuple[str, str]  # the word and its class of Universal Dependencies

_CLAUSE = re.compile(r"[\s,.!?;:()\"–-]+")
_OPENING = word_set(
    "ช่วย โปรด กรุณา จง ลอง อยากให้ อยาก ให้ คุณ ฉัน ผม เรา ดิฉัน หนู รบกวน ได้โปรด ขอให้ ช่วยกัน สามารถ ต้อง แล้ว และ จาก พร้อม พร้อมทั้ง หน่อย"
)
_POLITE = word_set("ช่วย โปรด กรุณา จง ลอง รบกวน ได้โปรด")
_ASKING = word_set(
    "อะไร ใคร ไหน ใด ทำไม อย่างไร ยังไง เมื่อไร เมื่อใด เมื่อไหร่ เท่าไร เท่าไหร่ กี่ ไหม หรือไม่ หรือเปล่า เหตุใด ที่ไหน ที่ใด มั้ย"
    " เพราะเหตุใด แบบใด เท่าใด"
)
_VERBS = word_set(
    "เขียน แปล อธิบาย บอก ระบุ สรุป แต่ง สร้าง จัด เรียง หา คำนวณ เปรียบเทียบ ยก ยกตัวอย่าง ตอบ เติม เลือก จำแนก แยก "
    "แก้ แก้ไข ปรับ เรียบเรียง ทำ คิด เสนอ แนะนำ วิเคราะห์ ตรวจ ตรวจสอบ พิจารณา เล่า เล่านิทาน สกัด แปลง เปลี่ยน ย่อ "
    "ขยาย ออกแบบ วางแผน ร่าง ตั้ง แสดง ถอด นับ จับคู่ ดึง ลบ เพิ่ม พิสูจน์ ทาย ตัดสิน ประเมิน จัดกลุ่ม จัดระดับ "
    "ถอดความ บรรยาย กำหนด ค้นหา ขอ สมมติ จัดทำ จัดเรียง แต่งประโยค ตั้งชื่อ ให้คะแนน เรียงลำดับ ทำนาย ใช้ อ่าน"
)
_HELPING = word_set("เป็น อยู่ คือ ได้ ต้อง ควร จะ มี ไป มา ให้ ถูก อยาก ไม่ เคย กำลัง น่า อาจ")
_CLAUSES = word_set("ว่า ที่ ซึ่ง อัน เมื่อ ถ้า หาก เพราะ ให้ เป็น ใหม่")  # what ends the place of the object
_FORM = word_set("ตอบ แสดง ใช้ เลือก สมมติ")  # of the answer's form or the scene, and the verb only where no other is
_NOT_NOUNS = word_set("การ ความ ๆ นี้ นั้น สัก อย่าง ละ")


def verb_noun(text: str) -> tuple[str, str]:
    """Return the root verb and its noun; the first clause that asks for something decides.

    Raises:
        UsageError: pythainlp is not installed.
    """
    clauses = [_tagged(clause) for clause in _CLAUSE.split(text) if clause]
    requests = [found for words in clauses if len(words) > 1 and (found := _request(words))]
    asking = zip(clauses, [[], *clauses], strict=False)  # a clause that only asks how many belongs to the one before it
    questions = [found for words, before in asking if (found := _question(words) or _question([*before, *words]))]
    others = [found for words in clauses if (found := _beginning(words))]
    return [*(r for r in requests if r[0] not in _FORM), *questions, *requests, *others, ("", "")][0]


def _request(words: Sequence[Word]) -> tuple[str, str] | None:
    start = len(list(takewhile(lambda w: w[0] in _OPENING, words)))
    if start < len(words) and (words[start][0] in _VERBS or (start and words[start][1] == "VERB" and words[0][0] in _POLITE)):
        return words[start][0], _object(words[start + 1 :])
    at = next((i for i, w in enumerate(words[:-1]) if w[0] in _POLITE and words[i + 1][1] == "VERB"), -1)
    return (words[at + 1][0], _object(words[at + 2 :])) if at >= 0 else None


def _question(words: Sequence[Word]) -> tuple[str, str] | None:
    """The first verb of a question that does more than help, else คือ, เป็น or มี; with the noun after it, or before it."""
    if not any(w[0] in _ASKING for w in words):
        return None
    verbs = [i for i, w in enumerate(words) if w[1] == "VERB" or w[0] in _VERBS]
    at = next((i for i in verbs if words[i][0] not in _HELPING), None)
    if at is None:
        at = next((i for i, w in enumerate(words) if w[0] in ("คือ", "เป็น", "มี", "อยู่")), None)
    if at is None:
        return None
    return words[at][0], _object(words[at + 1 :]) or _first_noun(words[:at])


def _beginning(words: Sequence[Word]) -> tuple[str, str] | None:
    if words and words[0][1] == "VERB" and words[0][0] not in _HELPING:
        return words[0][0], _object(words[1:])
    return None


def _object(words: Sequence[Word]) -> str:
    """The first noun behind a verb, which heads its phrase; "" where a clause stands there."""
    return _first_noun(list(takewhile(lambda w: w[0] not in _CLAUSES | _ASKING and w[1] != "ADP", words)))


def _first_noun(words: Sequence[Word]) -> str:
    return next((w for w, kind in words if kind in ("NOUN", "PROPN") and w not in _NOT_NOUNS and w not in _VERBS), "")


def _tagged(clause: str) -> list[Word]:
    cut, tag = _taggers()
    return tag([word for word in cut(clause) if word.strip()])


def segmented(text: str) -> list[str]:
    """Return the words of a Thai text in order, by the dictionary of pythainlp (newmm)."""
    return _taggers()[0](text)


_LOCK = threading.Lock()


def _taggers() -> tuple[Callable[[str], list[str]], Callable[[list[str]], list[Word]]]:
    with _LOCK:
        return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> tuple[Callable[[str], list[str]], Callable[[list[str]], list[Word]]]:
    """The dictionary tokenizer and the tagger of the ORCHID corpus: both come with pythainlp, so nothing is fetched."""
    with _writing_nothing():
        try:
            from pythainlp.tag import pos_tag
            from pythainlp.tokenize import word_tokenize
        except ImportError:
            raise UsageError("Thai words need pythainlp; run: pip install 'datagen[th]'") from None
        pos_tag(word_tokenize("แปลประโยคนี้", engine="newmm"), corpus="orchid_ud")

    def tag(words: list[str]) -> list[Word]:
        found: list[Word] = pos_tag(words, engine="perceptron", corpus="orchid_ud")
        return found

    return lambda text: word_tokenize(text, engine="newmm"), tag


@contextmanager
def _writing_nothing() -> Iterator[None]:
    """Keep pythainlp from making a folder in the user's home when it is imported."""
    name = "PYTHAINLP_READ_ONLY"
    if name in os.environ or "PYTHAINLP_READ_MODE" in os.environ:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
