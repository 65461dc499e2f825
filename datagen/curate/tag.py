"""What each row asks for, in tags of one vocabulary: InsTag, by a model or by the words themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen import assets
from datagen.chat.options import ModelOptions
from datagen.data.rows import View, view
from datagen.models.names import EMBEDDED, is_local
from datagen.options import between, option
from datagen.stage import Context, Stage, Verdict
from datagen.tags.normalise import Thresholds, Vocabulary, normalise, told
from datagen.text.language import identify

SHOWN = 6000  # characters of a row that the model sees: the first two thirds, and the last third
TAG_TOKENS = 512  # of one answer, unless the user gives another limit
# Of the published thresholds, where a set is smaller than theirs: one row in so many.
ROWS_PER_COUNT, ROWS_PER_SUPPORT = 1000, 500


@dataclass(frozen=True)
class Tag(ModelOptions, Stage):
    """Tag what each row asks for, and bring the tags into one vocabulary (InsTag); drops nothing.

    `by=model`: a model names the intents of each row, through the journal. `by=words`: what each sentence of the task asks
    for, as verb and noun, and a topic from clusters of words; the same rows give the same tags. `auto` is `words` for the
    embedded model, which is too small to tag, and `model` for any other. Then InsTag's normaliser: frequency, rule (case,
    signs, endings), semantic (embedding and DBSCAN) and association (FP-Growth's rules of one tag to one tag). `tag_count` is
    the complexity of a row; run.json has the diversity (tags covered) and what each step merged, with examples. A row that
    the model did not tag stays, with `tag_error`. Source: Lu et al. 2023 (InsTag, arXiv 2308.07074).
    """

    by: Literal["auto", "model", "words"] = option("auto", "who names the open tags")
    field: View = option("context", "what a model is shown, and what topics are made from")
    language: Literal["en", "zh", "th"] = option("en", "of the tags that a model names")
    temperature: float | None = option(0.0, "0..2; off = the endpoint's default", group="Sampling")
    existing: Literal["keep", "replace"] = option("keep", "tags that the rows came with")
    min_count: int | None = option(None, "rows that a tag must have; off = 20, or 1 in 1,000 and at least 2 where that is less")
    distance: float | None = option(0.05, "cosine distance within which tags are merged; off = not by meaning")
    embedder: str = option("minilm", "minilm, a folder, or a Hub id")
    support: int | None = option(None, "rows that two tags must share to be merged; off = 40, or 1 in 500 and at least 5")
    confidence: float | None = option(0.99, "share of a tag's rows that must have the other one; off = not by association")
    topics: int | None = option(None, "clusters of words per language (by=words); off = by the number of rows, 0 = none")
    device: str = option("auto", "of the embedder: auto, cpu, cuda, mps")
    seed: int = option(17, "of the clusters")

    version: ClassVar[int] = 2
    parallel: ClassVar[Literal["rows", "device"]] = "device"
    decides: ClassVar[frozenset[str]] = frozenset(
        {"existing", "min_count", "distance", "embedder", "support", "confidence", "topics", "device", "seed"}
    )

    def __post_init__(self) -> None:
        ModelOptions.__post_init__(self)
        for name, least in (("min_count", 1), ("support", 1), ("topics", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, not {value}")
        if self.distance is not None and not 0 < self.distance <= 1:
            raise ValueError(f"distance must be above 0 and at most 1, or off, not {self.distance:g}")
        between("seed", self.seed, 0, 2**32 - 1)
        if self.confidence is not None:
            between("confidence", self.confidence, 0.5, 1)

    @property
    def adds(self) -> dict[str, pa.DataType]:
        """The tags as they were named, and why there are none."""
        return {"open_tags": pa.list_(pa.string()), "tag_error": pa.string()}

    @property
    def marks(self) -> dict[str, pa.DataType]:
        """The tags of the vocabulary, and how many: the complexity."""
        return {"tags": pa.list_(pa.string()), "tag_count": pa.int32()}

    @property
    def reads(self) -> tuple[str, ...]:
        """What the words are read by, and the tags that are there."""
        return ("language", "tags")

    @property
    def by_model(self) -> bool:
        """Whether a model names the tags."""
        return self.by == "model" or (self.by == "auto" and (self.model != EMBEDDED or self.base_url is not None))

    def score_options(self) -> dict[str, Any]:
        """What an answer depends on; how it travelled and what it cost is no part of it."""
        found = super().score_options()
        if not self.by_model:
            return {"by": "words", "field": self.field}
        from datagen.chat.recorded import what_answers_depend_on

        return what_answers_depend_on(found)

    def identity(self) -> str:
        """The model, its price and the prompt; the embedder."""
        from datagen.models import embed

        parts = [embed.resolve(self.embedder)[1]] if self.distance is not None else []
        if self.by_model:
            from datagen.chat.opening import price_of
            from datagen.models import adapter

            price_of(self)
            parts += [
                adapter.identity(self.model) if is_local(self.model) else self.model,
                assets.prompt("tag", self.language, self.prompts),
            ]
        return "\n".join(parts)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return each row's open tags (or why there are none), the words of its topic, its language and its own tags."""
        texts = view(rows, self.field)
        named = rows.column("language").to_pylist()
        languages = [name or identify(text)[0] or "" for name, text in zip(named, texts, strict=True)]
        tags: Sequence[list[str] | None]
        errors: Sequence[str | None] = [None] * len(rows)
        words: list[list[str]] = [[] for _ in texts]
        if self.by_model:
            tags, errors = self._asked(texts, ctx)
        else:
            from datagen.tags.words import intents, terms

            asked = zip(view(rows, "instruction"), languages, strict=True)
            tags = [intents(text, language) for text, language in asked]
            words = [terms(text, language) for text, language in zip(texts, languages, strict=True)]
        return {
            "open_tags": pa.array(tags, pa.list_(pa.string())),
            "tag_error": pa.array(errors, pa.string()),
            "words": pa.array(words, pa.list_(pa.string())),
            "spoken": pa.array(languages, pa.string()),
            "own": rows.column("tags").combine_chunks().cast(pa.list_(pa.string())),
        }

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Bring the tags into one vocabulary; keep every row."""
        from datagen.chat.recorded import used

        n = len(columns)
        rows = [tags or [] for tags in columns.column("open_tags").to_pylist()]
        found = normalise(rows, self._thresholds(n), None if self.distance is None else self._encoded)
        tags = [found.of(row) for row in rows]
        if not self.by_model:
            from datagen.tags.words import topics

            about = topics(columns.column("words").to_pylist(), columns.column("spoken").to_pylist(), self.topics, self.seed)
            tags = [[*row, topic] if topic else row for row, topic in zip(tags, about, strict=True)]
        if self.existing == "keep":
            own = columns.column("own").to_pylist()
            tags = [list(dict.fromkeys([*(mine or ()), *row])) for mine, row in zip(own, tags, strict=True)]
        marks = {
            "tags": pa.array(tags, pa.list_(pa.string())),
            "tag_count": pa.array([len(row) for row in tags], pa.int32()),
        }
        notes = {
            **self._notes(columns, rows, tags, found),
            **(used(self, ctx.folder, offline=ctx.offline) if self.by_model else {}),
        }
        return Verdict(pa.nulls(n, pa.string()), columns=marks, notes=notes)

    def _notes(
        self, columns: pa.Table, rows: list[list[str]], tags: list[list[str]], found: Vocabulary
    ) -> dict[str, Any]:  # fmt: skip
        errors = [e for e in columns.column("tag_error").to_pylist() if e]
        return {
            "by": "model" if self.by_model else "words",
            **told(rows, found),
            "covered": len({t for row in tags for t in row}),
            "tags_per_row": round(sum(map(len, tags)) / max(1, len(tags)), 4),
            "rows_without_tags": sum(not row for row in tags),
            "rows_not_tagged": len(errors),
            **({"first_error": errors[0]} if errors else {}),
        }

    def _thresholds(self, rows: int) -> Thresholds:
        count = self.min_count or max(2, min(20, rows // ROWS_PER_COUNT))
        support = self.support or max(5, min(40, rows // ROWS_PER_SUPPORT))
        return Thresholds(count, self.distance, support, self.confidence)

    def _encoded(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return the vectors of tags, and which of them the embedder reads."""
        from datagen.models.embed import UNKNOWN, load

        found = load(self.embedder, self.device).encode(texts)
        return found.vectors, found.unknown <= UNKNOWN

    def _asked(self, texts: Sequence[str], ctx: Context) -> tuple[list[list[str] | None], list[str | None]]:
        """Return the tags that the model names for each text, or None and why; equal texts are one request."""
        import contextlib

        from datagen.answers.tags import tags_of
        from datagen.chat.asking import answers
        from datagen.chat.prompt import Prompt
        from datagen.chat.recorded import recorded

        different = list(dict.fromkeys(map(shown, texts)))
        prompt = Prompt("tag", self.language, self.prompts)
        sampling = {**self.sampling(), "max_tokens": self.max_output_tokens or TAG_TOKENS}
        bodies = [{"messages": prompt.messages(text=text), **sampling} for text in different]
        tags: dict[str, list[str]] = {}
        errors: dict[str, str] = {}
        with (
            recorded(self.name, self, ctx.folder, offline=ctx.offline, say=ctx.say) as chat,
            contextlib.closing(answers(chat, bodies)) as come,
        ):
            for done, (at, answer) in enumerate(come, start=1):
                found = [] if answer.cut else tags_of(answer.text or "")
                if found:
                    tags[different[at]] = found
                else:
                    errors[different[at]] = answer.error or answer.cut_words or "the answer names no tag"
                spent = f"${chat.budget.spent:.4f}, " if chat.budget.price else ""
                ctx.at(done, f"{spent}{chat.sent:,} asked")
        keys = [shown(text) for text in texts]
        return [tags.get(key) for key in keys], [errors.get(key) for key in keys]


def shown(text: str) -> str:
    """Return what the model sees of a text: all of it, or its beginning and end around a mark."""
    if len(text) <= SHOWN:
        return text
    return f"{text[: SHOWN * 2 // 3]}\n[…]\n{text[-SHOWN // 3 :]}"
