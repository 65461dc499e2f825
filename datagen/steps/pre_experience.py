"""Cherry's first step: a model that has seen a few of the rows, by which `ifd` then scores all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datagen import options as option_fields
from datagen.data.shards import fingerprint
from datagen.errors import UsageError
from datagen.kinds.pre_experience import PreExperience
from datagen.recipe import Step
from datagen.steps.entry import VERSION, entry
from datagen.steps.training import fitted, template_text, told
from datagen.work import Run, Work

if TYPE_CHECKING:
    from datagen.data.dataset import Dataset


def pre_experience(run: Run, step: Step, folder: Path) -> Work:
    """Train a model on some of the rows that are left; every row stays."""
    from datagen.models.embed import resolve

    options, data = step.options, run.datasets[-1]
    embedder = resolve(options.embedder)[1] if options.sample == "kmeans" else ""
    beside = [embedder, *template_text(run, step)]
    mark = fingerprint(VERSION, option_fields.values(options), run.identity(options.model), *beside, run.tail, *options.changed)

    def work() -> dict[str, Any]:
        alive = np.flatnonzero(data.alive())
        run.progress.step(f"{step.name}: sample", None, "rows")
        chosen = {*alive[sampled(data, alive, options)].tolist()}
        rows = [row for at, row in zip(alive.tolist(), data.kept_rows(), strict=True) if at in chosen]
        trained = fitted(run, step, rows, folder)
        notes = {"sampled": len(rows), "left_out": len(trained.left_out), **told(trained)}
        return {**entry(step.name, option_fields.values(options), len(alive), {}), "notes": notes}

    return Work(mark, work)


def sampled(data: Dataset, alive: npt.NDArray[np.int64], options: PreExperience) -> npt.NDArray[np.int64]:
    """Return which of the rows that are left are seen, rising: drawn, or in turn from each cluster of their tasks.

    Raises:
        UsageError: k-means over tasks that the embedder does not read.
    """
    order = np.random.default_rng(options.seed).permutation(len(alive))
    if options.sample == "random" or len(alive) <= options.rows:
        return np.sort(order[: options.rows])
    from sklearn.cluster import KMeans

    from datagen.models.embed import MULTILINGUAL, UNKNOWN, UNREAD, load

    vectors, unknown, _ = load(options.embedder, options.device).encode([row["instruction"] for row in data.kept_rows()])
    if (unknown > UNKNOWN).mean() > UNREAD:
        raise UsageError(
            f"step '{options.name}': the embedder '{options.embedder}' does not read {(unknown > UNKNOWN).sum():,} of"
            f" {len(alive):,} tasks; give sample: random, or embedder: {MULTILINGUAL}"
        )
    clusters = KMeans(min(options.clusters, len(alive)), n_init=1, random_state=options.seed).fit(vectors).labels_
    # The k-th of every cluster before the next of any: clusters x rows-per-cluster where all are large enough.
    seen = np.zeros(options.clusters, np.int64)
    rank = np.empty(len(alive), np.int64)
    for row in order.tolist():
        rank[row] = seen[clusters[row]]
        seen[clusters[row]] += 1
    return np.sort(order[np.argsort(rank[order], kind="stable")][: options.rows])
