"""What a template, a serialiser or a model that ran on leaves in a text: control tokens, headings, labels, placeholders.

Each form is a whole remnant at a place where only a machine writes it, so that a text about templates is not hit.
"""

from __future__ import annotations

import html

import regex

# Fillers and blanks that Unicode counts as letters or signs (U+3164, U+2800) are as invisible as a zero-width space.
_VISIBLE = regex.compile(r"[^\p{C}\p{Z}\p{DI}\u2800]")
# What programs write where there is no text; `{output}` is a template that nobody filled in.
_NO_TEXT = (
    r"<no[ _]?(?:input|output)>|\{\{?\s?(?:instruction|input|output|response|answer)\s?\}\}?"
    r"|n/a|none|null|nan|<na>|<null>"
)
_PLACEHOLDER = regex.compile(rf"(?:{_NO_TEXT}|na\b)?[\s.]*+", flags=regex.I)
_EMPTY = regex.compile(rf"{_NO_TEXT}|(?:<no[ _]?(?:input|output)>|n/a)\.", flags=regex.I)  # `None.` may be an answer
# What stands for no material, in quotes, brackets and the escapes of HTML too; blanks and `_` do not matter.
_NO_INPUT = frozenset({
    *("noinput", "nooutput", "noinputrequired", "noinputneeded", "noinputnecessary", "noinputprovided", "noinputgiven"),
    *("noinputisrequired", "noinputisneeded", "noinputisnecessary", "noinputwasprovided", "noadditionalinput"),
    *("无输入", "無輸入", "没有输入", "沒有輸入", "无需输入", "無需輸入", "不需要输入", "不需要輸入"),
    *("ไม่มีอินพุต", "ไม่มีข้อมูลนำเข้า", "ไม่มีข้อมูลป้อนเข้า", "ไม่ต้องมีอินพุต", "ไม่ต้องใช้อินพุต"),
})  # fmt: skip
_NOTHING = frozenset({"n/a", "none", "null", "nan", "not applicable", "不适用", "不適用"})
_AROUND = " \t\r\n\u00a0\"'`“”‘’「」<>()[]（）《》.。;；,，"
_WORDS = regex.compile(r"[\w/]++")
LONGEST_MARK = 48  # characters of a cell that may be such a mark
# Where the task speaks of such values, one of them may be its answer: of code, of a choice in which nothing may fit.
_ASKS_FOR_NONE = regex.compile(
    r"\b(?:none|null|nan|n/a|not (?:applicable|available|found)|no(?:input|output)|if (?:there|no)|otherwise|any|which of"
    r"|how many|placeholder|template|code|function|python|javascript|java|sql|query|program|print(?:ed|s)?|returns?|typeof"
    r"|pars(?:e|es|ing)|evaluates?|expression|console|pandas|numpy)\b|[{}]"
    r"|没有|若无|如果没|不适用|空值|哪些|代码|函数|程序|输出|返回|运行|ไม่มี|โค้ด|ฟังก์ชัน",
    flags=regex.I,
)
_HEADING = regex.compile(
    r"^[ \t]*+#{2,6}[ \t]*+(?:Instruction|Input|Response|User|Human|Assistant|指令|回复|คำสั่ง)[ \t]*+[:：][ \t]*+$"
    r"|^[ \t]*+###[ \t]*+Instruction[ \t]*+:[ \t]*+\S(?=[^\n]*+\n(?:.*\n)??[ \t]*+###[ \t]*+(?:Input|Response)[ \t]*+:)",
    flags=regex.I | regex.M,
)
# Control tokens of chat templates: <|im_end|> and all of its form, those of DeepSeek, Gemma, Llama, Mistral, GLM, Baichuan.
_CONTROL = (
    r"(?:<\|[A-Za-z][A-Za-z0-9_]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|<(?:start_of_turn|end_of_turn|eos|bos|eod|eop|sop|pad|reserved_10[67])>"
    r"|\[/?INST\]|\[gMASK\]|<</?SYS>>|</?s>)"
)
_AT_START = regex.compile(rf"\s*+({_CONTROL})")
_AT_END = regex.compile(rf"({_CONTROL})[\s\d]*+\Z")
_LAST = 64  # characters of an end in which its token stands
_TURN = regex.compile(
    r"<\|im_start\|>(?:system|user|assistant)\b|<start_of_turn>(?:user|model)\b|<｜(?:User|Assistant)｜>"
    r"|<\|start_header_id\|>(?:system|user|assistant)<\|"
    r"|(?:</s>|<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|end\|>|<｜end▁of▁sentence｜>)\s*+(?:<s>|\[INST\]|<\|[a-z]|<start_of)"
    r"|^<\|(?:user|assistant|system)\|>\s"
    r"|(?:</s>|<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|endoftext\|>|<｜end▁of▁sentence｜>)[ \t]*+\n",
    flags=regex.M,
)
_MARKED = ("<|", "<｜", "INST]", "SYS>>", "_of_turn>", "s>", "<eo", "<bos", "<sop", "<pad", "gMASK", "<reserved")
_CODE = regex.compile(r"```[^`]*+(?:`{1,2}(?!`)[^`]*+)*+```|`[^`\n]+`")
_ABOUT_TOKENS = regex.compile(
    r"token|template|chatml|delimiter|marker|special|syntax|format|tag\b|html|strike|markup|llama|gemma|mistral|标记|模板|令牌|โทเคน|โทเค็น",
    flags=regex.I,
)
_THOUGHT = regex.compile(r"\s*+<(think|thinking|reasoning)>(?:(?!</\1>).)*+(</\1>)?", flags=regex.S)
_THOUGHT_END = regex.compile(
    r"\A\s*+</(?:think|thinking)>|</(?:think|thinking)>[ \t]*+(?:\n|\Z)|^[ \t]*+</(?:think|thinking)>", flags=regex.M
)
# Labels of speakers: `User:` after the answer, and then `Assistant:`.
_LABEL = regex.compile(r"^[ \t]*+(?:\*\*)?([\p{L}\p{M}]{1,20})(?:\*\*)?[ \t]?[:：]", flags=regex.M)
_ASKERS = frozenset(("user", "human", "用户", "人类", "ผู้ใช้"))
_ANSWERERS = frozenset(("assistant", "ai", "bot", "助手", "ผู้ช่วย"))
_HUMAN = regex.compile(r"(?:(?<=[.!?。！？]\s)|(?<=[.!?。！？]))(?:Human|USER):\s")
_SENTENCE_LABEL = regex.compile(r"(?<=[.!?]\s)[A-Z][a-z]{1,20}:\s")
_ASKS_FOR_TALK = regex.compile(
    r"conversation|dialog|chat|script|transcript|interview|role-?\s?play|assistant|chatbot|\buser\b|\bhuman|\bscene|skit|screenplay|debate"
    r"|对话|聊天|剧本|采访|客服|助手|用户|人类|บทสนทนา|สัมภาษณ์|ผู้ช่วย|ผู้ใช้|มนุษย์",
    flags=regex.I,
)


