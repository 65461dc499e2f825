"""The learning difficulty of Cherry: how much harder an answer stays although its instruction is given."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.data.rows import ROW, view
from datagen.errors import UsageError
from datagen.options import between, option
from datagen.stage import Context, Stage, Verdict
from datagen.text.row_language import language_of

if TYPE_CHECKING:
    from datagen.models.answer_loss import AnswerLoss

UNREAD = 0.01  # share of the rows that may be in languages that the model does not read; they are not eligible
BITS_PER_BYTE = 1.4  # of answers alone: the embedded model spends 0.7 to 1.2 on English, 1.6 to 2.1 on Chinese and Thai
LEAST_BYTES = 2000  # of a language's answers; fewer tell nothing


@dataclass(frozen=True)
class Ifd(Stage):
    """Score the learning difficulty (IFD) of each row; with `keep`, keep the hardest share.

    IFD = mean loss of the answer given the whole context / its mean loss alone, over the same tokens (`ratio=ppl`: of the
    perplexities). Without `keep` nothing is dropped. With it the share `keep` of the eligible rows stays, hardest first, within
    each language or source if asked; not eligible are `ifd_above_1` (the instruction makes the answer less likely), `too_long`,
    `no_answer`, `control_tokens` (the row holds one of the model's, as in training) and `unread_language`. run.json says how
    IFD goes with length, and the bits per byte of each language; the run ends where more than 1 % of the rows are in languages
    that the model does not read.
    Source: Cherry (Li et al. 2024, arXiv 2308.12032); for ppl Superfiltering (2024, arXiv 2402.00530).
    """

    keep: float | None = option(None, "share of the eligible rows that stays; off = only the columns")
    ratio: Literal["loss", "ppl"] = option("loss", "of the mean losses (Cherry), or of the perplexities (Superfiltering)")
    within: Literal["all", "language", "source"] = option("all", "what the share is taken of")
    model: str = option("smollm2", "smollm2, a folder (an adapter too), a Hub id, or pre_experience in a recipe")
    max_length: int = option(2048, "tokens; a longer row is not scored")
    device: str = option("auto", "auto, cpu, cuda, mps")
    dtype: Literal["auto", "float32", "bfloat16"] = option("auto", "auto: bfloat16 where the device has instructions for it")

    version: ClassVar[int] = 3
    parallel: ClassVar[Literal["rows", "device"]] = "device"
    chunk: ClassVar[int] = 256
    reasons: ClassVar[frozenset[str]] = frozenset(
        {"ifd_above_1", "too_long", "no_answer", "control_tokens", "unread_language", "easier"}
    )
    decides: ClassVar[frozenset[str]] = frozenset({"keep", "ratio", "within"})

    def __post_init__(self) -> None:
        if self.keep is not None:
            between("keep", self.keep, 0, 1)
        between("max_length", self.max_length, 8, 2**20)

    @property
    def adds(self) -> dict[str, pa.DataType]:
        """The two losses, in nats per token."""
        return {"loss_given_context": pa.float64(), "loss_alone": pa.float64()}

    @property
    def marks(self) -> dict[str, pa.DataType]:
        """The difficulty."""
        return {"ifd": pa.float64()}

    @property
    def reads(self) -> tuple[str, ...]:
        """What the share may be taken within."""
        return ("language", "source")

    def score_options(self) -> dict[str, Any]:
        """What the losses depend on; where they are computed is no part of it."""
        return {name: value for name, value in super().score_options().items() if name != "device"}

    def identity(self) -> str:
        """The model's weights."""
        from datagen.models.adapter import identity
        from datagen.models.causal_lm import refuse_gguf

        refuse_gguf(self.model)
        return identity(self.model)

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the losses of each row's answer, its tokens and bytes, why it has none, and its language and source."""
        scorer = _loaded(self.model, self.device, self.dtype)
        answers = [scorer.answer(row, self.max_length) for row in rows.select(ROW.names).to_pylist()]
        able = [i for i, a in enumerate(answers) if a.reason is None]
        given, alone = np.full(len(answers), math.nan), np.full(len(answers), math.nan)
        if able:
            given[able], alone[able] = scorer.given_and_alone([answers[i] for i in able], lambda n: ctx.at(n, ""))
        nothing = np.isnan(given)
        known = rows.column("language").to_pylist()
        said = zip(known, view(rows, "instruction"), view(rows, "answer"), strict=True)
        languages = [k or language_of(task, answer) for k, task, answer in said]
        return {
            "loss_given_context": pa.array(given, mask=nothing), "loss_alone": pa.array(alone, mask=nothing),
            "tokens": pa.array([a.end - a.start for a in answers], pa.int64()),
            "bytes": pa.array([a.bytes for a in answers], pa.int64()),
            "why": pa.array([a.reason for a in answers], pa.string()),
            "token": pa.array([a.token for a in answers], pa.string()), "spoken": pa.array(languages, pa.string()),
            "from": rows.column("source").combine_chunks(),
        }  # fmt: skip

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep the hardest of each group; add the difficulty of all."""
        given = columns.column("loss_given_context").to_numpy()
        alone = columns.column("loss_alone").to_numpy()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ifd = given / alone if self.ratio == "loss" else np.exp(given - alone)
        ifd[~np.isfinite(ifd)] = math.nan
        bits, unread = self._read(columns)
        notes: dict[str, Any] = {"bits_per_byte": bits, "length": _length(columns, ifd)}
        spoken = {*columns.column("spoken").to_pylist()} - {"", None, *bits}
        notes |= {"not_judged": sorted(spoken)} if spoken else {}
        marks = {"ifd": pa.array(ifd, mask=np.isnan(ifd))}
        reason = columns.column("why").to_numpy(zero_copy_only=False).copy()
        reason[np.isnan(ifd) & missing(reason)] = "no_answer"  # an answer of no loss at all has no difficulty
        reason[ifd > 1] = "ifd_above_1"
        reason[unread] = "unread_language"
        if why := Counter(r for r in reason.tolist() if r is not None):
            notes["not_eligible"] = dict(sorted(why.items()))
        if self.keep is None:
            return Verdict(pa.nulls(len(ifd), pa.string()), columns=marks, notes=notes)
        threshold = np.full(len(ifd), math.nan)
        for group in self._groups(columns):
            able = group[missing(reason[group])]
            order = able[np.argsort(-ifd[able], kind="stable")]
            count = round(self.keep * len(order))
            reason[order[count:]] = "easier"
            threshold[group] = ifd[order[count - 1]] if count else 1.0
        threshold[reason == "ifd_above_1"] = 1.0
        return Verdict(
            pa.array(reason, pa.string()),
            marks["ifd"],
            pa.array(threshold, mask=np.isnan(threshold)),
            evidence=columns.column("token").combine_chunks(),
            columns=marks,
            notes=notes,
        )

    def _groups(self, columns: pa.Table) -> list[npt.NDArray[np.int64]]:
        """The rows of each group that a share is taken of."""
        if self.within == "all":
            return [np.arange(len(columns))]
        names = columns.column("spoken" if self.within == "language" else "from").to_numpy(zero_copy_only=False)
        return [np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())]

    def refuse(self, columns: pa.Table, leeway: float = 1.0) -> None:
        """Refuse a model that does not read the languages of more than a few rows."""
        self._read(columns, leeway)

    def _read(self, columns: pa.Table, leeway: float = 1.0) -> tuple[dict[str, float], npt.NDArray[np.bool_]]:
        """Return the bits per byte of each language, and of each row whether the model does not read its language.

        Raises:
            UsageError: it does not read too many.
        """
        bits = _bits(columns)
        wrong = [language for language, value in bits.items() if value > BITS_PER_BYTE]
        unread = np.isin(columns.column("spoken").to_numpy(zero_copy_only=False).astype(str), wrong)
        if unread.sum() > leeway * UNREAD * len(columns):
            worst = max(wrong, key=bits.__getitem__)
            raise UsageError(
                f"stage 'ifd': the model '{self.model}' spends {bits[worst]:.2f} bits per byte on answers in '{worst}', so it"
                " does not read that language; name one that does, such as --set ifd.model=Qwen/Qwen2.5-0.5B"
            )
        return bits, unread


def _bits(columns: pa.Table) -> dict[str, float]:
    """Return the bits per byte of each language's answers, where there are enough of them to tell."""
    alone = columns.column("loss_alone").to_numpy()
    tokens, size = columns.column("tokens").to_numpy(), columns.column("bytes").to_numpy()
    spoken = columns.column("spoken").to_numpy(zero_copy_only=False)
    scored = ~np.isnan(alone)
    found: dict[str, float] = {}
    for language in sorted({*spoken[scored].tolist()} - {"", None}):
        here = scored & (spoken == language)
        if size[here].sum() >= LEAST_BYTES:
            found[language] = round(float((alone[here] * tokens[here]).sum() / math.log(2) / size[here].sum()), 4)
    return found


def missing(reason: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Say of each row whether nothing speaks against it yet."""
    return np.array([r is None for r in reason], bool)


def _length(columns: pa.Table, ifd: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return how IFD goes with the length of answers: Spearman's rank correlation, and the mean of each half."""
    able = ~np.isnan(ifd)
    tokens, values = columns.column("tokens").to_numpy()[able], ifd[able]
    if len(values) < 3 or np.ptp(tokens) == 0 or np.ptp(values) == 0:
        return {}
    from scipy.stats import spearmanr

    short = tokens <= np.median(tokens)
    return {
        "spearman": round(float(spearmanr(tokens, values).statistic), 4),
        "mean_ifd_shorter_half": round(float(values[short].mean()), 4),
        "mean_ifd_longer_half": round(float(values[~short].mean()), 4) if (~short).any() else math.nan,
    }


@lru_cache(maxsize=1)
def _loaded(model: str, device: str, dtype: str) -> AnswerLoss:
    from datagen.models.answer_loss import AnswerLoss

    return AnswerLoss(model, device, dtype)
