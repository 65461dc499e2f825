"""The default chain on real data: it drops no other fact, and finds what is planted, in English, Chinese and Thai."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import regex
from rouge_reference import rouge_l_of

import datagen as dg
from datagen.api import Finished
from datagen.data.rows import Row, table_of, view
from datagen.text.tokens import tokens

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"

# Country and capital in English, Chinese and Thai; an underscore stands for a space.
TABLE = """
France Paris 法国 巴黎 ฝรั่งเศส ปารีส
Japan Tokyo 日本 东京 ญี่ปุ่น โตเกียว
Thailand Bangkok 泰国 曼谷 ไทย กรุงเทพฯ
Germany Berlin 德国 柏林 เยอรมนี เบอร์ลิน
Italy Rome 意大利 罗马 อิตาลี โรม
Spain Madrid 西班牙 马德里 สเปน มาดริด
Portugal Lisbon 葡萄牙 里斯本 โปรตุเกส ลิสบอน
Greece Athens 希腊 雅典 กรีซ เอเธนส์
Turkey Ankara 土耳其 安卡拉 ตุรกี อังการา
Egypt Cairo 埃及 开罗 อียิปต์ ไคโร
Kenya Nairobi 肯尼亚 内罗毕 เคนยา ไนโรบี
Ghana Accra 加纳 阿克拉 กานา อักกรา
Nigeria Abuja 尼日利亚 阿布贾 ไนจีเรีย อาบูจา
Morocco Rabat 摩洛哥 拉巴特 โมร็อกโก ราบัต
Algeria Algiers 阿尔及利亚 阿尔及尔 แอลจีเรีย แอลเจียร์
Tunisia Tunis 突尼斯 突尼斯市 ตูนิเซีย ตูนิส
Libya Tripoli 利比亚 的黎波里 ลิเบีย ตริโปลี
Sudan Khartoum 苏丹 喀土穆 ซูดาน คาร์ทูม
Ethiopia Addis_Ababa 埃塞俄比亚 亚的斯亚贝巴 เอธิโอเปีย แอดดิสอาบาบา
Somalia Mogadishu 索马里 摩加迪沙 โซมาเลีย โมกาดิชู
Uganda Kampala 乌干达 坎帕拉 ยูกันดา กัมปาลา
Rwanda Kigali 卢旺达 基加利 รวันดา คิกาลี
Angola Luanda 安哥拉 罗安达 แองโกลา ลูอันดา
Zambia Lusaka 赞比亚 卢萨卡 แซมเบีย ลูซากา
Namibia Windhoek 纳米比亚 温得和克 นามิเบีย วินด์ฮุก
Botswana Gaborone 博茨瓦纳 哈博罗内 บอตสวานา กาโบโรเน
Mali Bamako 马里 巴马科 มาลี บามาโก
Niger Niamey 尼日尔 尼亚美 ไนเจอร์ นีอาเม
Chad N'Djamena 乍得 恩贾梅纳 ชาด เอ็นจาเมนา
Senegal Dakar 塞内加尔 达喀尔 เซเนกัล ดาการ์
Peru Lima 秘鲁 利马 เปรู ลิมา
Chile Santiago 智利 圣地亚哥 ชิลี ซันติอาโก
Brazil Brasília 巴西 巴西利亚 บราซิล บราซิเลีย
Ecuador Quito 厄瓜多尔 基多 เอกวาดอร์ กีโต
Colombia Bogotá 哥伦比亚 波哥大 โคลอมเบีย โบโกตา
Bolivia Sucre 玻利维亚 苏克雷 โบลิเวีย ซูเกร
Uruguay Montevideo 乌拉圭 蒙得维的亚 อุรุกวัย มอนเตวิเดโอ
Paraguay Asunción 巴拉圭 亚松森 ปารากวัย อาซุนซิออน
Venezuela Caracas 委内瑞拉 加拉加斯 เวเนซุเอลา การากัส
Cuba Havana 古巴 哈瓦那 คิวบา ฮาวานา
Canada Ottawa 加拿大 渥太华 แคนาดา ออตตาวา
Jamaica Kingston 牙买加 金斯敦 จาเมกา คิงส์ตัน
Haiti Port-au-Prince 海地 太子港 เฮติ ปอร์โตแปรงซ์
Panama Panama_City 巴拿马 巴拿马城 ปานามา ปานามาซิตี
Russia Moscow 俄罗斯 莫斯科 รัสเซีย มอสโก
China Beijing 中国 北京 จีน ปักกิ่ง
Mongolia Ulaanbaatar 蒙古 乌兰巴托 มองโกเลีย อูลานบาตอร์
India New_Delhi 印度 新德里 อินเดีย นิวเดลี
Nepal Kathmandu 尼泊尔 加德满都 เนปาล กาฐมาณฑุ
Bhutan Thimphu 不丹 廷布 ภูฏาน ทิมพู
Laos Vientiane 老挝 万象 ลาว เวียงจันทน์
Vietnam Hanoi 越南 河内 เวียดนาม ฮานอย
Cambodia Phnom_Penh 柬埔寨 金边 กัมพูชา พนมเปญ
Malaysia Kuala_Lumpur 马来西亚 吉隆坡 มาเลเซีย กัวลาลัมเปอร์
Indonesia Jakarta 印度尼西亚 雅加达 อินโดนีเซีย จาการ์ตา
Iran Tehran 伊朗 德黑兰 อิหร่าน เตหะราน
Iraq Baghdad 伊拉克 巴格达 อิรัก แบกแดด
Norway Oslo 挪威 奥斯陆 นอร์เวย์ ออสโล
Sweden Stockholm 瑞典 斯德哥尔摩 สวีเดน สตอกโฮล์ม
Finland Helsinki 芬兰 赫尔辛基 ฟินแลนด์ เฮลซิงกิ
"""
COUNTRIES = [[word.replace("_", " ") for word in line.split()] for line in TABLE.strip().splitlines()]

Filtered = Callable[..., Finished]


def records(name: str) -> list[dict[str, Any]]:
    if not (DATA / name).exists():
        pytest.skip(f"no real data here: {DATA / name}")
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture
def filtered(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Filtered:
    """Filter records with the default chain."""

    def run(rows: list[dict[str, Any]], **options: Any) -> Finished:
        done = dg.filter(write_jsonl("in.jsonl", *rows), out=tmp_path / "out", **options)
        assert len(done.kept) + len(done.dropped) == len(rows)
        return done

    return run


def answers_of(rows: list[Row]) -> list[list[str]]:
    return [tokens(text) for text in view(table_of(rows), "answers")]


def repeated(done: Finished) -> list[tuple[list[str], list[str]]]:
    """The tokens of the answers of every row that a stage dropped for another row, and of its witness."""
    kept = {row["id"]: row for row in done.kept.to_pylist()}
    pairs = [
        (row, kept[row["witness_id"]]) for row in done.dropped.to_pylist() if row["witness_id"] and row["stage"] != "input"
    ]
    return list(zip(answers_of([p[0] for p in pairs]), answers_of([p[1] for p in pairs]), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target", "most"), [("en", "zh", None), ("en", "zh", 400), ("en", "th", 400), ("zh", "ja", 400)]
)
def test_no_translation_is_dropped_for_one_with_another_answer(
    source: str, target: str, most: int | None, filtered: Filtered
) -> None:
    parallel = records("parallel/ntrex_en_zh_th_ja.jsonl.gz")[:most]
    done = filtered([{"instruction": f"Translate into {target}.", "input": r[source], "output": r[target]} for r in parallel])
    assert [pair for pair in repeated(done) if rouge_l_of(*pair) <= 0.7] == []
    assert len(done.kept) >= len(parallel) - 20


def about_capitals(language: str, question: str, answer: str) -> list[dict[str, str]]:
    at = {"en": 0, "zh": 2, "th": 4}[language]
    pairs = [(line[at], line[at + 1]) for line in COUNTRIES]
    assert len(dict(pairs)) == 60
    return [{"instruction": question.format(country), "output": answer.format(country, city)} for country, city in pairs]


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["{1}", "{0}: {1}"])
@pytest.mark.parametrize(
    ("language", "question"),
    [("en", "What is the capital of {}?"), ("zh", "{}的首都是哪里？"), ("th", "เมืองหลวงของ{}คืออะไร")],
)
def test_one_question_about_sixty_countries_is_sixty_rows(
    language: str, question: str, answer: str, filtered: Filtered
) -> None:
    assert filtered(about_capitals(language, question, answer)).dropped.column("instruction").to_pylist() == []


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("en", "What is the capital of {}?", "The capital of {} is {}."),
        ("zh", "{}的首都是哪里？", "{}的首都是{}。"),
        pytest.param("th", "เมืองหลวงของ{}คืออะไร", "เมืองหลวงของ{}คือ{}"),
    ],
)
def test_sixty_answers_of_one_sentence_are_sixty_rows(language: str, question: str, answer: str, filtered: Filtered) -> None:
    assert filtered(about_capitals(language, question, answer)).dropped.column("instruction").to_pylist() == []


@pytest.mark.slow
def test_no_program_is_dropped_for_one_of_other_tokens(filtered: Filtered) -> None:
    done = filtered(records("benchmarks/mbpp_test.jsonl.gz"), mapping={"instruction": "text", "output": "code"})
    assert [(one, other) for one, other in repeated(done) if one != other] == []
    assert len(done.kept) >= 490


@pytest.mark.slow
def test_no_tool_chat_is_dropped_for_one_with_another_call(filtered: Filtered) -> None:
    done = filtered(records("chats/glaive_toolcall_en.jsonl.gz"))
    kept = {row["id"]: row for row in done.kept.to_pylist()}
    for row in done.dropped.to_pylist():
        witness = kept[row["witness_id"]]
        assert calls(row) == calls(witness)
        assert row["tools"] == witness["tools"]
    assert [pair for pair in repeated(done) if rouge_l_of(*pair) <= 0.7] == []
    assert len(done.kept) >= 255


def calls(row: Row) -> list[str]:
    return [t["tool_calls"] for t in row["messages"] or () if t["tool_calls"]]


def near_copy(task: str, language: str, rng: random.Random) -> str:
    """The task with one character changed, or a short polite clause added."""
    if rng.random() < 0.5:
        before, after = rng.choice({"zh": [("请问", ""), ("", "谢谢。")], "th": [("", "ครับ"), ("ช่วยตอบ ", "")]}[language])
        return before + task + after
    clusters = regex.findall(r"\X", task)
    script = {"zh": r"\p{Han}", "th": r"[ก-ฮ]"}[language]
    at = rng.choice([i for i, c in enumerate(clusters) if regex.match(script, c)])
    clusters[at] = rng.choice([c for c in {"zh": "的在和有", "th": "กมนร"}[language] if c != clusters[at]])
    return "".join(clusters)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "language"),
    [("rows/alpaca_zh_9k.jsonl.gz", "zh"), ("rows/zh_own_10k.jsonl.gz", "zh"), ("rows/thai_wiki_qa.jsonl.gz", "th")],
)
def test_most_rows_stay_and_every_planted_near_copy_is_found(
    name: str, language: str, tmp_path: Path, filtered: Filtered
) -> None:
    real = records(name)[::4]  # all of them: benchmarks/nothing_legitimate.py
    kept = dg.filter(real, out=tmp_path / "before").kept
    assert len(kept) >= 0.8 * len(real)
    rng = random.Random(17)
    long = [r for r in kept.to_pylist() if len(regex.findall(r"\X", r["instruction"])) >= 20 and r["messages"] is None]
    script = {"zh": r"\p{Han}", "th": r"[ก-ฮ]"}[language]
    chosen = rng.sample([r for r in long if len(regex.findall(script, r["instruction"])) >= 15], 100)
    copies = [{**r, "instruction": near_copy(r["instruction"], language, rng)} for r in chosen]
    planted = [{k: r[k] for k in ("instruction", "input", "output")} | {"source": "planted"} for r in copies]
    done = filtered([*real, *planted], allow_wipeout=True)  # of the planted source nothing stays
    assert [r["instruction"] for r in done.kept.to_pylist() if r["source"] == "planted"] == []
    assert [r["id"] for r in done.kept.to_pylist()] == kept.column("id").to_pylist()
