"""The root verb and the noun of an instruction, in English, Chinese and Thai."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.errors import UsageError
from datagen.text.verbs import verb_noun

ROOT = Path(__file__).resolve().parents[2]

ENGLISH = {
    "Write a short story about a dog.": "write story",
    "Can you write two poems?": "write poem",
    "Please give me five tips for a job interview.": "give tip",
    "I want you to act as a translator. Translate the sentence below.": "translate sentence",
    "Your task is to classify the tweets as positive or negative.": "classify tweet",
    "Given a list of numbers, find the median.": "find median",
    "Given the following list of numbers describe the pattern": "describe pattern",
    "You are given a tweet and you need to rewrite it.": "rewrite ",
    "In this task, you will need to sort the words alphabetically.": "sort word",
    "Imagine that you are a child again. Share a memory.": "share memory",
    "Imagine a conversation between the Sun and the Moon.": "imagine conversation",
    "Detect the customer's emotion in this chat.": "detect emotion",
    "Compare and contrast two poems.": "compare poem",
    "Come up with a number of ideas for a party.": "come idea",
    "Look at the table of rainfall.": "look table",
    "Give the user three ideas.": "give idea",
    "Plan a relaxed one-day walking visit to a town.": "plan visit",
    "Explain why the sky is blue.": "explain ",
    'Summarize "The Hunger Games".': "summarize ",
    "Describe Kubernetes.": "describe ",
    "Refactor this code.": "refactor code",
    "Summarise the story.": "summarize story",
    "Analyse the colour of the sky.": "analyze color",
    "Advise a beginner.": "advise beginner",
    "Plan a detour with exercises.": "plan detour",
    "Name an exercise.": "name exercise",
    "What is the capital of Peru?": "be capital",
    "How do I bake bread?": "bake bread",
    "How to bake bread?": "bake bread",
    "Which planet has the shortest day?": "have planet",
    "Who wrote this letter?": "write letter",
    "What does this program print?": "print program",
    "Why do we always see the same side of the Moon?": "see side",
    "Should roses be pruned in winter?": "prune rose",
    "How many apples did she sell?": "sell apple",
    "A train leaves at 14:35. At what time does it arrive?": "arrive time",
    "Children have written two letters.": " ",
    "People lived in caves.": " ",
    "Fact or opinion?": " ",
    "Question: what is DNA?": "be dna",
    "": " ",
}
CHINESE = {
    "请写一首关于春天的诗。": "写 诗",
    "把下面的句子翻译成英文": "翻译 句子",
    "将文本转换为 HTML。": "转换 文本",
    "用Python写一个函数": "写 函数",
    "你能给我讲个笑话吗？": "讲 笑话",
    "帮我分析可能的原因和对策。": "分析 原因",
    "给我三条马上能用的改进办法。": "给 办法",
    "给这件废弃物归类": "归类 废弃物",
    "编写一个脚本来确定给定的数字是偶数还是奇数。": "编写 脚本",
    "生成一条总结电影评论文章的推文。": "生成 推文",
    "想象一下，你在写小说。描写主角。": "描写 主角",
    "解释什么是素数。": "解释 ",
    "总结《爱丽丝梦游仙境》": "总结 ",
    "什么是量子力学？": "是 量子力学",
    "如何学习英语？": "学习 英语",
    "减少一次性塑料垃圾的三种方法是什么？": "是 方法",
    "这个句子有两个语法错误。找出并纠正它们。": "找出 ",
    "不许出现数字，列出三个原因。": "列出 原因",
    "春眠不觉晓": " ",
}
THAI = {
    "แปลประโยคนี้เป็นภาษาอังกฤษ": "แปล ประโยค",
    "ช่วยเขียนบทกวีสั้น ๆ เกี่ยวกับฝน": "เขียน บทกวี",
    "จงอธิบายความแตกต่างระหว่างไวรัสกับแบคทีเรีย": "อธิบาย ความแตกต่าง",
    "ขอคำขวัญรณรงค์สวมหมวกกันน็อก": "ขอ คำขวัญ",
    "สูตรนี้ทำต้มยำกุ้งได้ 2 ที่ ช่วยคำนวณส่วนผสมสำหรับ 6 ที่ให้หน่อย": "คำนวณ ส่วนผสม",
    "ระบุว่าจังหวัดที่ให้มาอยู่ภาคใด": "ระบุ ",
    "เมืองหลวงของประเทศฝรั่งเศสคืออะไร": "คือ เมืองหลวง",
    "แมว": " ",
}


@pytest.mark.parametrize(("text", "pair"), ENGLISH.items())
def test_the_verb_and_noun_of_an_english_instruction(text: str, pair: str) -> None:
    assert verb_noun(text, "en") == tuple(pair.split(" "))


@pytest.mark.parametrize(("text", "pair"), CHINESE.items())
def test_the_verb_and_noun_of_a_chinese_instruction(text: str, pair: str) -> None:
    assert verb_noun(text, "zh") == tuple(pair.split(" "))


@pytest.mark.parametrize(("text", "pair"), THAI.items())
def test_the_verb_and_noun_of_a_thai_instruction(text: str, pair: str) -> None:
    assert verb_noun(text, "th") == tuple(pair.split(" "))


def test_what_is_quoted_is_not_the_task() -> None:
    assert verb_noun('A paper says: "Buy three pianos." Critique the reasoning.', "en") == ("critique", "reasoning")
    assert verb_noun("```\nreturn the list\n```\nExplain the code.", "en") == ("explain", "code")


@pytest.mark.parametrize(("language", "verbs", "nouns"), [("en", 0.95, 0.75), ("zh", 0.95, 0.75), ("th", 0.9, 0.6)])
def test_most_seed_tasks_have_a_verb_and_a_noun(language: str, verbs: float, nouns: float) -> None:
    lines = (ROOT / "seed_tasks" / f"{language}.jsonl").read_text("utf-8").splitlines()
    found = [verb_noun(json.loads(line)["instruction"], language) for line in lines]
    assert sum(bool(verb) for verb, _ in found) >= verbs * len(found)
    assert sum(bool(noun) for _, noun in found) >= nouns * len(found)


def test_another_language_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="en, zh and th, not in 'fr'"):
        verb_noun("Écris un poème.", "fr")


@pytest.mark.parametrize(("language", "package"), [("zh", "jieba"), ("th", "pythainlp")])
def test_a_missing_extra_names_what_to_install(language: str, package: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None  # as where it is not installed
from datagen.errors import UsageError
from datagen.text.verbs import verb_noun
try:
    verb_noun("写一首诗", {language!r})
except UsageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f"pip install 'datagen[{language}]'" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.slow
def test_nothing_is_fetched_written_or_said_and_nothing_loaded_at_import(tmp_path: Path) -> None:
    program = """
