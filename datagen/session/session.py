"""A conversation: what a person says, what each model answers to what it heard itself, and the rows that it becomes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datagen.chat.masking import masked_answer
from datagen.errors import ModelError, writing
from datagen.json_text import dumps
from datagen.session.voices import Voice

SAID = 300  # characters of an endpoint's error


class Piece(NamedTuple):
    """A part of an answer: what it says, what it thinks before that, or (without a text) that it ended at its limit."""

    kind: Literal["says", "thinks", "cut"]
    text: str


class Session:
    """A conversation of a person with one or more models.

    Each model hears its own answers only, so that what one says does not lead the other.
    """

    def __init__(self, voices: Sequence[Voice], system: str = "", sampling: dict[str, Any] | None = None) -> None:
        """Take the models, the system text and the parameters of each request."""
        self.voices, self.system, self._sampling = tuple(voices), system, dict(sampling or {})
        self._turns: dict[str, list[dict[str, Any]]] = {voice.name: [] for voice in voices}
        self._before: list[dict[str, Any]] = []  # conversations that ended and are not saved
        self._saved: dict[str, int] = {}  # model -> turns of the conversation under way that are in a file already

    def reset(self, system: str | None = None) -> None:
        """Begin anew; with another system text, where one is given. What was said before is still to be saved."""
        self._before = self.records()
        self.system = self.system if system is None else system
        for turns in self._turns.values():
            turns.clear()
        self._saved = {}

    def asked(self, voice: Voice, text: str) -> Generator[Piece, None, None]:
        """Ask one model, and yield its answer in parts; closing the generator keeps what came so far as the answer.

        An answer that was cut, by its limit or by a person, is heard on and saved, but marked as none to learn from.

        Raises:
            ModelError: the endpoint fails; then nothing of the exchange is kept.
        """
        turns = self._turns[voice.name]
        head = [{"role": "system", "content": self.system}] if self.system else []
        messages = [*head, *({k: turn[k] for k in ("role", "content")} for turn in turns), {"role": "user", "content": text}]
        said: list[str] = []
        cut = False
        try:
            with contextlib.closing(_streamed(voice, messages, self._sampling)) as parts:
                for piece in parts:
                    cut = cut or piece.kind == "cut"
                    if piece.kind == "says":
                        said.append(piece.text)
                    yield piece
        except (GeneratorExit, KeyboardInterrupt):
            self._keep(voice, text, "".join(said), cut=True)
            raise
        self._keep(voice, text, "".join(said), cut=cut)

    def _keep(self, voice: Voice, text: str, answer: str, *, cut: bool) -> None:
        if answer.strip():
            mark = {"train": False} if cut else {}
            said = {"role": "assistant", "content": answer, **mark}
            self._turns[voice.name] += [{"role": "user", "content": text}, said]

    def records(self) -> list[dict[str, Any]]:
        """Return each conversation that is not saved as it stands, with each model, as a record of `messages` and `source`."""
        head = [{"role": "system", "content": self.system}] if self.system else []
        return self._before + [
            {"messages": [*head, *turns], "source": f"chat {name}"}
            for name, turns in self._turns.items()
            if len(turns) > self._saved.get(name, 0)
        ]

    def save(self, path: Path) -> int:
        """Add the conversations to a file of JSON Lines, the one under way as it stands; return how many there were."""
        records = self.records()
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.writelines(f"{dumps(record)}\n" for record in records)
        self._before = []
        self._saved = {name: len(turns) for name, turns in self._turns.items()}
        return len(records)


def _streamed(voice: Voice, messages: list[dict[str, str]], sampling: dict[str, Any]) -> Generator[Piece, None, None]:
    """Yield the parts of an answer as they come."""
    import openai

    try:
        stream = voice.client.chat.completions.create(
            model=voice.model, messages=messages, stream=True, **_known(sampling), extra_body=_other(sampling)
        )
        with stream:
            for chunk in stream:
                delta = chunk.choices[0].delta if chunk.choices else None
                if thought := getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None):
                    yield Piece("thinks", str(thought))
                if delta is not None and delta.content:
                    yield Piece("says", delta.content)
                if chunk.choices and chunk.choices[0].finish_reason == "length":
                    yield Piece("cut", "")
    except openai.APIStatusError as e:
        raise ModelError(f"{voice.name}: HTTP {e.status_code}: {_told(e.response.text, voice)}") from None
    except (openai.APIError, json.JSONDecodeError, OSError) as e:
        raise ModelError(f"{voice.name}: {_told(str(e), voice).rstrip('.')}; `datagen doctor` says what works there") from None


_OWN = frozenset({"temperature", "top_p", "max_tokens", "logit_bias", "seed", "stop"})


def _known(sampling: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sampling.items() if name in _OWN}


def _other(sampling: dict[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in sampling.items() if name not in _OWN} or None


def _told(text: str, voice: Voice) -> str:
    """What an endpoint says of an error, without the key."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(text)["error"]["message"])
    return " ".join(masked_answer(text, voice.secrets).split())[:SAID]
