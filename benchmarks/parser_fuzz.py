"""The parsers of completions: real rows in every style of headings come back equal, and 100,000 damaged ones raise nothing.

Asked: no exception and no broken promise (nothing at all, an item without text and reason, `cut_off` before the end), and
of the whole rows of a language the share EQUAL in the style that does worst (0.9986 when it was set).
`--quick`: 4,000 damaged completions, 40 whole ones per style.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from bars import Bars
from shared_data import DATA, records

from datagen import assets
from datagen.answers.item import without_mark
from datagen.answers.tasks import Item, instances, items, tasks, yes_or_no

FILES = {
    "en": ["alpaca_en_52k.jsonl.gz", "dolly_en_3k.jsonl.gz"],
    "zh": ["alpaca_zh_9k.jsonl.gz", "zh_own_10k.jsonl.gz"],
    "th": ["thai_wiki_qa.jsonl.gz"],
}
QUICK = "--quick" in sys.argv  # which the workers see too
COMPLETIONS = 4_000 if QUICK else 100_000
WHOLE = 40 if QUICK else 1000  # unmutated completions per style and language
EQUAL = 0.998
PER_COMPLETION = 5  # tasks
WORKERS = 2
NAMES = {
    "en": ("Instruction", "Input", "Output"),
    "zh": ("指令", "输入", "输出"),
    "th": ("คำสั่ง", "ข้อมูลนำเข้า", "ผลลัพธ์"),
}
WEAK = {"en": ("Question", "Input", "Answer"), "zh": ("问题", "输入", "回答"), "th": ("คำถาม", "อินพุต", "คำตอบ")}
NONE = {"en": "N/A", "zh": "无", "th": "ไม่มี"}
Row = tuple[str, str, str]
Style = Callable[[list[Row], int, str], str]


def headed(line: str, between: str, *, none: str | None = "<noinput>", around: str = "{}", names: str = "en") -> Style:
    """Return a style of headings: `line` has the number {n}, the name {name} and the text {text}."""

    def render(rows: list[Row], first: int, language: str) -> str:
        words = {"own": NAMES, "weak": WEAK}.get(names, {}).get(language, NAMES["en"])
        mark = NONE[language] if names == "own" else none
        blocks = []
        for n, row in enumerate(rows, first):
            texts = (row[0], row[1] or mark, row[2])
            fields = [(name, text) for name, text in zip(words, texts, strict=True) if text is not None]
            blocks.append("\n".join(line.format(n=n, name=name, text=text) for name, text in fields))
        parts = [between.format(n=n) + block if between.startswith("\n#") or i else block
                 for i, (n, block) in enumerate(zip(range(first, first + len(blocks)), blocks, strict=True))]  # fmt: skip
        return around.replace("{}", "".join(parts))

    return render


def objects(rows: list[Row]) -> list[dict[str, str]]:
    """Return rows as JSON objects."""
    return [dict(zip(("instruction", "input", "output"), row, strict=True)) for row in rows]


def dumped(value: object, indent: int | None = None) -> str:
    """Return JSON as models write it."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def quoted(rows: list[Row], first: int, language: str) -> str:
    """Render rows as one block quote."""
    text = STYLES["numbers, ###"](rows, first, language)
    return "\n".join(f"> {line}" for line in text.split("\n"))


STYLES: dict[str, Style] = {
    "numbers, ###": headed("{n}. {name}: {text}", "\n###\n"),
    "numbers, no separator": headed("{n}. {name}: {text}", "\n\n"),
    "number of the task": headed("{name} {n}: {text}", "\n\n"),
    "plain, ###": headed("{name}: {text}", "\n###\n"),
    "plain, no separator": headed("{name}: {text}", "\n\n", none=None),
    "### headings": headed("### {name}:\n{text}\n", "\n---\n\n"),
    "### without colon": headed("### {name}\n{text}\n", "\n"),
    "bold": headed("**{name}:** {text}", "\n\n"),
    "bold, numbers": headed("{n}. **{name}**: {text}", "\n\n---\n\n"),
    "bullets, task titles": headed("- **{name}:** {text}", "\n\n## Task {n}\n\n"),
    "in a fence": headed("{n}. {name}: {text}", "\n###\n", around="Sure! Here they are:\n\n```\n{}\n```\nI hope this helps!"),
    "own language": headed("{n}. {name}：{text}", "\n\n", names="own"),
    "question and answer": headed("{name}: {text}", "\n\n", none=None, names="weak"),
    "block quote": quoted,
    "JSON array": lambda rows, first, language: dumped(objects(rows), 2),
    "JSON in a fence": lambda rows, first, language: f"Sure:\n```json\n{dumped({'tasks': objects(rows)})}\n```\nEnjoy!",
    "JSON lines": lambda rows, first, language: "\n".join(map(dumped, objects(rows))),
}
SIGNS = [
    "Instruction:", "Input:", "Output:", "指令：", "输出：", "คำสั่ง:", "คำตอบ:", "Question:", "Class label:", "Example 1",
    "###", "**", "```", "```json\n", "---", "4. ", "5. ", "2020.", "๙. ", "9、", "\n", "\n\n", " ", "\t", "> ", "- ", "{",
    "}", "[", "]", '{"instruction": "', '"output": ', '"', "\\", ",", ":", "<noinput>", "N/A", "<think>", "</think>", "文字",
    "ข้อความ", "word", "\ud800", "\u200b", "\r\n", "\0", "😀", "Yes", "不是", "ใช่",
]  # fmt: skip


