"""The doctor: what an OpenAI-compatible endpoint can do, found out by small requests, and which generators that allows.

One probe per capability, one after another, each with its own time limit; a probe that could mean nothing after what was found
before is not tried. "Works" means obeyed where that can be seen, not accepted: many endpoints take a parameter and ignore it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from datagen.chat.masking import one_line, secrets_of, without_userinfo
from datagen.chat.opening import OPENAI, not_here
from datagen.chat.prices import find_price
from datagen.chat.wire import client
from datagen.doctor import capabilities, probes
from datagen.doctor.probe_client import Visit
from datagen.doctor.probes import Finding
from datagen.models.names import EMBEDDED, is_gguf, is_local

FamilyOf = Callable[[str], str | None]
WORDS = 400  # characters of a finding
ALPACA_CONTEXT = 4096  # tokens: a prompt with its examples, and a completion of several tasks


@dataclass(frozen=True)
class Probe:
    """One question to an endpoint; `needs` names the probes of which one must not have failed."""

    name: str
    find: Callable[[Visit], Awaitable[Finding]]
    needs: tuple[str, ...] = ("chat", "completions")


PROBES = (
    Probe("reachable", probes.reachable, ()),
    Probe("key", probes.key_accepted, ("reachable",)),
    Probe("model", probes.model_known, ("key",)),
    Probe("chat", probes.chat, ("model",)),
    Probe("completions", probes.completions, ("model",)),
    Probe("raw prompts", capabilities.raw_prompts, ("completions",)),
    Probe("system message", capabilities.system_message, ("chat",)),
    Probe("max_tokens", capabilities.max_tokens),
    Probe("stop", capabilities.stop),
    Probe("temperature", capabilities.temperature),
    Probe("top_p", capabilities.top_p),
    Probe("seed", capabilities.seed),
    Probe("n", capabilities.n),
    Probe("logprobs", capabilities.logprobs),
    Probe("JSON schema", capabilities.json_schema, ("chat",)),
    Probe("reasoning", capabilities.reasoning, ("chat",)),
    Probe("usage", capabilities.usage),
    Probe("context", probes.context, ("model",)),
    Probe("latency", probes.latency),
    Probe("rate limits", probes.rate_limits),
    Probe("price", probes.price, ("model",)),
    Probe("batch API", probes.batch_api, ("key",)),
)
OPENING = ("chat", "completions")  # whatever asks the model needs one that works; an unanswered one is not enough


@dataclass(frozen=True)
class Allowed:
    """Whether a generator works at an endpoint, and why."""

    generator: str
    allowed: bool
    why: str


@dataclass(frozen=True)
class Findings:
    """What the doctor found at an endpoint, and what finding it cost; `usd` is None where no price is known."""

    base_url: str
    model: str | None
    probes: tuple[Finding, ...]
    generators: tuple[Allowed, ...]
    requests: int
    input_tokens: int
    output_tokens: int
    uncounted: int  # answers without a count of tokens
    usd: float | None
    seconds: float

    def of(self, probe: str) -> Finding:
        """Return the finding of a probe."""
        return next(f for f in self.probes if f.probe == probe)

    @property
    def usable(self) -> bool:
        """Whether chat or raw completions work."""
        return any(self.of(path).verdict == "works" for path in OPENING)

    @property
    def trouble(self) -> str:
        """Why nothing works, on one line; "" when something does."""
        if self.usable:
            return ""
        first = next(f for f in self.probes if f.verdict == "does not" or f.probe == "chat")
        return f"{self.base_url}: {first.probe}: {first.words}"


def diagnose(
    base_url: str | None = None, model: str | None = None, *, timeout_s: float = 30.0, context: bool = False,
    family_of: FamilyOf = lambda model: None, on_probe: Callable[[int], None] = lambda done: None,
) -> Findings:  # fmt: skip
    """Examine the endpoint that the arguments and the environment name, as the generators find theirs.

    `base_url`, else OPENAI_BASE_URL; without either a local model is served here (`smollm2` where none is named), and any
    other model is looked for at OpenAI. The key comes from OPENAI_API_KEY only.

    Raises:
        UsageError: an address that is not one.
        ModelError: a key that cannot be sent, or a local model that does not start.
    """
    from datagen.serving.servable import servable
    from datagen.serving.served import served

    here = model is not None and is_local(model)
    base_url = base_url or (None if here else os.environ.get("OPENAI_BASE_URL"))
    if model and not here and not base_url:
        not_here(model)
        base_url = OPENAI
    if base_url:
        key = os.environ.get("OPENAI_API_KEY")
        return examine(
            base_url, model, api_key=key, timeout_s=timeout_s, context=context, family_of=family_of, on_probe=on_probe
        )  # fmt: skip
    with served(servable(model or EMBEDDED)[0]) as endpoint:
        found = examine(endpoint.base_url, endpoint.model, local=True, timeout_s=timeout_s, context=context, on_probe=on_probe)
    return dataclasses.replace(found, model=model or EMBEDDED)


def examine(
    base_url: str, model: str | None, *, api_key: str | None = None, local: bool = False, timeout_s: float = 30.0,
    context: bool = False, family_of: FamilyOf = lambda model: None, on_probe: Callable[[int], None] = lambda done: None,
) -> Findings:  # fmt: skip
    """Find out what a model at an endpoint can do.

    Args:
        base_url: the address of the API, with its version: `http://host/v1`.
        model: the endpoint's name for it; None takes the only one that the endpoint lists.
        api_key: sent, and masked in everything that the endpoint says.
        local: the model is served on this machine for this visit; `model` is its folder or GGUF file.
        timeout_s: seconds for each probe.
        context: find the context length by longer and longer prompts, which costs their tokens.
        family_of: tells a model's chat template by its name, None where it does not know it.
        on_probe: called with the number of probes done.

    Raises:
        UsageError: `base_url` is not an address.
        ModelError: `api_key` cannot be sent.
    """
    secrets = secrets_of(base_url, api_key)
    return asyncio.run(_examined(base_url, model, api_key, secrets, local, timeout_s, context, family_of, on_probe))


async def _examined(
    base_url: str, model: str | None, api_key: str | None, secrets: tuple[str, ...], local: bool, timeout_s: float,
    context: bool, family_of: FamilyOf, on_probe: Callable[[int], None],
) -> Findings:  # fmt: skip
    clock = asyncio.get_running_loop().time
    started = clock()
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(client(base_url, api_key, timeout_s))
        visit = Visit(api, model, secrets=secrets, timeout_s=timeout_s, has_key=bool(api_key), local=local)
        found: dict[str, Finding] = {}
        for done, probe in enumerate(PROBES):
            find = probes.context_by_asking if context and probe.name == "context" else probe.find
            found[probe.name] = _not_tried(probe, found) or await _tried(probe.name, find, visit)
            on_probe(done + 1)
    price = None if local or visit.model is None else find_price(visit.model, base_url, None, None)
    name = visit.model and one_line(visit.model, secrets, WORDS)
    generators = allowed(found, _template(visit.model or "", local, family_of), local=local)
    return Findings(
        base_url=without_userinfo(base_url), model=name, probes=tuple(found.values()),
        generators=generators, requests=visit.requests, input_tokens=visit.used.input,
        output_tokens=visit.used.output, uncounted=visit.uncounted,
        usd=0.0 if local else price.usd(visit.used) if price else None, seconds=clock() - started,
    )  # fmt: skip


def _not_tried(probe: Probe, found: Mapping[str, Finding]) -> Finding | None:
    """The finding of a probe that could mean nothing now."""
    if not probe.needs:
        return None
    needed = [found[name] for name in probe.needs]
    if any(f.verdict == "works" if f.probe in OPENING else f.verdict != "does not" and f.tried for f in needed):
        return None
    return Finding(probe.name, "unknown", f"not tried: {' and '.join(f.probe for f in needed)} did not work", tried=False)


async def _tried(name: str, find: Callable[[Visit], Awaitable[Finding]], visit: Visit) -> Finding:
    visit.begin()
    try:
        finding = await find(visit)
        return dataclasses.replace(finding, words=one_line(finding.words, visit.secrets, WORDS))
    except (TypeError, ValueError, LookupError, AttributeError) as e:
        return Finding(name, "unknown", f"the answer cannot be read: {type(e).__name__}")


def _template(model: str, local: bool, family_of: FamilyOf) -> str | None:
    """Where a model's chat template is known from."""
    if local and is_gguf(model):
        return "template from the model's file"
    if local and Path(model, "chat_template.jinja").is_file():
        return "template from the model's folder"
    family = family_of(model)
    return f"template {family} by its name" if family else None


