"""Headings in English, Chinese and Thai, the names that count only where the others are absent, and "there is no input"."""

from __future__ import annotations

import pytest

from datagen.answers.tasks import Item, items


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "1. 指令：写一句诗。\n1. 输入：无\n1. 输出：春眠不觉晓。\n###\n2. 指令：翻译。\n2. 输入：hello\n2. 输出：你好",
            [Item("写一句诗。", "", "春眠不觉晓。"), Item("翻译。", "hello", "你好")],
        ),
        ("指令: 写一句诗。\n输出: 春眠不觉晓。", [Item("写一句诗。", "", "春眠不觉晓。")]),
        ("**指令：** 写一句诗。\n**输入：** 无\n**输出：** 春眠不觉晓。", [Item("写一句诗。", "", "春眠不觉晓。")]),
        ("【指令】写一句诗。\n【输入】无\n【输出】春眠不觉晓。", [Item("写一句诗。", "", "春眠不觉晓。")]),
        ("### 指令\n写一句诗。\n### 输出\n春眠不觉晓。", [Item("写一句诗。", "", "春眠不觉晓。")]),
        ("指令：写一句诗。\n回答：春眠不觉晓。", [Item("写一句诗。", "", "春眠不觉晓。")]),
        ("任务1：写一句诗。\n答案：春\n\n任务2：翻译。\n答案：好", [Item("写一句诗。", "", "春"), Item("翻译。", "", "好")]),
        ("问题：谁？\n回答：我。\n\n问题：何处？\n回答：家。", [Item("谁？", "", "我。"), Item("何处？", "", "家。")]),
        (
            "1. คำสั่ง: แปล\n1. ข้อมูลนำเข้า: hi\n1. ผลลัพธ์: สวัสดี\n2. คำสั่ง: บวก 1 กับ 1\n2. ข้อมูลนำเข้า: ไม่มี\n2. ผลลัพธ์: 2",
            [Item("แปล", "hi", "สวัสดี"), Item("บวก 1 กับ 1", "", "2")],
        ),
        ("๔. คำสั่ง: แปล\n๔. เอาต์พุต: สวัสดี\n๕. คำสั่ง: บวก\n๕. เอาต์พุต: ๒", [Item("แปล", "", "สวัสดี"), Item("บวก", "", "๒")]),
        ("คำสั่ง: แปล\nอินพุต: hi\nคำตอบ: สวัสดี", [Item("แปล", "hi", "สวัสดี")]),
        ("คําสั่ง: แปล\nคําตอบ: สวัสดี", [Item("แปล", "", "สวัสดี")]),  # sara am as two characters
        ("งานที่ 1: แปล\nคำตอบ: ก\n\nงานที่ 2: บวก\nคำตอบ: ข", [Item("แปล", "", "ก"), Item("บวก", "", "ข")]),
        ("คำถาม: ใคร\nคำตอบ: ฉัน\n\nคำถาม: ที่ไหน\nคำตอบ: บ้าน", [Item("ใคร", "", "ฉัน"), Item("ที่ไหน", "", "บ้าน")]),
        ("ข้อ 1. คำสั่ง: แปล\nผลลัพธ์: ก\n\nข้อ 2. คำสั่ง: บวก\nผลลัพธ์: ข", [Item("แปล", "", "ก"), Item("บวก", "", "ข")]),
        ("Question: Who?\nAnswer: Me.\n\nQuestion: Where?\nAnswer: Here.",
         [Item("Who?", "", "Me."), Item("Where?", "", "Here.")]),
        ("Task 1: Sum up.\nInput: x\nResponse: y\nTask 2: Go.\nResponse: z", [Item("Sum up.", "x", "y"), Item("Go.", "", "z")]),
        ("Task 1:\nQuestion: Who?\nAnswer: Me.\n\nTask 2:\nQuestion: Where?\nAnswer: Here.",
         [Item("Who?", "", "Me."), Item("Where?", "", "Here.")]),
        ("### Instruction:\nSay hi.\n\n### Response:\nhi", [Item("Say hi.", "", "hi")]),
    ],
)  # fmt: skip
def test_headings_in_every_language(text: str, wanted: list[Item]) -> None:
    assert items(text, cut=False) == wanted


def test_questions_and_answers_of_a_tasks_own_text_tear_nothing_apart() -> None:
    text = "Instruction: Answer it.\nInput: Question: Who?\nAnswer: me?\nTask: think.\nOutput: Yes.\nAnswer: you."
    assert items(text, cut=False) == [Item("Answer it.", "Question: Who?\nAnswer: me?\nTask: think.", "Yes.\nAnswer: you.")]


def test_chinese_fields_in_an_english_task_are_its_text() -> None:
    text = "Instruction: 写代码\nInput: 输入: [5]\n输出: [2]\nOutput: sort()"
    assert items(text, cut=False) == [Item("写代码", "输入: [5]\n输出: [2]", "sort()")]


def test_an_instruction_quoted_in_an_answer_does_not_end_a_text_of_questions() -> None:
    text = "Question: Who?\nAnswer: Me.\nInstruction: stay.\n\nQuestion: Where?\nAnswer: Here."
    assert items(text, cut=False) == [Item("Who?", "", "Me.\nInstruction: stay."), Item("Where?", "", "Here.")]


def test_another_word_for_a_task_in_a_text_of_questions_is_text() -> None:
    text = "Question: Rewrite it.\nInput: Mix.\nTask: make a smoothie.\nAnswer: Blend.\n\nQuestion: Who?\nAnswer: Me."
    assert items(text, cut=False) == [Item("Rewrite it.", "Mix.\nTask: make a smoothie.", "Blend."), Item("Who?", "", "Me.")]


def test_an_output_in_a_response_leaves_the_responses_headings() -> None:
    text = "### Instruction:\nRun it.\n### Response:\nOutput: 5\n### Instruction:\nSay hi.\n### Response:\nhi"
    assert items(text, cut=False) == [Item("Run it.", "", "Output: 5"), Item("Say hi.", "", "hi")]


def test_a_recipe_with_ingredients_and_instructions_is_one_answer() -> None:
    answer = "Ingredients:\n- flour\n\nInstructions:\n1. Mix.\n2. Bake."
    assert items(f"Instruction: Write a recipe.\nOutput: {answer}", cut=False) == [Item("Write a recipe.", "", answer)]


@pytest.mark.parametrize(
    "mark",
    [
        "<noinput>", "< no input >", "<NO INPUT>.", "`<noinput>`", "<noinput", "No input", "Noinput", "(no input)",
        "No input required.", "[No Input]", "N/A", "n/a.", "None", "none.", "*None*", "null", "Not applicable", "", '""',
        "无", "（无）", "无。", "没有输入", "无需输入", "<无>", "ไม่มี", "(ไม่มี)", "ไม่มีข้อมูลนำเข้า", "ไม่ต้องใช้",
    ],
)  # fmt: skip
def test_words_that_say_there_is_no_input_are_none(mark: str) -> None:
    assert items(f"Instruction: Say hi.\nInput: {mark}\nOutput: hi", cut=False) == [Item("Say hi.", "", "hi")]


@pytest.mark.parametrize("given", ["None of them came.", "0", "-", "?", "[]", "无锡", "ไม่มีใครมา", "NA", "no"])
def test_an_input_that_only_looks_like_that_stays(given: str) -> None:
    assert items(f"Instruction: Say hi.\nInput: {given}\nOutput: hi", cut=False) == [Item("Say hi.", given, "hi")]
