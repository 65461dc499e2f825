"""The teachers on real data: best of 8 on GSM8K by the rule, pairs of NTREX by eye, numbers in translations, Evol-Instruct.

`answer` and `evolve` run on the embedded model; `translate` needs a model of several languages: a scripted endpoint stands in.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter
from pathlib import Path

from bars import Bars
from endpoint_process import EndpointProcess
from shared_data import DATA, needed, records
from small_rows import written

import datagen as dg


def best_of(folder: Path, questions: int, samples: int, tokens: int) -> None:
    """Answer questions of GSM8K and count the right ones."""
    rows = [{"instruction": r["question"], "output": r["answer"]} for r in records("rows/gsm8k_train_7k.jsonl.gz")][:questions]
    run = dg.teach("answer", written(folder / "gsm8k.jsonl", rows), folder / "gsm8k", samples=samples, max_output_tokens=tokens)
    kept = run.kept.to_pylist()
    right = [sum(c["score"] == 1 for c in r["candidates"]) for r in kept]
    usable = sum(len(r["candidates"]) for r in kept)
    print(f"GSM8K, smollm2, {samples} samples of {len(rows)} questions, at most {tokens} tokens each:")
    drawn = samples * len(rows)
    print(f"  {sum(right)} of {drawn} answers right ({sum(right) / drawn:.1%}), {usable} not cut off")
    print(f"  {sum(n > 0 for n in right)} questions with a right one, which then stands first")
    print(f"  dropped {run.summary['stages'][-1]['dropped']}")


def of_pairs(folder: Path, bars: Bars) -> None:
    """Make translation rows of NTREX in both languages' pairs, and look for answers in their own prompts."""
    path = DATA / "parallel" / "ntrex_en_zh_th_ja.jsonl.gz"
    inside = rows = 0
    for source, target in (("en", "zh"), ("en", "th"), ("zh", "th")):
        run = dg.from_pairs(path, folder / f"{source}-{target}", source, target, exemplars=2)
        kept = run.kept.to_pylist()
        rows += len(kept)
        for row in kept:
            shown = json.loads(row["extra"])["examples"]
            inside += row["parents"][0] in shown or row["output"] in row["instruction"]
        for row in kept[40:42]:
            print(f"\n[{source}-{target}, {row['language']}]\n{row['instruction']}\n=> {row['output']}")
    bars.at_most(f"rows of {rows:,} whose answer stands in their prompt", 0, inside)


def translated(folder: Path, bars: Bars) -> None:
    """Translate GSM8K and MBPP rows at an endpoint that loses a number now and then; every kept row keeps its numbers."""
    rows = [{"instruction": r["question"], "output": r["answer"]} for r in records("rows/gsm8k_train_7k.jsonl.gz")][:300]
    with EndpointProcess(folder) as endpoint:
        run = dg.teach(
            "translate",
            written(folder / "t.jsonl", rows),
            folder / "translated",
            to=["zh", "th"],
            model="local",
            base_url=endpoint.base_url,
        )
    by_id = {r["id"]: r for r in run.kept.to_pylist()}
    made = [r for r in by_id.values() if r["parents"] and r["parents"][0] in by_id]
    # Counted apart from the check that kept them: digits in any script, run by run.
    lost = sum(any(digits(by_id[r["parents"][0]][n]) != digits(r[n]) for n in ("instruction", "output")) for r in made)
    print(f"\ntranslate: {len(made)} rows in zh and th kept, dropped {run.summary['stages'][-1]['dropped']}")
    bars.at_most("translated rows that lost a number", 0, lost)


def digits(text: str) -> Counter[str]:
    """Count the runs of digits in a text, without the commas of thousands."""
    plain = re.sub(r"(?<=\d)[,，](?=\d{3})", "", text)
    return Counter(str(int(run)) for run in re.findall(r"\d+", plain))


def evolved(folder: Path, tasks: int, rounds: int) -> None:
    """Evolve seed tasks and count the operations and what was eliminated."""
    from datagen import assets

    seeds = [json.loads(line) for line in assets.seed_file("en").read_text("utf-8").splitlines()][:tasks]
    run = dg.teach("evolve", written(folder / "seeds.jsonl", seeds), folder / "evolved", rounds=rounds, max_output_tokens=400)
    used: Counter[str] = Counter()
    for row in (*run.kept.to_pylist(), *run.dropped.to_pylist()):
        if operation := json.loads(row["extra"] or "{}").get("operation"):
            used[operation] += 1
    made = sum(used.values())
    lost = run.summary["stages"][-1]["dropped"]
    print(f"\nevolve, smollm2: {made} evolutions of {len(seeds)} tasks in {rounds} round(s): {dict(used.most_common())}")
    print(f"  eliminated {sum(lost.values()) / max(1, made):.0%}: {lost}")
    last = next(r for r in reversed(run.kept.to_pylist()) if r["parents"])
    [found] = run.explain(last["id"])[:1]
    print("  lineage of one:", " <- ".join(r["instruction"][:60] for r in (found, *found["lineage"])))


def main() -> None:
    """Print all four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("answer", "pairs", "translate", "evolve"))
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128, help="of an answer to GSM8K")
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    needed(DATA / "rows")
    bars = Bars()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.only in (None, "pairs"):
            of_pairs(folder, bars)
        if asked.only in (None, "translate"):
            translated(folder, bars)
        if asked.only in (None, "evolve"):
            evolved(folder, asked.tasks, asked.rounds)
        if asked.only in (None, "answer"):
            best_of(folder, asked.questions, asked.samples, asked.tokens)
    bars.end()


if __name__ == "__main__":
    main()
