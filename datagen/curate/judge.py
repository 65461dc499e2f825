"""A model's score of each row by a rubric, with its reason; or which of two candidates is better, asked in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen import assets
from datagen.answers.expected import HIGHEST
from datagen.answers.preference import Found, agreed, likelier, paired, wins
from datagen.chat.judge_options import JudgeOptions
from datagen.data.rows import tasks, view
from datagen.errors import UsageError
from datagen.models.names import is_local
from datagen.stage import Context, Stage, Verdict
from datagen.text.names import PROMPTS, of_prompts
from datagen.text.row_language import language_of

if TYPE_CHECKING:
    from datagen.models.choices import Choices

JUDGE_TOKENS = 512  # of one answer, unless the user gives another limit
LEADS = {"en": "Score: ", "zh": "评分：", "th": "คะแนน: "}  # of a local model's answer
PAIR_LEADS = {"en": "Better:", "zh": "更好：", "th": "ดีกว่า:"}
ONE_CANDIDATE = "fewer than two candidates"
BINS = 8  # of the distribution in the report


@dataclass(frozen=True)
class Judge(JudgeOptions, Stage):
    """Score each row by a rubric with a model (LLM as a judge); with `min_score`, drop those below.

    The score is the expected one under the probabilities of the token that says it, where the endpoint gives them, else the
    mean of `samples` answers; a local model's is read from its probabilities, without sampling. A row without a score (the
    judge gave none, or the request failed) has a `judge_error` and never counts as a low one: with `min_score`, which asks
    for rows that were shown to be good, it goes as `no_score`. `pairs=on` asks which of a row's first two candidates is
    better, in both orders: `judge_score` is 1 where the first wins both, 0 where the second does, and 0.5, a tie, where the
    judge contradicts itself (`contradicted` in the notes). Sources: Zheng et al. 2023 (LLM as a judge, position bias), Liu et
    al. 2023 (G-Eval), Li et al. 2023 (Humpback's self-curation: `prompt=self_curation`).
    """

    version: ClassVar[int] = 4
    command: ClassVar[bool] = True
    parallel: ClassVar[Literal["rows", "device"]] = "device"
    reasons: ClassVar[frozenset[str]] = frozenset({"low_score", "no_score"})
    decides: ClassVar[frozenset[str]] = frozenset({"min_score", "stall"})

    @property
    def adds(self) -> dict[str, pa.DataType]:
        """The score, the judge's reason for it, and why there is none."""
        return {"judge_score": pa.float64(), "judge_reason": pa.string(), "judge_error": pa.string()}

    @property
    def reads(self) -> tuple[str, ...]:
        """The language decides the prompt."""
        return ("language",)

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The rubric."""
        return {"rubric": (self.rubric,)} if self.rubric else {}

    @property
    def curve(self) -> tuple[str, tuple[float, ...]] | None:
        """How many rows would be left at each whole score."""
        if self.min_score is None or self.pairs:
            return None
        return "min_score", tuple(float(s) for s in range(self.low, min(self.high, self.low + 9) + 1))

    def score_options(self) -> dict[str, Any]:
        """What an answer depends on; how it travelled and what it cost is no part of it."""
        from datagen.chat.recorded import what_answers_depend_on

        return what_answers_depend_on(super().score_options())

    def identity(self) -> str:
        """The model, its price and the prompt."""
        from datagen.chat.opening import price_of
        from datagen.models import adapter

        price_of(self)
        if self.rubric:
            rubric_text(self.rubric)
        texts = [assets.prompt(self._prompt_name, language, self.prompts) for language in self._languages]
        return "\n".join([adapter.identity(self.model) if is_local(self.model) else self.model, *texts])

    @property
    def _prompt_name(self) -> str:
        return "judge_pair" if self.pairs else self.prompt

    @property
    def _languages(self) -> tuple[str, ...]:
        return PROMPTS if self.language == "auto" else (self.language,)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return each row's score, reason and error."""
        texts = self._texts(rows)
        asked = [i for i, one in enumerate(texts) if one is not None]
        nothing = ONE_CANDIDATE if self.pairs else "no answer to judge"
        found = [Found(error=nothing)] * len(texts)
        prompts = [one for one in texts if one is not None]
        judged = self._by_local_model(prompts, ctx) if self.loadable else self._asked(prompts, asked, ctx)
        for i, one in zip(asked, judged, strict=True):
            found[i] = one
        names = zip(self.adds.items(), range(3), strict=True)
        spoken = pa.array([None if one is None else one[0] for one in texts], pa.string())
        told = {"spoken": spoken, "contradicted": pa.array([one.contradicted for one in found], pa.bool_())}
        return {**{name: pa.array([one[k] for one in found], kind) for (name, kind), k in names}, **told}

    def refuse(self, columns: pa.Table, leeway: float = 1.0) -> None:
        """Refuse the embedded model for rows that it does not read, and pairs where there are none."""
        errors = columns.column("judge_error")
        if self.pairs and len(columns) and pc.all(pc.fill_null(pc.equal(errors, ONE_CANDIDATE), fill_value=False)).as_py():
            raise UsageError("stage 'judge': no row has two candidates to compare; `datagen answer --samples 2` makes them")
        if self.embedded:
            self.check_rows("judge", columns.column("spoken").drop_null().to_pylist(), leeway)

    def _texts(self, rows: pa.Table) -> list[tuple[str, list[str]] | None]:
        """Return per row the language and the prompts (two for a pair, one per order); None where nothing is to be judged."""
        from datagen.chat.prompt import Prompt

        prompts = {name: Prompt(self._prompt_name, name, self.prompts) for name in self._languages}
        rubric = rubric_text(self.rubric) if self.rubric else None
        named = rows.column("language").to_pylist()
        candidates = rows.column("candidates").to_pylist() if self.pairs else [None] * len(rows)
        found: list[tuple[str, list[str]] | None] = []
        columns = zip(tasks(rows), view(rows, "answer"), named, candidates, strict=True)
        for task, answer, name, several in columns:
            spoken = self.language if self.language != "auto" else name or language_of(task, answer)
            language = of_prompts(spoken)
            values = {"task": task, "rubric": rubric, "low": self.low, "high": self.high}
            if self.pairs:
                two = [c["text"] for c in several or ()][:2]
                orders = [(two[0], two[1]), (two[1], two[0])] if len(two) == 2 else []
                texts = [prompts[language].text(**values, first=a, second=b) for a, b in orders]
            else:
                texts = [prompts[language].text(**values, answer=answer)] if answer.strip() else []
            found.append((language, texts) if texts else None)
        return found

    def _by_local_model(self, asked: Sequence[tuple[str, list[str]]], ctx: Context) -> list[Found]:
        """Return what the model's probabilities say."""
        from datagen.answers.expected import expectation
        from datagen.models import adapter

        model = _choices(self.model, adapter.identity(self.model))
        words = [" A", " B"] if self.pairs else [str(s) for s in range(self.low, self.high + 1)]
        leads = PAIR_LEADS if self.pairs else LEADS
        found = [Found(error="longer than the model reads")] * len(asked)
        done = 0
        for language in sorted({name for name, _ in asked}):
            here = [i for i, (name, _) in enumerate(asked) if name == language]
            per_row = len(asked[here[0]][1])
            texts = [text for i in here for text in asked[i][1]]
            values = model.logprobs(
                texts,
                leads[language],
                words,
                lambda n, done=done, each=per_row: ctx.at(done + n // each, ""),  # type: ignore[misc]
            )
            done += len(here)
            for k, i in enumerate(here):
                mine = values[k * per_row : (k + 1) * per_row]
                if np.isnan(mine).any():
                    continue
                if self.pairs:
                    found[i] = agreed(likelier(mine[0, 0], mine[0, 1]), likelier(mine[1, 1], mine[1, 0]))
                else:
                    found[i] = Found(expectation(dict(zip(words, mine[0], strict=True)), self.low, self.high))
        return found

    def _asked(self, asked: Sequence[tuple[str, list[str]]], places: Sequence[int], ctx: Context) -> list[Found]:
        """Return what the endpoint's model says of the rows at these places, through the journal."""
        import asyncio
        import contextlib
        from collections.abc import Awaitable, Callable

        from datagen.chat.asking import Stall, in_order
        from datagen.chat.judge import Judge as Asking
        from datagen.chat.judge import Judgement, Verdicts
        from datagen.chat.recorded import recorded

        sampling = {**self.sampling(), "max_tokens": self.max_output_tokens or JUDGE_TOKENS}
        with recorded(self.name, self, ctx.folder, offline=ctx.offline, say=ctx.say) as chat:
            ctx.opened(chat, places)
            asks = self.probabilities if self.high <= HIGHEST else "off"
            read = {"auto": "auto", "on": "logprobs", "off": "samples"}[asks]
            judge = Asking(chat, sampling, self.low, self.high, samples=self.samples, read=read)  # type: ignore[arg-type]
            verdicts = Verdicts(chat, sampling)

            def begun(texts: list[str]) -> Callable[[], Awaitable[list[Judgement]]]:
                one = verdicts.judged if self.pairs else judge.judged
                return lambda: asyncio.gather(*(one([{"role": "user", "content": text}]) for text in texts))

            vain = Stall(self.stall, "rows")

            def watch(judged: Sequence[Judgement]) -> None:
                lost = all(one.score is None for one in judged)
                vain.note(asked=True, why="no_score" if lost else None, said=judged[0].error)

            found: list[Found] = []
            with contextlib.closing(in_order(chat, (begun(texts) for _, texts in asked), watch)) as come:
                for done, judged in enumerate(come, start=1):
                    one = judged[0]
                    found.append(paired(judged) if self.pairs else Found(one.score, one.reason or None, one.error))
                    spent = f"${chat.budget.spent:.4f}, " if chat.budget.price else ""
                    ctx.at(done, f"{spent}{chat.sent:,} asked")
        return found

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Drop what scores below `min_score`, and what has no score then; without it keep every row."""
        from datagen.chat.recorded import used

        self.refuse(columns)
        score = columns.column("judge_score").combine_chunks().cast(pa.float64())
        n = len(score)
        errors = [e for e in columns.column("judge_error").to_pylist() if e]
        low, high = (0, 1) if self.pairs else (self.low, self.high)
        values = np.asarray(score.drop_null(), np.float64)
        counts, edges = np.histogram(values, bins=BINS, range=(low, high))
        bins = zip(pairwise(edges.round(3).tolist()), counts.tolist(), strict=True)
        notes: dict[str, Any] = {
            "scored": len(values), "mean_score": round(float(values.mean()), 4) if len(values) else None,
            "distribution": [[*limits, count] for limits, count in bins],
            "rows_not_scored": n - len(values), **({"first_error": errors[0]} if errors else {}),
            **(wins(values, columns) if self.pairs else {}),
            **({} if self.loadable else used(self, ctx.folder, offline=ctx.offline)),
        }  # fmt: skip
        if self.min_score is None:
            return Verdict(pa.nulls(n, pa.string()), notes=notes)
        below = pc.if_else(pc.less(score, self.min_score), "low_score", pa.scalar(None, pa.string()))
        reason = pc.if_else(pc.is_null(score), "no_score", below)
        said = (columns.column(name).combine_chunks().cast(pa.string()) for name in ("judge_reason", "judge_error"))
        evidence = pc.coalesce(*said)
        return Verdict(reason, score, threshold=pa.array(np.full(n, self.min_score)), evidence=evidence, notes=notes)


def rubric_text(path: str) -> str:
    """Return the text of a rubric; raises UsageError where it cannot be read."""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"rubric: {path} is no text file in UTF-8 ({e})") from None


@lru_cache(maxsize=1)
def _choices(model: str, identity: str) -> Choices:
    """The loaded model of this identity, kept for the next batch."""
    from datagen.models.choices import Choices

    return Choices(model)
