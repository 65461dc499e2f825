"""From sentence pairs to translation rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datagen.data.rows import Row, dropped_row, new_row
from datagen.errors import DataError
from datagen.formats.dotted import leaves, shown, value_at
from datagen.formats.read import records
from datagen.json_text import dumps
from datagen.kinds.from_pairs import FromPairs
from datagen.pairs.phrasings import Phrasing
from datagen.text.names import name_of


@dataclass(frozen=True)
class Pair:
    """Two sentences that say the same, and where they stood; `problem` says why they are none."""

    source: str
    target: str
    place: str
    file: str
    problem: str = ""


def pairs_of(options: FromPairs) -> Iterator[Pair]:
    """Yield the pairs of the files; raises DataError where no record has the fields."""
    one, other = options.source_field or options.source, options.target_field or options.target
    good, fields = 0, ""
    for path in options.pairs:
        for name, piece in records(path):
            place, record = f"{name}#{piece.position}", piece.record
            if piece.problem or not isinstance(record, dict):
                yield Pair(
                    (piece.raw or b"").decode("utf-8", "backslashreplace"), "", place, name, piece.problem or "no record"
                )
                continue
            fields = fields or shown([name for name, _ in leaves(record)])
            left, right = value_at(record, one), value_at(record, other)
            if not isinstance(left, str) or not isinstance(right, str):
                yield Pair(dumps(record, default=str), "", place, name, f"no {one} or no {other}")
                continue
            good += 1
            if (stored := (left + right).encode("utf-8", "backslashreplace").decode()) != left + right:
                yield Pair(stored, "", place, name, "a lone surrogate, which is no character")
                continue
            problem = "empty_side" if not left.strip() or not right.strip() else "same_text" if left == right else ""
            yield Pair(left.strip(), right.strip(), place, name, problem)
    if not good and fields:
        raise DataError(
            f"{', '.join(options.pairs)}: no record has both '{one}' and '{other}'; the fields are: {fields}; name them with"
            " --source-field and --target-field"
        )


def instructions(pairs: Sequence[Pair], phrasings: Sequence[Phrasing], options: FromPairs, step: str) -> Iterator[Row]:
    """Yield a row per pair, direction and phrasing; what is no pair is a ledger row.

    The answer of a row stands nowhere in its own instruction: examples come from pairs whose sentences are others.
    """
    usable = [p for p in pairs if not p.problem]
    ways = ((options.source, options.target), (options.target, options.source))
    for at, pair in enumerate(pairs):
        if pair.problem:
            known = pair.problem in ("empty_side", "same_text")
            row = new_row(input=pair.source, output=pair.target, source=pair.file, parents=[pair.place])
            yield dropped_row(row, step, pair.problem if known else "unreadable", evidence=f"{pair.place}: {pair.problem}")
            continue
        for way, (source, target) in enumerate(ways[: 2 if options.directions == "both" else 1]):
            for n in range(options.phrasings):
                yield _row(pair, at, way, n, source, target, usable, phrasings, options)


def _row(
    pair: Pair, at: int, way: int, n: int, source: str, target: str, usable: Sequence[Pair], phrasings: Sequence[Phrasing],
    options: FromPairs,
) -> Row:  # fmt: skip
    text, answer = (pair.source, pair.target) if not way else (pair.target, pair.source)
    # Each phrasing of one pair is another: they go round from a place that is drawn.
    phrasing = phrasings[(_draw(options.seed, at, way, "phrasing") + n) % len(phrasings)]
    shown = _examples(pair, at, way, n, usable, options)
    examples = [(p.source, p.target) if not way else (p.target, p.source) for p in shown]
    names = name_of(source, phrasing.language), name_of(target, phrasing.language)
    told = {"direction": f"{source}-{target}", "phrasing": phrasing.name, "examples": [p.place for p in shown]}
    return new_row(
        instruction=phrasing.filled(text, *names, examples), output=answer, source=pair.file, language=target,
        parents=[pair.place], extra=dumps(told),
    )  # fmt: skip


def _examples(pair: Pair, at: int, way: int, n: int, usable: Sequence[Pair], options: FromPairs) -> list[Pair]:
    """Draw other pairs: none with a sentence of this one, none twice; fewer where there are not enough."""
    found: list[Pair] = []
    taken = {pair.source, pair.target}
    size = len(usable)
    start, stride = _draw(options.seed, at, way, n, "start") % size, 1 + _draw(options.seed, at, way, n, "stride") % size
    while math.gcd(stride, size) != 1:  # then every pair comes once
        stride += 1
    for step in range(size if options.exemplars else 0):
        other = usable[(start + step * stride) % size]
        shows = pair.target if not way else pair.source  # the answer, which no example may hold
        if other.source not in taken and other.target not in taken and shows not in f"{other.source}\n{other.target}":
            found.append(other)
            taken |= {other.source, other.target}
            if len(found) == options.exemplars:
                break
    return found


def _draw(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(":".join(map(str, parts)).encode(), digest_size=8).digest())
