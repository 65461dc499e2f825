r"""Final answers beside the tests of `math-verify`: no wrong one is accepted, and at most thirty right ones are refused.

The pairs are read from the tests of its source distribution, which is no part of the project:
`pip download --no-deps --no-binary :all: math-verify`, unpack it, and give the folder of its tests. They are taken as boxed
(each side that is a formula in a box) and as they stand. Left out are those that test an option of it (its precision, its
`strict`, relations against sets) or how it finds LaTeX that is not closed, not what is equal. Then the answers are crossed: a
thousand pairs of answers to different questions.
"""

from __future__ import annotations

import ast
import random
import sys
import time
from pathlib import Path

from bars import Bars

from datagen.answers.final_answer import final_answer, same_answer
from datagen.answers.formulas import formulas_at

Pair = tuple[str, str, bool]
OTHERWISE = {  # what math-verify's tests say of these is not so: 9 is 9 on a line of its own, 1 - 1/e is not 1 + 1/e
    ("$9$", "Answer $ \n 9 \n $"),
    ("$9$", "Answer \\( \n 9 \n \\)"),
    ("$1 - \\frac{1}{\\mathrm{e}}$", "$1 + \\frac{1}{\\mathrm{e}}$"),
}
USUAL = {"precision": 6, "strict": True}  # options of math-verify
CROSSED = 1000


def pairs(folder: Path) -> list[Pair]:
    """Return the right answer, the answer and whether they are the same, of every test of two texts."""
    found: list[Pair] = []
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("parametrize")):
                continue
            names = [n.strip() for n in str(ast.literal_eval(node.args[0])).split(",")]
            if names[:2] != ["gold", "pred"] or len(names) < 3:
                continue
            for entry in getattr(node.args[1], "elts", []):
                try:
                    values = dict(zip(names, ast.literal_eval(entry), strict=True))
                except ValueError:  # it is computed
                    continue
                told_apart = (values["gold"], values["pred"]) in OTHERWISE or "allow_set_relation_comp" in names
                if not told_apart and all(values.get(name, usual) == usual for name, usual in USUAL.items()):
                    found.append((values["gold"], values["pred"], bool(values.get("expected", values.get("result")))))
    return found


def in_a_box(text: str) -> str | None:
    """Return a text that is a formula as a box; a box as it is; None for a longer text."""
    if "\\boxed" in text:
        return text
    bare = text.strip().rstrip(".")
    inside, end = formulas_at(bare, 0)
    return f"\\boxed{{{inside}}}" if inside and end == len(bare) else None


def told(name: str, taken: list[Pair]) -> tuple[int, int]:
    """Print the pairs that are decided otherwise; return how many are accepted wrongly, and refused wrongly."""
    accepted = refused = 0
    started = time.perf_counter()
    for gold, pred, expected in taken:
        if same_answer(pred, gold) is not expected:
            accepted, refused = accepted + (not expected), refused + expected
            print(f"  {'refused' if expected else 'ACCEPTED'}: {final_answer(gold)!s:.70} | {final_answer(pred)!s:.70}")
    print(
        f"{name}: {len(taken)} pairs, {time.perf_counter() - started:.1f} s, {accepted} accepted and {refused} refused wrongly"
    )
    return accepted, refused


def crossed(taken: list[Pair]) -> int:
    """Return how often the answers of two tests are the same here and not by math-verify alone."""
    from math_verify import parse, verify

    draw, found = random.Random(17), 0
    for (gold, _, _), (_, pred, _) in (draw.sample(taken, 2) for _ in range(CROSSED)):
        if same_answer(pred, gold):
            one, other = parse(gold), parse(pred)
            if not (verify(one, other) or verify(other, one)):
                found += 1
                print(f"  ACCEPTED: {final_answer(gold)!s:.70} | {final_answer(pred)!s:.70}")
    return found


def main() -> None:
    """Print what is decided otherwise, and the bars."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("skipped: give the folder of math-verify's tests (see the head of this file)")
    taken = pairs(Path(sys.argv[1]))
    boxed = [(g, p, e) for gold, pred, e in taken if (g := in_a_box(gold)) and (p := in_a_box(pred))]
    bars = Bars()
    for name, some in (("as they stand", taken), ("boxed", boxed)):
        accepted, refused = told(name, some)
        bars.at_most(f"{name}: wrong ones accepted", 0, accepted)
        bars.at_most(f"{name}: right ones refused", 30, refused)
    bars.at_most("crossed: accepted, and not by math-verify", 0, crossed(boxed))
    bars.end()


if __name__ == "__main__":
    main()