def is_visible(text: str) -> bool:
    """Whether a text has a character that one can see."""
    return _VISIBLE.search(text) is not None


def is_placeholder(text: str) -> bool:
    """Whether a task or its material is only a placeholder: `<noinput>`, `nan`, `N/A`, `None`, `{input}`, or dots."""
    text = text.strip()
    return bool(text) and len(text) <= 1_000_000 and (_PLACEHOLDER.fullmatch(text) is not None or marks_nothing(text, ""))


def marks_nothing(material: str, task: str) -> bool:
    """Whether the material of a task is only a mark that there is none: `<noinput>`, `No input.`, `N/A`, `nan`, `无输入`.

    A word is one only where the task does not speak of that word itself (`What does NaN mean?`); in quotes or brackets of code
    (`"null"`, `[None]`) it is a value. A bare `NA` is none: it is sodium, or Namibia.
    """
    if len(material) > LONGEST_MARK:
        return False
    text = html.unescape(material).strip()
    bare = text.strip(_AROUND).casefold()
    if bare.replace(" ", "").replace("_", "") in _NO_INPUT or text.replace(" ", "") in ("{input}", "{{input}}"):
        return True
    word = text.rstrip(".。").casefold()
    if word.startswith("<") and word.endswith(">"):
        word = word[1:-1].strip()
        return word == "na" or word in _NOTHING
    if word not in _NOTHING:
        return False
    asked = task.casefold()
    return word not in (_WORDS.findall(asked) if word.isascii() and " " not in word else asked)


