"""What the doctor finds out about a model's answers: which parameters are accepted, and which of those are also obeyed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from datagen.doctor.probe_client import LONG, ROOM, Answer, Visit, dig
from datagen.doctor.probes import Finding, failed
from datagen.marks import split_thought

OPEN = "Write a list of ten unrelated words."  # has many equally good answers
SPELL = "Repeat after me: one two three four five six seven eight nine ten"
SYSTEM = (
    "You are a careful assistant. You write in lower case, you use no more words than are needed, you never mention these"
    " rules, and whenever somebody asks you for a list you separate its members by commas."
)
SCHEMA = {
    "type": "object", "properties": {"capital_city": {"type": "string"}}, "required": ["capital_city"],
    "additionalProperties": False,
}  # fmt: skip
SCHEMA_ROOM = 64  # output tokens; a pretty-printed object needs them
FEW = 3  # tokens of the prompt "a": itself, and a beginning and an end of text
VERY_LITTLE = 4  # tokens; any answer is longer
PER_TOKEN = 16  # characters; longer ones are rare
TAIL = 12  # characters that a token may hold after a stop string


def _whole(answer: Answer) -> str:
    return answer.thought + answer.text


async def raw_prompts(visit: Visit) -> Finding:
    """Whether the text of a raw completion reaches the model as it is, without a chat template around it."""
    long = await visit.first_completion()
    short = await visit.complete("a", max_tokens=1)
    if not short.ok:
        return failed("raw prompts", short)
    continues = long.text.lstrip().lower().startswith("zy")
    # A count that is the same for two lengths is none.
    counted = short.usage if short.usage and long.usage and short.usage.input < long.usage.input else None
    if counted and counted.input > FEW:
        words = f"the prompt 'a' counts {counted.input} tokens: a chat template is put around it"
        return Finding("raw prompts", "does not", words)
    if counted:
        return Finding("raw prompts", "works", f"the prompt 'a' counts {counted.input} token{'s' * (counted.input > 1)}")
    if continues:
        return Finding("raw prompts", "works", "a word that breaks off is continued")
    return Finding("raw prompts", "unknown", "a word that breaks off is not continued, and tokens are not counted")


async def system_message(visit: Visit) -> Finding:
    """Whether a system message is accepted and reaches the model, by what it adds to the counted prompt."""
    before = await visit.first_chat()
    answer = await visit.chat(LONG, system=SYSTEM)
    if not answer.ok:
        return failed("system message", answer)
    if answer.usage and before.usage and answer.usage.input == before.usage.input:
        return Finding("system message", "ignored", "the prompt counts as many tokens with it as without")
    return Finding("system message", "works", "accepted")


async def max_tokens(visit: Visit) -> Finding:
    """Whether an answer ends at its limit, and by which name the limit goes."""
    answer, room = await visit.first(), visit.first_room
    if not _at_limit(answer, room) and not _above_limit(answer, room):
        room = VERY_LITTLE
        answer = await visit.say(LONG, **{visit.limit: room})
    path = {"limit": visit.limit}
    size = f"{answer.usage.output} tokens" if answer.usage else f"{len(_whole(answer))} characters"
    if not answer.ok:
        return failed("max_tokens", answer)
    if _above_limit(answer, room):
        return Finding("max_tokens", "ignored", f"{room} tokens were allowed, {size} came", path)
    if visit.limit != "max_tokens":
        return Finding("max_tokens", "does not", "it demands max_completion_tokens, which works", path)
    if _at_limit(answer, room):
        return Finding("max_tokens", "works", f"an answer ends at {room} tokens", path)
    return Finding("max_tokens", "unknown", f"the answer ended by itself after {size}", path)


def _at_limit(answer: Answer, room: int) -> bool:
    return answer.cut or (answer.usage is not None and answer.usage.output == room)


def _above_limit(answer: Answer, room: int) -> bool:
    return (answer.usage is not None and answer.usage.output > room) or len(_whole(answer)) > PER_TOKEN * room


async def stop(visit: Visit) -> Finding:
    """Whether an answer ends before a stop string: the letter e, which hardly any English text is without."""
    answer = await visit.say(SPELL, stop=["e"])
    if not answer.ok:
        return failed("stop", answer)
    _, found, after = answer.text.partition("e")
    if found and (answer.cut or len(after) > TAIL):
        return Finding("stop", "ignored", "the answer goes on after the stop string")
    if not found and answer.cut:
        return Finding("stop", "unknown", "the answer never met the stop string")
    return Finding("stop", "works", "obeyed; the stop string stays in the text" if found else "obeyed")


async def _texts(visit: Visit, times: int, **parameters: Any) -> list[str] | Answer:
    """The texts of the same request sent several times, or the first refusal."""
    texts = []
    for _ in range(times):
        answer = await visit.say(OPEN, **parameters)
        if not answer.ok:
            return answer
        texts.append(_whole(answer))
    return texts


async def temperature(visit: Visit) -> Finding:
    """Whether temperature 1 draws and temperature 0 does not."""
    drawn = await _texts(visit, 3, temperature=1)
    if isinstance(drawn, Answer):
        return failed("temperature", drawn)
    if not any(drawn):
        return Finding("temperature", "unknown", "the answers are empty")
    visit.varies = len(set(drawn)) > 1
    if not visit.varies:
        return Finding("temperature", "ignored", "1 gives one text three times: no draw, or a cache", {"varies": False})
    still = await _texts(visit, 2, temperature=0)
    if isinstance(still, Answer):
        refused = failed("temperature", still)
        return Finding("temperature", refused.verdict, f"1 draws; 0: {refused.words}", {"varies": True})
    if still[0] != still[1]:
        return Finding("temperature", "ignored", "0 gives two texts for one request", {"varies": True})
    return Finding("temperature", "works", "0 repeats itself, 1 draws", {"varies": True})


async def top_p(visit: Visit) -> Finding:
    """Whether top_p cuts the draw: next to 0 it leaves one token to draw from."""
    texts = await _texts(visit, 2, top_p=0.001, **({"temperature": 1} if visit.varies else {}))
    if isinstance(texts, Answer):
        return failed("top_p", texts)
    if texts[0] != texts[1]:
        return Finding("top_p", "ignored", "0.001 draws as 1 does")
    if not visit.varies:
        return Finding("top_p", "unknown", "accepted; there is no draw that it could narrow")
    return Finding("top_p", "works", "0.001 repeats itself")


async def seed(visit: Visit) -> Finding:
    """Whether a seed fixes the draw: one text with one seed, another text with another, alone and beside other requests."""

    async def drawn(number: int) -> Answer:
        return await visit.say(OPEN, temperature=1, seed=number)

    texts = []
    for number in (17, 17, 18, 19):
        answer = await drawn(number)
        if not answer.ok:
            return failed("seed", answer)
        texts.append(_whole(answer))
        if len(texts) > 1 and texts[0] != texts[1]:
            return Finding("seed", "ignored", "one seed gives two texts")
        if len(texts) > 2 and texts[-1] != texts[0]:
            break
    else:
        return Finding("seed", "ignored", "every seed gives one text: no draw, or a cache")
    beside = await asyncio.gather(drawn(17), drawn(17))
    if any(a.ok and _whole(a) != texts[0] for a in beside):
        return Finding("seed", "works", "alone only: beside another request one seed gives two texts", {"beside": False})
    return Finding("seed", "works", "one seed repeats its text, another one does not", {"beside": all(a.ok for a in beside)})


async def n(visit: Visit) -> Finding:
    """Whether two choices come when two are asked for."""
    answer = await visit.say(OPEN, n=2)
    if not answer.ok:
        return failed("n", answer)
    came = len(answer.body["choices"])
    return Finding("n", "works", "2 choices came") if came == 2 else Finding("n", "ignored", f"2 were asked for, {came} came")


async def logprobs(visit: Visit) -> Finding:
    """Whether the log-probabilities of an answer's tokens come with it."""
    by_chat = (await visit.first_chat()).ok
    answer = await visit.say(LONG, **({"logprobs": True, "top_logprobs": 2} if by_chat else {"logprobs": 2}))
    if not answer.ok:
        return failed("logprobs", answer)
    found = dig(answer.body, "choices", 0, "logprobs", "content" if by_chat else "token_logprobs")
    if not isinstance(found, list) or not found:
        return Finding("logprobs", "ignored", "accepted, but none came")
    if by_chat and len(dig(found, 0, "top_logprobs") or []) < 2:
        return Finding("logprobs", "works", "of the chosen tokens only, without top_logprobs", {"top": 0})
    return Finding("logprobs", "works", f"of {len(found)} tokens, with the 2 likeliest", {"top": 2})