import os, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
before = dict(os.environ)
from datagen.text.verbs import verb_noun
assert not {"lemminflect", "numpy", "jieba", "pythainlp"} & set(sys.modules)
found = [verb_noun("Write a poem.", "en"), verb_noun("写一首诗", "zh"), verb_noun("เขียนบทกวี", "th")]
assert dict(os.environ) == before
print(found)
"""
    place = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=place, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[('write', 'poem'), ('写', '诗'), ('เขียน', 'บทกวี')]\n", "")
    assert list(tmp_path.iterdir()) == []


def test_threads_that_begin_together_agree() -> None:
    texts = [(text, "en") for text in ENGLISH] + [(text, "zh") for text in CHINESE] + [(text, "th") for text in THAI]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda t: verb_noun(*t), texts)) == [verb_noun(*t) for t in texts]


WORDS = st.sampled_from(
    [
        *[
            "write",
            "given",
            "what",
            "is",
            "the",
            "'s",
            "-",
            "/",
            "~",
            "%",
            ",",
            ".",
            "?",
            "how",
            "to",
            "do",
            "need",
            "ing",
            "of",
            "which",
        ],
        *[
            "be",
            '"',
            "`",
            "you",
            "I",
            "running",
            "把",
            "将",
            "的",
            "是",
            "什么",
            "写",
            "一首",
            "诗",
            "ว่า",
            "อะไร",
            "เขียน",
            "\ud800",
            "\x00",
            "\n",
        ],
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=15), st.sampled_from(["en", "zh", "th"]))
def test_any_words_give_two_strings_in_lower_case(words: list[str], language: str) -> None:
    verb, noun = verb_noun(" ".join(words), language)
    assert (verb, noun) == (verb.lower(), noun.lower())
    assert not noun.isspace()


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["running, ", "given, ", "in which ", "how to ", "need to ", "a-", "does the cat ", "' ", "把", "的"]
)
@pytest.mark.timeout(60)  # the square of its length would take longer; how long it takes is in benchmarks/
def test_a_hostile_text_ends(part: str) -> None:
    for language in ("en", "zh", "th"):
        verb, noun = verb_noun(part * 5000, language)
        assert (verb, noun) == (verb.lower(), noun.lower())
