"""Words of three languages and the sentences that are made of them; what a drawing says decides which."""

from __future__ import annotations

import random
from dataclasses import dataclass

Draw = random.Random


@dataclass(frozen=True)
class Words:
    """One language: frames with the slots n(oun), v(erb), a(djective) and o(rder), and what fills them."""

    slots: dict[str, tuple[str, ...]]
    orders: tuple[str, ...]  # frames of instructions
    sentences: tuple[str, ...]  # frames of sentences
    space: str  # between sentences
    repeated: str  # the task that comes again and again
    yes: str
    no: str

    def _filled(self, frames: tuple[str, ...], draw: Draw) -> str:
        pieces = draw.choice(frames).split("{")
        return pieces[0] + "".join(draw.choice(self.slots[p[0]]) + p[2:] for p in pieces[1:])

    def instruction(self, draw: Draw) -> str:
        """Return a task."""
        return self._filled(self.orders, draw)

    def text(self, draw: Draw, sentences: int) -> str:
        """Return so many sentences."""
        return self.space.join(self._filled(self.sentences, draw) for _ in range(sentences))

    def name(self, draw: Draw) -> str:
        """Return a short name."""
        return draw.choice(self.slots["a"]) + self.space + draw.choice(self.slots["n"])


def _slots(nouns: str, verbs: str, adjectives: str, orders: str) -> dict[str, tuple[str, ...]]:
    return {k: tuple(v.split()) for k, v in zip("nvao", (nouns, verbs, adjectives, orders), strict=True)}