def allowed(found: Mapping[str, Finding], template: str | None, *, local: bool) -> tuple[Allowed, ...]:
    """Return which generators work with what was found; `template` says where the model's chat template is known from."""
    window = found["context"].values.get("tokens")
    short = isinstance(window, int) and window < ALPACA_CONTEXT
    chat = _missing(found, "chat")
    raw = _missing(found, "completions", "raw prompts") or _same_draws(found)
    budget = (
        "max_tokens is not obeyed: no worst case holds" if found["max_tokens"].verdict == "ignored" else ""
    ) or _missing(found, *(() if found["completions"].verdict == "works" else ("chat",)))  # fmt: skip
    counts = "costs from usage" if found["usage"].verdict == "works" else "no usage: each answer held at its worst case"
    priced = "" if found["price"].verdict == "works" else "; give --price-in and --price-out"
    notes = {"does not": "; with --temperature off", "ignored": "; --temperature is not obeyed"}
    temperature = notes.get(found["temperature"].verdict, "")

    def entry(generator: str, missing: str, why: str) -> Allowed:
        return Allowed(generator, not missing, missing or why)

    return (
        entry(
            "self-instruct --method alpaca", chat or (f"a context of {window:,} tokens is too short" if short else ""),
            ("chat" if window else "chat; context unknown, 4,096 tokens are needed") + temperature,
        ),
        entry("self-instruct --method original", chat, "chat" + temperature),
        entry(
            "self-instruct --method one", chat or (raw if local else ""),
            ("chat and raw prompts" if local else "chat") + temperature,
        ),
        entry("magpie", raw or chat, f"chat and raw prompts; {template or 'give its --template'}{temperature}"),
        entry("scores by logprobs", _missing(found, "logprobs"), found["logprobs"].words),
        entry("--budget-usd", budget, counts + priced),
        entry("batches", _missing(found, "batch API"), "batch API"),
    )  # fmt: skip


def _missing(found: Mapping[str, Finding], *probes_needed: str) -> str:
    """What stands in the way, "" when all of them work."""
    for name in probes_needed:
        if found[name].verdict != "works":
            return f"needs {name}: {found[name].verdict if found[name].tried else 'not tried'}"
    return ""


def _same_draws(found: Mapping[str, Finding]) -> str:
    return "every draw gives one text" if found["temperature"].values.get("varies") is False else ""