def load(language: str) -> list[Row]:
    """Return the real rows of a language, the seed tasks among them."""
    found = [json.loads(line) for line in assets.seed_file(language).read_text("utf-8").splitlines()]
    for name in FILES[language]:
        if (DATA / "rows" / name).exists():
            found += records(f"rows/{name}")
    rows = [[str(row.get(k) or "").strip() for k in ("instruction", "input", "output")] for row in found]
    return [(a, without_mark(b), c) for a, b, c in rows if a]  # 1 in 100 Alpaca rows says "No input" as its input


def mutated(text: str, other: str, draw: random.Random) -> str:
    """Return a completion with one to four damages."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text) + 1)
        lines = text.split("\n")
        line = draw.randrange(len(lines))
        kind = draw.randrange(7)
        if kind == 0:
            text = text[:at]
        elif kind == 1:
            text = text[:at] + other[draw.randrange(len(other) + 1) :]
        elif kind == 2:
            text = "\n".join(lines[:line] + lines[line + 1 :])
        elif kind == 3:
            text = "\n".join(lines[:line] + lines[line : line + 1] * 2 + lines[line + 1 :])
        elif kind == 4:
            text = text[:at] + draw.choice(SIGNS) + text[at + draw.randrange(3) :]
        elif kind == 5:
            text = text.replace(draw.choice(["Instruction", "Output", "Input", ":", "###", "\n\n", '"']), draw.choice(SIGNS), 1)
        else:
            text = text[:at] + chr(draw.choice([32, 123, 0x4E00, 0xE01, 0x1F600])) + text[at + 1 :]
    return text


def wrong(found: list[Item]) -> bool:
    """Whether a result breaks a promise: nothing at all, an item without text and reason, `cut_off` before the end."""
    return not found or any(not (i.instruction or i.input or i.output or i.reason) for i in found) or any(
        i.reason == "cut_off" for i in found[:-1]
    )  # fmt: skip


def fuzz(worker: int) -> tuple[Counter[str], Counter[str]]:
    """Parse this worker's share of the damaged completions; count what went wrong, the rows found again, items by reason."""
    draw = random.Random(f"17:{worker}")
    rows = {language: load(language) for language in FILES}
    bad: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    wanted: Counter[Item] = Counter()
    for n in range(COMPLETIONS // WORKERS):
        if n % 2:
            text = "".join(draw.choice(SIGNS) for _ in range(draw.randint(1, 60)))
        else:
            language = draw.choice(list(rows))
            shown = [draw.sample(rows[language], draw.randint(1, PER_COMPLETION)) for _ in range(2)]
            text = mutated(*(draw.choice(list(STYLES.values()))(s, 4, language) for s in shown), draw)
            wanted = Counter(Item(*row) for row in shown[0])
        cut = draw.random() < 0.3
        try:
            found = items(text, cut=cut)
            bad["promises"] += wrong(found) + wrong(tasks(text, cut=cut, first=4))
            bad["promises"] += wrong(instances(text, cut=cut, output_first=bool(n % 3)))
            yes_or_no(text)
        except Exception as error:  # noqa: BLE001  # every kind is counted
            bad["exceptions"] += 1
            print(f"{type(error).__name__}: {error} in {text!r}")
            continue
        if n % 2 == 0:
            bad["rows"] += wanted.total()
            bad["rows equal"] += (Counter(found) & wanted).total()
        reasons.update(f"{'mutated' if n % 2 == 0 else 'random'} {i.reason or 'readable'}" for i in found)
    return bad, reasons


def equal(language: str) -> dict[str, float]:
    """Return for each style the share of a language's tasks that come back exactly equal."""
    rows, shares = load(language), {}
    for style, render in STYLES.items():
        draw, same, all_rows = random.Random(f"17:{style}"), 0, 0
        for _ in range(WHOLE):
            shown = draw.sample(rows, min(PER_COMPLETION, len(rows)))
            found = Counter(items(render(shown, 4, language), cut=False))
            wanted = Counter(Item(*row) for row in shown)
            same += (found & wanted).total()
            all_rows += len(shown)
        shares[style] = same / all_rows
    return shares


def main() -> None:
    """Print the tables; end with 1 where a bar is missed."""
    if not DATA.exists():
        print(f"{DATA} is not here; set DATA. Measured on the seed tasks of datagen alone.")
    started, bars = time.perf_counter(), Bars()
    with ProcessPoolExecutor(WORKERS) as pool:
        damaged = pool.map(fuzz, range(WORKERS))
        shares = dict(zip(FILES, pool.map(equal, FILES), strict=True))
        results = list(damaged)
    bad = sum((b for b, _ in results), Counter[str]())
    reasons = sum((r for _, r in results), Counter[str]())
    print(f"{COMPLETIONS:,} completions, {bad['exceptions']} exceptions, {bad['promises']} broken promises")
    for name, count in sorted(reasons.items()):
        print(f"  {name:<20}{count:>10,} items")
    print(f"  {bad['rows equal'] / bad['rows']:.1%} of the rows in mutated completions come back exactly equal")
    print(f"\n{'come back exactly equal':<26}" + "".join(f"{language:>9}" for language in shares))
    for style in STYLES:
        print(f"{style:<26}" + "".join(f"{share[style]:>9.2%}" for share in shares.values()))
    print(f"\n{time.perf_counter() - started:.0f} s on {WORKERS} cores")
    bars.title(f"{COMPLETIONS:,} damaged completions, {WHOLE:,} whole ones per style")
    bars.at_most("exceptions", 0, bad["exceptions"])
    bars.at_most("broken promises", 0, bad["promises"])
    for language, share in shares.items():
        bars.at_least(f"{language}: rows that come back equal, worst style", 100 * EQUAL, 100 * min(share.values()), " %")
    bars.end()


if __name__ == "__main__":
    main()
