"""What each rule of `rules` would drop from real sets: its false-drop rate, for most of what these sets hold is meant.

Refusals are the right answer in safety data, short answers the right ones to short questions: read the column before a rule.
"""

from __future__ import annotations

from itertools import islice

from shared_data import DATA, needed

from datagen import stage
from datagen.curate.rules import RULES
from datagen.data.rows import table_of
from datagen.formats.read import read
from datagen.stage import Context

SETS = (
    "rows/alpaca_en_52k", "rows/dolly_en_3k", "rows/gsm8k_train_7k", "rows/alpaca_zh_9k", "rows/zh_own_10k",
    "rows/thai_wiki_qa", "chats/glaive_toolcall_en", "pairs/dpo_en_zh_600",
)  # fmt: skip
MOST = 5000  # rows of each set


def main() -> None:
    """Print the table: per set and rule the share of rows that the rule alone would drop."""
    needed(DATA / "rows")
    names = [*RULES, "language"]
    print(f"{'% of rows dropped':<26}{'rows':>7}" + "".join(f"{n[:10]:>11}" for n in names))
    for path in SETS:
        rows = table_of([r for r in islice(read(str(DATA / f"{path}.jsonl.gz")), MOST) if "reason" not in r])
        shares = []
        for name in names:
            options = {"use": "language", "languages": "en,zh,th"} if name == "language" else {"use": name}
            found = stage.scored(stage.make("rules", options), rows, Context()).column("reason")
            shares.append(100 * (len(rows) - found.null_count) / len(rows))
        print(f"{path:<26}{len(rows):>7}" + "".join(f"{s:>11.2f}" for s in shares), flush=True)


if __name__ == "__main__":
    main()
