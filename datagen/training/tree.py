"""The texts of a global batch as token trees: what they have in common is computed once.

A text is a path from a root: a shared system prompt, template or set of solved examples is one node, whatever hangs below it.
Texts are cut after the token before their last label, for nothing after it is learned or predicts anything. Nodes lie one
behind the other in a flat sequence, without padding, and a node's tokens attend to their ancestors and to themselves alone;
so every state, and with it every gradient, is that of the text by itself, up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from datagen.render.labels import IGNORED
from datagen.training.batches import Sample

SHARED = 16  # tokens that texts must have in common at least: a node of its own costs a call per layer


@dataclass(frozen=True)
class Node:
    """A run of tokens in the flat sequence, and the runs of its ancestors, root first; neighbours are one run."""

    start: int
    end: int
    before: tuple[tuple[int, int], ...] = ()

    @property
    def width(self) -> int:
        """Tokens of its ancestors."""
        return sum(end - start for start, end in self.before)


@dataclass
class Tree:
    """Texts of one forward pass: flat token ids with their positions, and what is learned at them.

    `at` are places of states in the flat sequence, of which each predicts a target; `rows` are the places of the texts in
    `samples` whose label that is.
    """

    samples: list[Sample] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def read_length(sample: Sample) -> int:
    """Return how many tokens of a text a model must read to predict all its labels; 1 at least, for a pass needs a token."""
    return next((at for at in range(len(sample.labels) - 1, 0, -1) if sample.labels[at] != IGNORED), 1)


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two texts begin with in common."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    low, high = 0, most  # the first `low` are equal, the first `high` are not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low


def trees(samples: Sequence[Sample], most: int, shared: int = SHARED) -> list[Tree]:
    """Return the texts of a global batch as trees.

    Args:
        samples: of one optimiser step; texts that are compared stay in one tree.
        most: tokens of a tree beside what all of its texts begin with, which is there once however long it is; a text that
            is longer has one of its own.
        shared: texts are joined where they have so many tokens in common.
    """
    read = {id(text): text.input_ids[: read_length(text)] for sample in samples for text in sample.texts}
    found: list[Tree] = []
    group: list[Sample] = []
    size, common = 0, 0  # of the tree, and of what all of its texts begin with
    last: list[int] = []
    for sample in sorted(samples, key=lambda s: read[id(s)]):
        own = read[id(sample)]
        alike = shared_length(last, own) if group else len(own)
        alike = alike if alike >= shared else 0
        more = len(own) + sum(_beside(read[id(t)], shared_length(own, read[id(t)]), shared) for t in sample.texts[1:])
        added = more - len(own) + _beside(own, alike, shared)
        if group and size + added - min(common, alike) > most:
            found.append(_tree(group, read, shared))
            group = []
        size, common = (size + added, min(common, alike)) if group else (more, len(own))
        group += sample.texts
        last = own
    return [*found, _tree(group, read, shared)] if group else []


def _beside(text: Sequence[int], alike: int, shared: int) -> int:
    """Return what a text costs beside one that it has so many tokens in common with, in tokens.

    What it shares beyond a node, less than `shared`, it has again; and each node copies the keys and values of its ancestors,
    which are of the size of a sixteenth of the activations of as many tokens or less.
    """
    if alike < shared:
        return len(text)
    return len(text) - alike + max(min(shared - 1, alike), alike // 16)


def _tree(texts: list[Sample], whole: Mapping[int, list[int]], shared: int) -> Tree:
    """Return texts as one tree; `whole` has what is read of each, by its identity."""
    samples = sorted(texts, key=lambda text: whole[id(text)])
    read = [whole[id(text)] for text in samples]
    lengths = [0, *(shared_length(a, b) for a, b in pairwise(read))]  # shared with the one before it
    lengths = [length if length >= shared else 0 for length in lengths]
    made = Tree(samples)
    todo: list[tuple[int, int, int, tuple[tuple[int, int], ...]]] = [(0, len(samples), 0, ())]
    while todo:
        low, high, depth, before = todo.pop()
        inside = lengths[low + 1 : high]
        # Sorted, so that the shortest is first: what all have in common is at most its length.
        end = min([len(read[low]), *inside])
        if len(inside) and end - depth < shared:
            end = depth
        elif end > depth:
            before = _with(before, _node(made, read[low][depth:end], depth, before))
        first = low
        while first < high and len(read[first]) == end:  # it ends here
            _labels(made, first, samples[first], before)
            first += 1
        # Those that go on: a child for each run of texts that share more than this.
        least = max(end, min(inside, default=0))
        ends = [at for at in range(first + 1, high) if lengths[at] <= least]
        bounds = [first, *ends, high] if first < high else []
        todo += [(a, b, end, before) for a, b in pairwise(bounds)][::-1]
    return made


def _node(made: Tree, tokens: Sequence[int], depth: int, before: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Add a node to a tree; return its run."""
    start = len(made.ids)
    made.ids += tokens
    made.positions += range(depth, depth + len(tokens))
    made.nodes.append(Node(start, len(made.ids), before))
    return start, len(made.ids)


def _with(before: tuple[tuple[int, int], ...], run: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return runs with one more; what lies side by side is one."""
    if before and before[-1][1] == run[0]:
        return (*before[:-1], (before[-1][0], run[1]))
    return (*before, run)


def _labels(made: Tree, row: int, sample: Sample, path: tuple[tuple[int, int], ...]) -> None:
    """Add the labels of a text that lies on a path."""
    places = [place for start, end in path for place in range(start, end)]
    for at in range(1, min(len(places) + 1, len(sample.labels))):
        if (label := sample.labels[at]) != IGNORED:
            made.at.append(places[at - 1])
            made.targets.append(label)
            made.weights.append(1.0 if sample.weights is None else sample.weights[at])
            made.rows.append(row)
