"""Which texts `datagen.text.language.is_in` rejects: of the language asked for (wrongly, but for what is told), and others."""

from __future__ import annotations

import runpy
import time
from pathlib import Path

from shared_data import DATA, needed, records

from datagen.text.language import identify, is_in

FOREIGN: dict[str, list[str]] = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "test_language.py"))["FOREIGN"]
SETS = {
    "Alpaca": ("en", "rows/alpaca_en_52k", "instruction"),
    "Dolly": ("en", "rows/dolly_en_3k", "instruction"),
    "GSM8K": ("en", "rows/gsm8k_train_7k", "question"),
    "Chinese, own": ("zh", "rows/zh_own_10k", "instruction"),
    "Chinese, Alpaca": ("zh", "rows/alpaca_zh_9k", "instruction"),
    "Thai questions": ("th", "rows/thai_wiki_qa", "instruction"),
}
SHOWN = 8  # rejected texts per set


def sets() -> dict[str, tuple[str, list[str]]]:
    """Return the language and the texts of each set."""
    found = {}
    for label, (language, name, field) in SETS.items():
        rows = records(f"{name}.jsonl.gz")
        found[label] = (language, [row[field] for row in rows])
    news = list(records("parallel/ntrex_en_zh_th_ja.jsonl.gz"))
    for language in ("en", "zh", "th", "ja"):
        found[f"news, {language}"] = (language, [row[language] for row in news])
    for language, texts in FOREIGN.items():
        found[f"written here, {language}"] = (language, texts)
    return found


def main() -> None:
    """Print both tables."""
    needed(DATA)
    identify("The first text loads the model.")
    texts = sets()
    print(f"{'set':<20}{'asked':>6}{'texts':>8}{'accepted':>10}{'rejected %':>12}{'texts/s':>10}  identified as another")
    for label, (language, found) in texts.items():
        started = time.perf_counter()
        rejected = [text for text in found if not is_in(text, language)]
        rate = len(found) / (time.perf_counter() - started)
        others = sum(identify(text)[0] not in ("", language) for text in found)
        share = 100 * len(rejected) / len(found)
        accepted = len(found) - len(rejected)
        print(f"{label:<20}{language:>6}{len(found):>8,}{accepted:>10,}{share:>12.3f}{rate:>10,.0f}  {others:,}")
        for text in rejected[:SHOWN]:
            print(f"    {identify(text)[0]}  {text[:110]!r}")
    print(f"\n{'set':<20}{'texts':>8}   rejected %, asked for:{'en':>8}{'zh':>8}{'th':>8}")
    for label, (language, found) in texts.items():
        # Sums such as 91-33= are in every language.
        worded = [text for text in found if identify(text)[0]]
        cells = "".join(
            f"{'':>8}" if asked == language else f"{100 * sum(not is_in(t, asked) for t in worded) / len(worded):>8.2f}"
            for asked in ("en", "zh", "th")
        )
        print(f"{label:<20}{len(worded):>8,}{'':>25}{cells}")


if __name__ == "__main__":
    main()