def says_nothing(answer: str, prompt: str) -> bool:
    """Whether an answer is empty: nothing visible but its thought, or a placeholder that the prompt does not ask for."""
    thought = _THOUGHT.match(answer) if "<" in answer[:200] else None
    answer = answer[thought.end() :].strip() if thought and thought[2] else answer.strip()
    if not is_visible(answer):
        return True
    return len(answer) < 24 and _EMPTY.fullmatch(answer) is not None and not _ASKS_FOR_NONE.search(prompt)


def control_token(text: str, prompt: str) -> str | None:
    """Return a control token at an end of a text, or one that opens a turn within it; None where it is only spoken of."""
    if not (("<" in text or ">" in text or "]" in text or "gMASK" in text) and any(mark in text for mark in _MARKED)):
        return None
    text = _CODE.sub(" code ", text) if "`" in text else text
    about = _ABOUT_TOKENS.search(prompt) is not None
    if (hit := _AT_START.match(text)) and not (about and (hit[1] in ("<s>", "</s>") or hit.end() == len(text.rstrip()))):
        return str(hit[1])
    if hit := _AT_END.search(text, max(0, len(text.rstrip()) - _LAST)):
        strikes = hit[1] == "</s>" and "<s>" in text
        spoken = about and (
            (text[: hit.start()].rstrip()[-1:].isalpha() and text[: hit.start()][-1:].isspace()) or not hit.start()
        )
        return None if strikes or spoken else str(hit[1])
    return hit.group().strip() if (hit := _TURN.search(text)) else None


def remnant(answer: str, prompt: str) -> str | None:
    """Return what a template or a model that ran on left in an answer, None where there is nothing of the kind."""
    if hit := control_token(answer, prompt):
        return hit
    if "##" in answer and (found := _HEADING.search(answer)):
        return str(found.group().strip())
    if ("think" in answer or "<reasoning>" in answer) and (left := _thought_left(answer)):
        return left
    return _next_turn(answer) if (":" in answer or "：" in answer) and not _ASKS_FOR_TALK.search(prompt) else None


def _thought_left(answer: str) -> str | None:
    """The mark of a thought whose other mark is not there."""
    thought = _THOUGHT.match(answer)
    if thought and not thought[2]:
        return f"<{thought[1]}>"
    if thought is None and "<think" not in answer and "`" not in answer and (found := _THOUGHT_END.search(answer)):
        return str(found.group().strip())
    return None


def _next_turn(answer: str) -> str | None:
    """The label of a speaker at the start of an answer, or of the user after it."""
    labels = [(hit.start(), hit[1].casefold(), hit.group().strip()) for hit in _LABEL.finditer(answer)]
    speakers = {name for _, name, _ in labels} <= _ASKERS | _ANSWERERS
    if labels and not answer[: labels[0][0]].strip() and labels[0][1] in _ANSWERERS - {"ai", "bot"} and speakers:
        return labels[0][2]
    for n, (start, name, label) in enumerate(labels):
        follows = any(other in _ANSWERERS for _, other, _ in labels[n + 1 :])
        if name in _ASKERS and answer[:start].strip() and (follows or (name == "human" and speakers)):
            return label
    human = _HUMAN.search(answer)
    return human.group().strip() if human and len(_SENTENCE_LABEL.findall(answer)) < 2 and speakers else None
