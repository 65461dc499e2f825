"""Documents as passages: rows with an answer that wait for their instruction."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from datagen import options as option_fields
from datagen.data.dataset import ingest
from datagen.data.rows import Row, dropped_row, new_row
from datagen.data.shards import fingerprint
from datagen.documents.document import Document
from datagen.documents.passages import passages
from datagen.documents.reading import documents, files_of, others_beside
from datagen.errors import DataError
from datagen.json_text import dumps
from datagen.kinds.passages import Passages
from datagen.recipe import Step
from datagen.steps.entry import VERSION, made
from datagen.text.language import identify
from datagen.work import Run, Work


def cut(run: Run, step: Step, folder: Path) -> Work:
    """Read the documents and cut them into passages; what is left out of a document is a ledger row with its reason."""
    options: Passages = step.options
    role = f"{step.name}.documents"
    found = run.hashed(role, lambda: [file for path in options.documents for file in files_of(path)])
    matter = {k: v for k, v in option_fields.values(options).items() if k != "documents"}
    mark = fingerprint(VERSION, matter, found, *options.changed)

    def work() -> dict[str, Any]:
        run.progress.step(step.name, None, "documents")
        counts = [0]
        ingest(folder, [("", _rows(run, step, counts))], step.name)
        run.check_unchanged(role)
        entry = made(step.name, option_fields.values(options), folder)
        if not entry["rows_in"]:
            raise DataError(f"{', '.join(options.documents)}: nothing to read, not one document; check the input")
        beside = others_beside(options.documents)
        notes = {"notes": {"not_documents": dict(beside.most_common())}} if beside else {}
        return {**entry, "documents": counts[0], **notes}

    return Work(mark, work, rows=True)


def _rows(run: Run, step: Step, counts: list[int]) -> Iterator[Row]:
    """Yield the rows and ledger rows of every document."""
    options: Passages = step.options
    several = (d for path in options.documents for d in documents(path, options.id_field, options.text_field))
    for document in islice(several, options.limit):
        counts[0] += 1
        run.progress.at(counts[0])
        for passage in passages(document, options.min_words, options.max_words):
            row = _row(document, passage.text, passage.span, passage.headings)
            yield (
                row
                if passage.reason is None
                else dropped_row(row, step.name, passage.reason, evidence=document.problem or None)
            )


def _row(document: Document, text: str, span: tuple[int, int], headings: tuple[str, ...]) -> Row:
    extra: dict[str, Any] = {"document": document.id, "span": list(span)}
    if headings:
        extra["headings"] = list(headings)
    return new_row(
        output=text, source=document.source, language=identify(text)[0] or "", parents=[document.id],
        extra=dumps(extra), instruction="",
    )  # fmt: skip