_EN = Words(
    _slots(
        "garden river teacher engine letter village winter market bridge contract student recipe harbour kitchen forest"
        " museum budget doctor planet bicycle library theatre island journal mountain customer battery lesson painting"
        " neighbour window ticket orchestra farmer method article hospital station signal lantern carpet novel sailor"
        " compass ladder meadow passport program server printer keyboard meeting schedule salary factory tunnel blanket"
        " basket candle mirror pencil stadium captain lawyer poem story speech question answer mistake discovery decision"
        " festival breakfast journey storm valley desert glacier volcano turtle spider sparrow whale horse rabbit cabbage"
        " tomato pepper honey butter bread cheese sugar vinegar medicine vaccine fever muscle memory dream habit friend"
        " sister uncle grandmother child parent visitor guest stranger judge witness prisoner soldier general senator"
        " mayor citizen voter election parliament treaty tax loan insurance account invoice receipt warehouse truck"
        " railway airport runway cockpit pilot",
        "repair describe improve replace protect measure support follow explain change carry design compare prevent"
        " organise collect deliver publish translate discuss examine observe paint polish record reduce remember remove"
        " return reveal shorten simplify strengthen study surprise transport understand welcome",
        "quiet broken narrow ancient modern cheap expensive careful curious friendly honest lonely nervous patient"
        " popular private public rapid reliable serious silent simple stubborn useful wooden empty heavy bright distant"
        " familiar foreign gentle golden hidden humble lively northern southern official ordinary",
        "Explain Describe Summarise Compare Discuss Outline Justify Rewrite Examine Propose Sketch Review Defend"
        " Criticise Illustrate Plan Design Predict Clarify Interpret Narrate Evaluate Draft Recommend",
    ),
    (
        "{o} how a {a} {n} could {v} the {n} of a {n} before the {n} can {v} its {n}.",
        "{o} why the {n} and the {a} {n} of our {n} must {v} every {n} near the {n}.",
        "{o} the {n} of a {a} {n} to a {n} who wants to {v} the {n} with a {n}.",
        "{o} three ways in which a {n} might {v} a {a} {n} or {v} the {n} of a {n}.",
        "{o} a {a} {n} for the {n} that the {n} will {v} after the {a} {n} and the {n}.",
        "What should a {a} {n} do when the {n} of the {n} cannot {v} a {n} or {v} the {n}?",
        "{o} the letter in which a {n} asks the {a} {n} to {v} the {n} and the {n} together.",
        "Is it true that the {a} {n} will {v} the {n} while a {n} tries to {v} the {a} {n}?",
    ),
    (
        "The {n} of the {a} {n} helps to {v} a {n}.",
        "A {n} can {v} the {n} because the {n} is {a} and the {n} is not.",
        "When the {n} is {a}, the {n} will {v} it with a {n}.",
        "Most people {v} the {a} {n} before they {v} the {n}.",
        "It is {a}, so the {n} and the {n} never {v} the {a} {n}.",
    ),
    " ", "Name three fruits that grow in winter", "Yes", "No",
)  # fmt: skip
_ZH = Words(
    _slots(
        "花园 河流 老师 发动机 信件 村庄 冬天 市场 桥梁 合同 学生 菜谱 港口 厨房 森林 博物馆 预算 医生 行星 自行车 图书馆"
        " 剧院 岛屿 日记 山脉 顾客 电池 课程 油画 邻居 窗户 车票 乐团 农民 方法 文章 医院 车站 信号 灯笼 地毯 小说 水手"
        " 指南针 梯子 草地 护照 程序 服务器 打印机 键盘 会议 日程 工资 工厂 隧道 毛毯 篮子 蜡烛 镜子 铅笔 体育场 船长 律师"
        " 诗歌 故事 演讲 错误 发现 决定 节日 早餐 旅程 暴风雨 山谷 沙漠 冰川 火山 乌龟 蜘蛛 麻雀 鲸鱼 骏马 兔子 白菜 番茄"
        " 辣椒 蜂蜜 黄油 面包 奶酪 白糖 药品 疫苗 肌肉 记忆 梦想 习惯 朋友 姐妹 叔叔 祖母 孩子 父母 访客 法官 证人 士兵"
        " 将军 市长 公民 选举 条约 税收 贷款 保险 账户 发票 仓库 卡车 铁路 机场",
        "修理 描述 改善 替换 保护 测量 支持 跟随 解释 改变 设计 比较 预防 组织 收集 运送 出版 翻译 讨论 检查 观察 记录"
        " 减少 记住 归还 揭示 缩短 简化 加强 研究 欢迎 理解",
        "安静 破旧 狭窄 古老 现代 便宜 昂贵 细心 好奇 友好 诚实 孤独 紧张 耐心 热门 私人 公共 迅速 可靠 严肃 沉默 简单"
        " 固执 有用 木制 空旷 沉重 明亮 遥远 熟悉 温柔 金色",
        "说明 描述 概括 比较 讨论 列出 论证 改写 分析 提出 介绍 评价 设想 预测 解读 讲述 推荐 规划",
    ),
    (
        "请{o}{a}的{n}怎样{v}{n}旁边的{n}，又为什么让{n}去{v}{n}。",
        "{o}一下{n}和{n}在{a}的{n}里如何{v}{n}与{n}。",
        "为想要{v}{n}的{n}{o}{a}的{n}，并写出它对{n}的三点影响。",
        "如果{n}不能{v}{a}的{n}，{n}应该先{v}{n}还是{n}？",
        "写一封信，让{n}请{a}的{n}帮忙{v}{n}，信里要提到{n}和{n}。",
        "{o}三种办法，使{n}既能{v}{n}，又不会让{a}的{n}失去{n}。",
    ),
    (
        "{n}可以{v}{a}的{n}，因为{n}离{n}不远。", "大多数{n}会先{v}{n}，再{v}{a}的{n}。", "当{n}变得{a}时，{n}就要{v}{n}。",
        "{a}的{n}帮助我们{v}{n}和{n}。", "这是{a}的，所以{n}从来不{v}{n}的{n}。",
    ),
    "", "请说出三种在冬天成熟的水果", "是", "否",
)  # fmt: skip
_TH = Words(
    _slots(
        "สวน แม่น้ำ ครู เครื่องยนต์ จดหมาย หมู่บ้าน ฤดูหนาว ตลาด สะพาน สัญญา นักเรียน สูตรอาหาร ท่าเรือ ห้องครัว ป่าไม้"
        " พิพิธภัณฑ์ งบประมาณ แพทย์ ดาวเคราะห์ จักรยาน ห้องสมุด โรงละคร เกาะ บันทึก ภูเขา ลูกค้า แบตเตอรี่ บทเรียน ภาพวาด"
        " เพื่อนบ้าน หน้าต่าง ตั๋ว ชาวนา วิธีการ บทความ โรงพยาบาล สถานี สัญญาณ โคมไฟ พรม นวนิยาย กะลาสี เข็มทิศ บันได"
        " ทุ่งหญ้า โปรแกรม เครื่องพิมพ์ แป้นพิมพ์ การประชุม ตารางเวลา เงินเดือน โรงงาน อุโมงค์ ผ้าห่ม ตะกร้า เทียน กระจก"
        " ดินสอ สนามกีฬา กัปตัน ทนายความ บทกวี นิทาน สุนทรพจน์ เทศกาล อาหารเช้า การเดินทาง พายุ หุบเขา ทะเลทราย ภูเขาไฟ"
        " เต่า แมงมุม นกกระจอก วาฬ ม้า กระต่าย กะหล่ำปลี มะเขือเทศ พริก น้ำผึ้ง เนย ขนมปัง น้ำตาล ยา วัคซีน กล้ามเนื้อ"
        " ความทรงจำ ความฝัน นิสัย เพื่อน พี่สาว คุณยาย เด็ก ผู้ปกครอง ผู้พิพากษา พยาน ทหาร นายกเทศมนตรี พลเมือง"
        " การเลือกตั้ง ภาษี เงินกู้ ประกันภัย บัญชี ใบเสร็จ โกดัง รถบรรทุก รถไฟ สนามบิน นักบิน",
        "ซ่อมแซม บรรยาย ปรับปรุง เปลี่ยน ปกป้อง วัด สนับสนุน ติดตาม อธิบาย ออกแบบ เปรียบเทียบ ป้องกัน จัดระเบียบ รวบรวม"
        " ส่งมอบ แปล อภิปราย ตรวจสอบ สังเกต บันทึก ลด จดจำ ส่งคืน เปิดเผย ศึกษา ต้อนรับ เข้าใจ",
        "เงียบ แคบ โบราณ ทันสมัย ราคาถูก ราคาแพง รอบคอบ เป็นมิตร ซื่อสัตย์ โดดเดี่ยว อดทน ยอดนิยม ส่วนตัว สาธารณะ รวดเร็ว"
        " น่าเชื่อถือ เรียบง่าย ดื้อรั้น มีประโยชน์ ว่างเปล่า หนักมาก สว่าง ห่างไกล คุ้นเคย อ่อนโยน",
        "จงอธิบาย จงบรรยาย ช่วยสรุป ช่วยเปรียบเทียบ จงอภิปราย ช่วยเขียนใหม่ ช่วยวิเคราะห์ ช่วยเสนอ ช่วยแนะนำ จงประเมิน"
        " ช่วยวางแผน จงเล่า",
    ),
    (
        "{o}ว่า{n}ที่{a}จะ{v}{n}ของ{n}ได้อย่างไรก่อนที่{n}จะ{v}{n}",
        "{o}เหตุผลที่{n}กับ{n}ต้อง{v}{n}ใกล้{n}โดยไม่ทำให้{n}{a}",
        "{o}{n}ที่{a}ให้แก่{n}ซึ่งอยาก{v}{n}พร้อมกับ{n}",
        "ถ้า{n}ไม่สามารถ{v}{n}ที่{a}ได้ {n}ควร{v}{n}หรือ{n}ก่อน",
        "เขียนจดหมายที่{n}ขอให้{n}ช่วย{v}{n} โดยต้องกล่าวถึง{n}และ{n}ที่{a}ด้วย",
    ),
    (
        "{n}สามารถ{v}{n}ได้ เพราะ{n}อยู่ไม่ไกลจาก{n}", "คนส่วนใหญ่มัก{v}{n}ก่อนแล้วจึง{v}{n}ที่{a}", "เมื่อ{n}{a} {n}ก็จะ{v}{n}",
        "{n}ที่{a}ช่วยให้เรา{v}{n}และ{n}", "สิ่งนี้{a} ดังนั้น{n}จึงไม่เคย{v}{n}ของ{n}",
    ),
    " ", "บอกชื่อผลไม้สามชนิดที่ออกผลในฤดูหนาว", "ใช่", "ไม่ใช่",
)  # fmt: skip
LANGUAGES = {"en": _EN, "zh": _ZH, "th": _TH}


def language_of(text: str) -> Words:
    """Return the words of the language whose script most of a text is in."""
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    thai = sum("\u0e00" <= c <= "\u0e7f" for c in text)
    latin = sum(c.isascii() and c.isalpha() for c in text) if han or thai else 1
    # A Han character says as much as three letters, and the headings of a Chinese prompt are English.
    return LANGUAGES[max((3 * han, "zh"), (thai, "th"), (latin, "en"))[1]]
