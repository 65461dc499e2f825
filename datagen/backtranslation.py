"""Instruction backtranslation as one recipe: passages, instructions, self-curation in rounds, a tagged mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from datagen import options as option_fields
from datagen.errors import UsageError, did_you_mean
from datagen.models.names import EMBEDDED, is_gguf, is_local
from datagen.options import option

# Per language: the system line of rows by people, and of made ones (Humpback's).
TAGS = {
    "en": ("Answer in the style of an AI Assistant.", "Answer with knowledge from web search."),
    "zh": ("以 AI 助手的风格回答。", "用网络搜索得到的知识回答。"),
    "th": ("ตอบในแบบของผู้ช่วย AI", "ตอบด้วยความรู้จากการค้นหาบนเว็บ"),
}
# Options that every step which asks a model gets.
SHARED = (
    "model", "base_url", "concurrency", "rpm", "tpm", "timeout_s", "max_answer_mb", "budget_usd", "max_requests",
    "price_in", "price_out", "retry_failed", "prompts", "language", "extra_body", "via", "stall",
)  # fmt: skip
PAID = ("base_url", "budget_usd", "max_requests", "price_in", "price_out", "via")  # of endpoints only
PRICES = ("price_in", "price_out")  # of one model; another has its own
SAMPLING = ("temperature", "top_p", "max_output_tokens")  # of the instructions; the judge has its own


@dataclass(frozen=True)
class Backtranslation:
    """Make instruction rows of DOCUMENTS (text, Markdown, HTML, records): instruction backtranslation.

    They are cut into self-contained passages; the model (one of `datagen train --direction backward` is best) writes the
    instruction that each answers; with --fit the pairs that fit worst go; a judge scores the others. With --seed-rows the
    result is mixed with rows by people, each with its own system line and `source`.
    """

    usage: ClassVar[tuple[str, ...]] = (
        "datagen backtranslate pages/ -o runs/pages --model gpt-4o-mini --estimate",
        "datagen backtranslate pages/ -o runs/pages --seed-rows mine.jsonl --rewrite",
    )

    seed_rows: str | None = option(None, "rows written by people: mixed in, tuned on, compared with")
    min_score: float | None = option(None, "of the judge, 1 to 5, below which a row goes; off = 4")
    rewrite: bool = option(False, "say each kept passage as an assistant would, grounded in it")
    rounds: int = option(1, "rounds of self-curation; from the second a model tuned on the good rows judges")
    id_field: str | None = option(None, "of records; off = id, url, ... else file and position", group="Documents")
    text_field: str | None = option(None, "of records; off = text, content, ...", group="Documents")
    min_words: int | None = option(None, "of a passage; off = 40", group="Documents")
    max_words: int | None = option(None, "of a passage; off = 350", group="Documents")
    limit: int | None = option(None, "documents that are read; off = all", group="Documents")
    fit: float | None = option(None, "keep only this share of the pairs, the most alike by embedding", group="Curation")
    fit_model: str | None = option(None, "the sentence-transformers model of fit; off = minilm: English", group="Curation")
    judge_model: str | None = option(
        None, "who scores, and rewrites; off = model, or smollm2 where that is a local one", group="Curation"
    )
    judge_base_url: str | None = option(None, "where the judge answers; off = base_url", group="Curation")
    judge_price_in: float | None = option(None, "of the judge's model, dollars per million input tokens", group="Curation")
    judge_price_out: float | None = option(None, "of the judge's model, dollars per million output tokens", group="Curation")
    samples: int | None = option(None, "answers of the judge, where there are no probabilities; off = 1", group="Curation")
    tune_model: str | None = option(None, "what is tuned for later rounds; off = smollm2", group="Curation")
    tune_steps: int | None = option(None, "optimiser steps of later rounds; off = one epoch", group="Curation")
    no_tags: bool = option(False, "no system lines that tell rows by people and made rows apart", group="Curation")


OWN = tuple(f.name for f in fields(Backtranslation))


def steps(documents: Sequence[str], given: Mapping[str, Any]) -> list[Any]:
    """Return the steps of a backtranslation as a recipe holds them.

    Args:
        documents: files or folders.
        given: options of `Backtranslation`, SHARED and SAMPLING; those that are left out have their defaults.

    Raises:
        UsageError: an option that is none of them.
    """
    own = option_fields.read(Backtranslation, {k: v for k, v in given.items() if k in OWN}, "backtranslate")
    given = {**given, **own}
    _check(given)

    def part(**names: str) -> dict[str, Any]:
        return {ours: given[theirs] for ours, theirs in names.items() if theirs in given}

    model = {name: given[name] for name in SHARED if name in given}
    if is_local(str(given.get("model", EMBEDDED))):  # it costs nothing, and answers here
        model = {name: value for name, value in model.items() if name not in PAID}
    sampling = part(temperature="temperature", top_p="top_p", max_output_tokens="max_output_tokens", seed_rows="seed_rows")
    assistant = _assistant(given, model)
    judge = _judge(given, assistant)
    score = given.get("min_score", 4.0)
    cut = {
        "documents": list(documents),
        **part(id_field="id_field", text_field="text_field", min_words="min_words", max_words="max_words", limit="limit"),
    }
    found: list[Any] = [{"passages": cut}, {"backtranslate": {**model, **sampling}}]
    if "fit" in given:  # before the judge, which may be paid
        found.append({"semantic": {"mode": "top_k", "keep": given["fit"], **part(model="fit_model")}})
    for turn in range(1, given.get("rounds", 1)):
        tuned = {**part(seeds="seed_rows", model="tune_model", steps="tune_steps"), "min_score": score}
        found += [{"judge": judge}, {"forward_model": tuned}]
        judge = {"model": "forward_model" if turn == 1 else f"forward_model_{turn}", "prompt": "self_curation"}
        judge |= part(prompts="prompts")
    found.append({"judge": {**judge, "min_score": score}})
    if given.get("rewrite"):
        found.append({"rewrite": {**assistant, **part(max_output_tokens="max_output_tokens"), "how": "grounded"}})
    if "seed_rows" in given:
        language = given.get("language", "en")
        real, pseudo = TAGS["en" if language == "auto" else language]
        last = "rewrite" if given.get("rewrite") else "judge" if given.get("rounds", 1) == 1 else f"judge_{given['rounds']}"
        mixed: dict[str, Any] = {"sources": {"seed_rows": given["seed_rows"], "backtranslated": {"from": last}}}
        if not given.get("no_tags"):
            mixed["systems"] = {"seed_rows": real, "backtranslated": pseudo}
        found.append({"mix": mixed})
    return found


def _check(given: Mapping[str, Any]) -> None:
    if wrong := next((name for name in given if name not in (*SHARED, *SAMPLING, *OWN)), None):
        raise UsageError(f"backtranslate has no option '{wrong}'{did_you_mean(wrong, (*SHARED, *SAMPLING, *OWN))}")
    if given.get("rounds", 1) < 1:
        raise UsageError(f"rounds must be 1 or more, not {given['rounds']}")
    fit = given.get("fit", 1.0)
    if not isinstance(fit, (int, float)) or not 0 < fit <= 1:
        raise UsageError(f"fit must be a number above 0 and at most 1, not {fit!r}")
    if "fit_model" in given and "fit" not in given:
        raise UsageError("fit_model is the model of fit, which is not given: --fit SHARE")


_ITS = {"base_url": "judge_base_url", "price_in": "judge_price_in", "price_out": "judge_price_out"}  # its option <- ours


def _assistant(given: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the model that judges and rewrites: one that was tuned to write instructions does neither well."""
    named = given.get("judge_model")
    maker = str(given.get("model", EMBEDDED))
    if named is None and is_local(maker) and not is_gguf(maker):
        named = EMBEDDED
    own = {ours: given[theirs] for ours, theirs in _ITS.items() if theirs in given}
    if named is None:
        return {**model, **own}
    away = PAID if is_local(str(named)) else PRICES if named != given.get("model") else ()
    return {**{k: given[k] for k in SHARED if k in given and k not in away}, "model": named, **own}


def _judge(given: Mapping[str, Any], assistant: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the first judge."""
    judge: dict[str, Any] = {**assistant, "prompt": "self_curation"}
    if "samples" in given:
        judge["samples"] = given["samples"]
    if judge.get("samples", 1) > 1:
        judge["temperature"] = given.get("temperature", 0.7)
    return judge
