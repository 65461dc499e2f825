"""The verb and noun of a Chinese instruction, from the words and word classes of jieba.

A clause counts when it asks: it begins with a verb (after 请, 帮我, 你能 and the like), with a phrase such as 用Python or
把句子 before the verb, or it holds a question word. What only tells is passed over.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any

from datagen.errors import UsageError
from datagen.text.verbs.words import word_set

Word = tuple[str, str]  # the word and its class, as jieba.posseg names it

_CLAUSE = re.compile(r"[，。？！；：、,!?;:\n]+")
_OPENING = word_set(
    "请 麻烦 帮 帮忙 帮我 你 您 我 我们 你们 能 能够 能不能 能否 可以 可否 可不可以 是否 先 再 然后 并 并且 只 就 也 "
    "想 想要 希望 需要 要 得 应 应该 应当 必须 试 试着 尝试 尽量 简单 简要 简短 详细 依次 逐一 逐条 另外 最后 接下来 "
    "现在 直接 一起 来 去 给我 替我 为我 让 一下"
)
_BEFORE_VERB = word_set(
    "把 将 用 以 按 按照 根据 依据 基于 利用 使用 通过 从 为 给 对 针对 就 在 替 跟 与 和 请为 关于 围绕 结合 参考 参照 依照"
)
_HELPING = word_set(
    "是 有 为 要 能 会 可以 应该 应当 需要 进行 开始 开头 结尾 不能 不要 可能 能够 超过 属于 作为 假设 假如 如果 包括 "
    "包含 没有 说 在 到 该 像 喜欢 觉得 认为 知道 已知 不想 给定"
)  # verbs that ask for nothing by themselves
_VERBS = word_set(
    "配平 概括 归类 翻译 总结 分类 改写 仿写 续写 扩写 缩写 润色 起草 撰写 列举 对比 比较 计算 设计 推荐 建议 描述 "
    "介绍 分析 评价 评论 回答 命名 排序 编写 创作 生成 提取 抽取 整理 简化 转换 修改 编辑 分配 解释 说明 校对 排列 "
    "讨论 搜索 预测 证明 求解 归纳 模拟 扮演 检查 制定 选择 填空 造句 改正 纠正 标注 告诉 说出 写出 指出 找出 确定 "
    "形容 想象 体会 判断 模仿 扩充 评估 造 命名 解答 推断"
)  # which jieba may class as nouns
_ASKING = re.compile(
    "什么|怎么|怎样|如何|为什么|为何|多少|几|哪|吗|谁|多大|多长|多久|多高|是否|是不是|有没有|能否|该不该|还是|能不能|哪些"
)
_WHETHER = re.compile("能不能|可不可以|能否|可否|是否|该不该|要不要|是不是")
_SETTING = word_set("想象 假设 设想 扮演 假装 想像")  # the scene of a task, and its verb only where no other is
_HOW = word_set("怎么 怎样 如何 为什么 为何 怎么样")
_NOT_NOUNS = word_set(
    "下面 以下 上面 时候 时 字 左右 以内 之间 方面 条 个 句 段 首 篇 件 张 位 名 种 类 项 则 份 道 组 些 成 各 格 次 里 上 中"
)
_TELLING = word_set("却 会 了 总是 已经 着")  # behind a verb that begins a clause: it tells, and asks for nothing
_FORBIDDING = word_set("不 不许 不要 不能 别 勿 不得 禁止 无需 不必")
_GIVEN = word_set("以下 下面 下列 给定 一下")
_THEN = word_set("来 以 使 使其 以便 用来 用于 并 并且 从而 然后 而 使得 来使")  # begins what the task is for
_WHOM = word_set("按 给 为 对 针对")  # before what the verb is done to: 给这件废弃物归类
_TURNS_INTO = word_set("成 为 到 在 出来 一下 给 进 作 得 并 重新")


def verb_noun(text: str) -> tuple[str, str]:
    """Return the root verb and its noun; the first clause that asks for something decides.

    Raises:
        UsageError: jieba is not installed.
    """
    scene = ("", "")
    for clause in _CLAUSE.split(text):
        words = _tagged(_WHETHER.sub("", clause))
        found = _request(words) or (_question(words) if _ASKING.search(clause) else None)
        if found and found[0] not in _SETTING:
            return found
        scene = scene if scene[0] else found or scene
    return scene


def _request(words: Sequence[Word]) -> tuple[str, str] | None:
    start = len(list(takewhile(lambda w: w[0] in _OPENING or (w[1] in ("x", "d", "ad") and not _starts(w[0])), words)))
    rest = words[start:]
    if not rest or any(w[0] in _FORBIDDING for w in words[:start]):
        return None
    first, second = rest[0][0], rest[1] if len(rest) > 1 else ("", "")
    verb_as_noun = rest[0][1] in ("n", "vn", "a", "an", "nz") and len(first) > 1 and second[0] in _GIVEN
    if (_is_verb(rest[0]) or verb_as_noun) and first not in _HELPING and first not in _BEFORE_VERB:
        if start and words[start - 1][0] == "想" and first == "出":
            return "想出", _object(rest[1:])
        if second[0] in ("什么", "哪些", "哪个"):  # 解释什么是素数: a clause is no noun
            return _stem(first), ""
        tells = second[1] == "uj" or any(w[0] in _TELLING for w in rest[1:3]) or (first not in _VERBS and _what_is(rest))
        return None if tells else (_stem(first), _object(rest[1:]))
    if first in ("把", "将"):
        at = _turning(rest)
        return (_stem(rest[at][0]), _last_noun(rest[:at])) if at else None
    if first not in _BEFORE_VERB and not any(w[0] in ("请", "麻烦", "帮", "帮我", "帮忙") for w in words[:start]):
        return None
    at = next((i for i in range(1, len(rest)) if _is_main(rest, i)), 0)
    if at:
        return _stem(rest[at][0]), _object(rest[at + 1 :]) or (_last_noun(rest[:at]) if first in _WHOM else "")
    return (first, _object(rest[1:])) if first == "给" else None


def _starts(word: str) -> bool:
    return word in _BEFORE_VERB or word in _VERBS


def _what_is(words: Sequence[Word]) -> bool:
    """Whether a clause that begins with a verb asks what something is: 减少垃圾的方法是什么."""
    verbs = [n for n, w in enumerate(words[:-1]) if w[0] == "是" and words[n + 1][0] in ("什么", "谁", "哪些", "哪里", "多少")]
    return bool(verbs) and any(w[1] == "uj" for w in words[: verbs[0]])


def _turning(words: Sequence[Word]) -> int:
    """Where the verb of a clause with 把 or 将 stands: before 成, 为 or the end of the clause; 0 where there is none."""
    verbs = [i for i, w in enumerate(words) if i > 1 and _is_verb(w) and w[0] not in _HELPING]
    ends = [i for i in verbs if i + 1 == len(words) or words[i + 1][0] in _TURNS_INTO or words[i][0][-1] in "成为"]
    return next(iter(ends or verbs[-1:]), 0)


def _is_main(words: Sequence[Word], at: int) -> bool:
    """Whether a word is the verb that a phrase in front belongs to: no verb inside that phrase, none that helps."""
    word, before = words[at], words[at - 1]
    if before[1] == "d" and at > 1:
        before = words[at - 2]
    inside = before[1] in ("p", "uj", "c") or before[0] in _BEFORE_VERB
    named = at + 1 < len(words) and words[at + 1][1] == "uj"  # 给出的表
    return _is_verb(word) and word[0] not in _HELPING and not inside and not named


def _question(words: Sequence[Word]) -> tuple[str, str] | None:
    """The verb of a question: the one after 如何, else 是 or 有 with the noun before it, else the first."""
    asks = next((i for i, w in enumerate(words) if w[0] in _HOW), -1)
    verbs = [
        i
        for i, w in enumerate(words)
        if _is_verb(w)
        and (i != 1 or words[0][0] not in ("这个", "那个", "这种", "该"))
        and w[0] not in ("能", "会", "要", "应当", "应该", "可以", "想", "说", "该")
    ]
    after = [i for i in verbs if i > asks]
    if asks >= 0 and after:
        at = after[0]
        return _stem(words[at][0]), _object(words[at + 1 :]) or _last_noun(words[:at])
    for at in verbs:
        if words[at][0] in ("是", "有"):
            return words[at][0], _last_noun(words[:at]) or _object(words[at + 1 :])
    if not verbs:
        return None
    return _stem(words[verbs[0]][0]), _object(words[verbs[0] + 1 :]) or _last_noun(words[: verbs[0]])


def _object(words: Sequence[Word]) -> str:
    """The head of the noun phrase after a verb: behind its last 的, else the end of its first run of nouns."""
    if any(w[0] in _HOW for w in words) or (words and (words[0][1] == "ud" or words[0][0] == "比较")):
        return ""
    noun_at = next((i for i, w in enumerate(words) if _is_noun(w)), len(words))
    words = [*words[: noun_at + 1], *takewhile(lambda w: w[0] not in _THEN, words[noun_at + 1 :])]
    of = [i for i, w in enumerate(words[:-1]) if w[1] == "uj"]
    rest = words[of[-1] + 1 :] if of else words
    head = ""
    for n, word in enumerate(rest):
        before = rest[n - 1] if n else ("", "")
        counted = before[1] in ("r", "m") and len(word[0]) == 1  # 条 in 这条评价
        measured = before[1] in ("m", "q", "r", "") and word[1] == "nr" and len(word[0]) > 2  # 一则招聘启事 is no name
        if (_is_noun(word) and not (counted and n + 1 < len(rest))) or measured:
            head = word[0]
        elif head or (_is_verb(word) and not counted and not (n + 1 < len(rest) and _is_noun(rest[n + 1]))):
            break
    if not head and rest and (of or rest[0][1] == "m") and rest[-1][1] == "v" and len(rest[-1][0]) > 1:
        return rest[-1][0]  # 一条公开回复
    return head


def _last_noun(words: Sequence[Word]) -> str:
    return next((w[0] for w in reversed(words) if _is_noun(w)), "")


def _is_noun(word: Word) -> bool:
    return word[1] in ("n", "nz", "vn", "nt", "an", "l") and word[0] not in _NOT_NOUNS and (len(word[0]) > 1 or word[1] == "n")


def _is_verb(word: Word) -> bool:
    return word[1] in ("v", "vd") or word[0] in _VERBS or word[0][-2:] in _VERBS or (len(word[0]) > 2 and word[0][-1] == "成")


def _stem(verb: str) -> str:
    return verb[:-1] if len(verb) > 2 and verb[-1] == "成" else verb


def _tagged(clause: str) -> list[Word]:
    return [(pair.word.strip().lower(), pair.flag) for pair in _tokenizer().cut(clause) if pair.word.strip()]


def segmented(text: str) -> list[str]:
    """Return the words of a Chinese text in order, by the dictionary of jieba."""
    found: list[str] = _tokenizer().tokenizer.lcut(text)
    return found


_LOCK = threading.Lock()


def _tokenizer() -> Any:
    with _LOCK:
        return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> Any:
    """The tokenizer with its dictionary read here: jieba itself would log to stderr and load what lies in the shared /tmp."""
    try:
        import jieba
        import jieba.posseg
    except ImportError:
        raise UsageError("Chinese words need jieba; run: pip install 'datagen[zh]'") from None
    words = jieba.Tokenizer()
    words.FREQ, words.total = words.gen_pfdict(words.get_dict_file())
    words.initialized = True
    return jieba.posseg.POSTokenizer(words)
