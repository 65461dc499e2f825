"""Finished run folders of every command, kept as they were made: what a move of the code must not change.

`python tests/support/frozen_runs.py` makes them anew in `tests/frozen/`, each in an archive with the files that it reads; that
is right only after a change that is meant to make old runs stale, and says so.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "frozen"
sys.path.insert(0, str(HERE))

from tiny_model import TINY  # noqa: E402  (needs the path above)

Records = list[dict[str, Any]]
WHY = ("the sky is blue", "bread rises", "leaves turn red", "ice floats", "the moon has phases", "cats purr")
CLOCK = ("morning", "evening", "summer", "winter")


def _asked(what: str, when: str) -> dict[str, Any]:
    reason = f"one of {len(WHY)} things that people see in the {when} and ask about, and that no book had said before"
    return {
        "instruction": f"Explain in the {when} class why {what}.",
        "output": f"{what.capitalize()}, for a reason: {reason}.",
    }


ROWS: Records = [  # in three languages; with repetitions, an empty answer, personal data, a remnant, an item of a benchmark
    *(_asked(what, when) for what in WHY for when in CLOCK[:3]),
    {**_asked(WHY[1], CLOCK[0]), "output": _asked(WHY[1], CLOCK[0])["output"] + " Indeed."},
    {"instruction": "Say nothing.", "output": ""},
    {"instruction": "Write to me.", "output": "Write to ann.lee@mail.example or call +1 555 010 1234, and I will answer you."},
    {"instruction": "What is two and two?", "output": "Four.<|im_end|>"},
    {"instruction": "How many legs has a spider that lost two of its eight legs?", "output": "It has six legs left."},
    {"instruction": "用一句话解释为什么天空是蓝色的。", "output": "因为空气分子散射太阳光中的蓝光比红光多得多。"},
    {"instruction": "用一句话解释为什么冰会浮在水上。", "output": "因为水结冰时体积变大，密度变小，所以冰浮在水面上。"},
    {"instruction": "อธิบายสั้น ๆ ว่าทำไมท้องฟ้าเป็นสีฟ้า", "output": "เพราะอากาศกระเจิงแสงสีฟ้ามากกว่าแสงสีแดง"},
    {
        "messages": [
            {"role": "user", "content": "Name a river."},
            {"role": "assistant", "content": "The Mekong."},
            {"role": "user", "content": "Where does it end?"},
            {"role": "assistant", "content": "In the sea."},
        ]
    },
]
SPELLED = ("river", "stone", "cloud", "grass", "light", "house", "bread", "water", "field", "night")
SEEN = "as everybody can see who looks in the"
INPUTS: dict[str, Records] = {
    "rows.jsonl": ROWS,
    "one.jsonl": [{"instruction": f"Add {n} and {n + 1}.", "output": f"The sum is {2 * n + 1}."} for n in range(12)],
    "two.jsonl": [{"instruction": f"Spell the word '{w}'.", "output": " ".join(w)} for w in SPELLED],
    "few.jsonl": ROWS[:4] + ROWS[23:26],
    "benchmark.jsonl": [{"question": ROWS[22]["instruction"], "answer": "6"}],
    "documents.jsonl": [
        {"text": " ".join(f"{what.capitalize()}, {SEEN} {when}; the reason is not hard to find." for when in CLOCK)}
        for what in WHY[:3]
    ],
    "pairs.jsonl": [{"en": f"I see {n} birds.", "zh": f"我看见{n}只鸟。"} for n in range(3, 9)],
}
RECIPE = """input: [rows.jsonl]
steps:
  - rules: {use: [empty_answer, repetition, language]}
  - minhash: {threshold: 0.8}
  - balance: {size: 12, by: language}
