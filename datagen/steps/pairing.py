"""Sentence pairs as translation rows."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from datagen import options as option_fields
from datagen.data.dataset import ingest
from datagen.data.shards import fingerprint
from datagen.errors import DataError, UsageError
from datagen.formats.sources import files
from datagen.kinds.from_pairs import FromPairs
from datagen.pairs import phrasings
from datagen.pairs.instructions import instructions, pairs_of
from datagen.progress import counted
from datagen.recipe import Step
from datagen.steps.entry import VERSION, made
from datagen.work import Run, Work


def pair_up(run: Run, step: Step, folder: Path) -> Work:
    """Read the pairs and write an instruction for each, in both directions."""
    options: FromPairs = step.options
    spoken = options.source, options.target
    role, of_templates = f"{step.name}.pairs", f"{step.name}.templates"
    found = run.hashed(role, lambda: [file for path in options.pairs for file in files(path)])
    templates = run.hashed(of_templates, lambda: phrasings.files_of(options.templates, spoken))
    matter = {k: v for k, v in option_fields.values(options).items() if k not in ("pairs", "templates")}
    mark = fingerprint(VERSION, matter, found, templates, *options.changed)

    def work() -> dict[str, Any]:
        run.progress.step(step.name, None, "rows")
        pairs = list(islice(pairs_of(options), options.limit))
        run.check_unchanged(role)
        if not pairs:
            raise DataError(f"{', '.join(options.pairs)}: nothing to read, not one pair; check the input")
        ways = phrasings.read(options.templates, spoken)
        run.check_unchanged(of_templates)
        if options.phrasings > len(ways):
            raise UsageError(
                f"step '{step.name}': there are {len(ways)} phrasings, not {options.phrasings}; --templates adds more"
            )
        rows = instructions(pairs, ways, options, step.name)
        ingest(folder, [("", counted(rows, run.progress.at))], step.name)
        return {**made(step.name, option_fields.values(options), folder), "pairs": len(pairs)}

    return Work(mark, work, rows=True)