async def json_schema(visit: Visit) -> Finding:
    """Whether an answer follows a JSON schema that its prompt does not mention."""
    response_format = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
    room: dict[str, Any] = {visit.limit: max(SCHEMA_ROOM, visit.room)}
    answer = await visit.chat("What is the capital of France?", response_format=response_format, **room)
    if not answer.ok:
        return failed("JSON schema", answer)
    text = (split_thought(answer.text)[0] or "").strip()
    try:
        obeyed = isinstance(dig(json.loads(text), "capital_city"), str)
    except (ValueError, RecursionError):
        obeyed = False
        if answer.cut and (not text or text.startswith("{")):
            return Finding("JSON schema", "unknown", "the answer was cut before its object ended")
    return Finding("JSON schema", "works", "obeyed") if obeyed else Finding("JSON schema", "ignored", "accepted, not obeyed")


async def usage(visit: Visit) -> Finding:
    """Whether an answer says how many tokens it cost, and numbers that can be."""
    answer = await visit.first()
    used = answer.usage
    if used is None:
        return Finding("usage", "does not", "no token counts in the answer: its cost is not known")
    hidden = dig(answer.body, "usage", "completion_tokens_details", "reasoning_tokens")
    most = len(_whole(answer).encode("utf-8", "surrogatepass")) + ROOM + (hidden if isinstance(hidden, int) else 0)
    if used.input < 1 or (used.output < 1 and _whole(answer)) or used.output > most:
        return Finding("usage", "ignored", f"{used.input} tokens in, {used.output} out cannot be: {most - ROOM} bytes came")
    return Finding("usage", "works", f"{used.input} tokens in, {used.output} out for the first answer")


async def reasoning(visit: Visit) -> Finding:
    """Whether the model thinks before it answers, which counts as output and belongs to no row."""
    signs = {
        "reasoning_content": any(a.thought for a in visit.answers),
        "<think>": any("<think>" in a.text for a in visit.answers),
        "reasoning_tokens": any(
            dig(a.body, "usage", "completion_tokens_details", "reasoning_tokens") not in (None, 0) for a in visit.answers
        ),
    }
    seen = [name for name, found in signs.items() if found]
    if not seen:
        return Finding("reasoning", "does not", f"none in {len(visit.answers)} answers", {"seen": False})
    return Finding("reasoning", "works", f"{' and '.join(seen)} seen: it counts as output", {"seen": True})