"""
PORT = 47129  # of the endpoint that answered: a run remembers its address
AT = ("--model", "local", "--base-url", "{endpoint}", "--concurrency", "1")
TINY_MODEL = ("--model", "tiny", "--device", "cpu", "--dtype", "float32")


@dataclass(frozen=True)
class Frozen:
    """A command, the files that it reads, and whether it takes the tiny model."""

    words: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    tiny: bool = False
    again: bool = True  # its rows are the same on every machine


COMMANDS: dict[str, Frozen] = {
    "filter": Frozen(("filter", "rows.jsonl"), ("rows.jsonl",)),
    "filter-chain": Frozen(
        ("filter", "rows.jsonl", "--stage", "clean:do=pii", "--stage", "rules:use=empty_answer,template_remnant,refusal",
         "--stage", "decontaminate:against=benchmark.jsonl", "--stage", "minhash:keep=longest", "--stage", "rouge:nearest=2",
         "--stage", "tag:by=words", "--target-size", "10"),
        ("rows.jsonl", "benchmark.jsonl"),
    ),
    "filter-semantic": Frozen(("filter", "one.jsonl", "--stage", "semantic:threshold=0.97,dtype=float32"), ("one.jsonl",)),
    "filter-ifd": Frozen(
        ("filter", "few.jsonl", "--stage", "ifd:model=tiny,keep=0.5,dtype=float32"), ("few.jsonl",), tiny=True
    ),
    "filter-judge": Frozen(
        ("filter", "few.jsonl", "--stage", "judge:min_score=2,model=local,base_url={endpoint},probabilities=off"),
        ("few.jsonl",),
    ),
    "run": Frozen(("run", "recipe.yaml"), ("rows.jsonl", "recipe.yaml")),
    "self-instruct": Frozen(("self-instruct", "-n", "6", *AT)),
    "magpie": Frozen(("magpie", "-n", "3", *AT, "--template", "chatml")),
    "backtranslate": Frozen(
        ("backtranslate", "documents.jsonl", "--seed-rows", "one.jsonl", "--min-score", "1", *AT),
        ("documents.jsonl", "one.jsonl"),
    ),
    "answer": Frozen(("answer", "few.jsonl", "--samples", "2", *AT), ("few.jsonl",)),
    "judge": Frozen(("judge", "few.jsonl", "--probabilities", "off", *AT), ("few.jsonl",)),
    "rewrite": Frozen(("rewrite", "few.jsonl", *AT), ("few.jsonl",)),
    "evolve": Frozen(("evolve", "few.jsonl", *AT), ("few.jsonl",)),
    "translate": Frozen(("translate", "few.jsonl", "--to", "zh,th", *AT), ("few.jsonl",)),
    "from-pairs": Frozen(("from-pairs", "pairs.jsonl", "--source", "en", "--target", "zh"), ("pairs.jsonl",)),
    "mix": Frozen(
        ("mix", "a=one.jsonl", "b=two.jsonl", "--method", "temperature", "--temperature", "2"),
        ("one.jsonl", "two.jsonl"),
    ),
    "mix-grid": Frozen(
        ("mix", "a=one.jsonl", "b=two.jsonl", "--grid", "--steps", "1", "--levels", "1,1/2", "--model", "tiny"),
        ("one.jsonl", "two.jsonl"), tiny=True, again=False,  # the best of losses that lie close together
    ),
    "train": Frozen(
        ("train", "one.jsonl", "--steps", "2", "--batch-size", "2", "--max-length", "64", *TINY_MODEL), ("one.jsonl",),
        tiny=True,
    ),
}  # fmt: skip


def prepare(frozen: Frozen, folder: Path) -> None:
    """Write the files that a command reads into a folder."""
    folder.mkdir(exist_ok=True)
    for name in frozen.inputs:
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in INPUTS.get(name, ()))
        (folder / name).write_text(RECIPE if name == "recipe.yaml" else "".join(lines), "utf-8")
    if frozen.tiny:
        shutil.copytree(TINY, folder / "tiny")


def words(frozen: Frozen, endpoint: str, out: str) -> list[str]:
    """Return the words of a command at an endpoint."""
    return [word.replace("{endpoint}", endpoint) for word in (*frozen.words, "-o", out)]


def rounded(value: Any) -> Any:
    """Return a value with its floats to three decimals: a model's last digits are the machine's."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def result(out: Path) -> dict[str, Any]:
    """Return what must not change of a run folder: its rows, its ledger, and the keys of what was asked."""
    found: dict[str, Any] = {
        part: [rounded(row) for shard in sorted((out / part).glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
        for part in ("kept", "dropped")
    }
    if (out / "journal.sqlite").is_file():
        with closing(sqlite3.connect(out / "journal.sqlite")) as db:
            found["keys"] = sorted(key for (key,) in db.execute("SELECT key FROM request"))
    return found


def main() -> None:
    """Make every archive, or those that are named."""
    from command_line import run_here
    from local_endpoint import LocalEndpoint

    for name in sys.argv[1:] or COMMANDS:
        frozen = COMMANDS[name]
        with tempfile.TemporaryDirectory() as place, LocalEndpoint(seed=5, port=PORT) as server:
            folder = Path(place) / name
            folder.mkdir()
            prepare(frozen, folder)
            done = run_here(
                tuple(words(frozen, server.base_url, "out")), folder, "", {"DATAGEN_PROGRESS": "off", "HOME": place}
            )
            if done.returncode:
                sys.exit(f"{name}: {done.stderr}")
            if frozen.tiny:
                shutil.rmtree(folder / "tiny")
            with tarfile.open(FOLDER / f"{name}.tar.xz", "w:xz") as archive:
                archive.add(folder, arcname=".")
            counts = {part: len(found) for part, found in result(folder / "out").items()}
        print(name, (FOLDER / f"{name}.tar.xz").stat().st_size, counts)


def unpack(name: str, folder: Path) -> None:
    """Unpack an archive into a folder, with the tiny model where its command takes it."""
    with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    if COMMANDS[name].tiny:
        shutil.copytree(TINY, folder / "tiny")


if __name__ == "__main__":
    main()
