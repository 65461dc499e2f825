"""How likely a causal language model finds an answer: its mean loss given the whole context, and alone.

The answer is the same tokens in both. Sequences are sorted by length and padded on the right, where causal attention never
looks, so no mask is needed; logits are made for the answer's tokens only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datagen.answered import up_to_last_answer
from datagen.data.rows import Row, conversation_turns
from datagen.errors import DataError
from datagen.marks import split_reasoning
from datagen.models.adapter import loaded
from datagen.models.causal_lm import computes_in_bfloat16, pick_device
from datagen.render.labels import unforged
from datagen.render.options import Rendering
from datagen.render.today import MEASURED_ON

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS = {"cpu": 1024}  # of a batch, padding included: on a processor more is only more padding
MOST_TOKENS = 16_384  # elsewhere
LOGITS = 1024  # answer tokens whose logits are made at a time
_PROBE = [{"role": "user", "content": "x"}]


@dataclass(frozen=True)
class Answer:
    """A row as token ids, its final answer at `ids[start:end]`; or the reason why it has none.

    The reasons are `too_long`, `no_answer` and `control_tokens`: the row holds `token`, which would be read as a mark of turns.
    """

    ids: list[int]
    start: int = 0
    end: int = 0
    bytes: int = 0  # of the answer's text
    reason: str | None = None
    token: str | None = None


class AnswerLoss:
    """A loaded model that says how likely answers are."""

    def __init__(self, model: str, device: str = "auto", dtype: str = "auto") -> None:
        """Load a model; raises ModelError. `dtype=auto` is bfloat16 where the device has instructions for it."""
        place = pick_device(device)
        self.network: PreTrainedModel
        self.tokenizer: PreTrainedTokenizerBase
        low = computes_in_bfloat16(dtype, place)
        self.network, self.tokenizer = loaded(model, device, "bfloat16" if low else "float32" if dtype == "auto" else dtype)
        self.device = place
        self.head = self._head()

    def _head(self) -> list[int]:
        """The tokens that open an answer: what the template writes before one; without a template the heading of Alpaca."""
        tokenizer: Any = self.tokenizer
        text = "### Response:\n"
        if tokenizer.chat_template:
            asked = tokenizer.apply_chat_template(_PROBE, tokenize=False, add_generation_prompt=True)
            plain = tokenizer.apply_chat_template(_PROBE, tokenize=False, add_generation_prompt=False)
            text = asked.removeprefix(plain) if asked.startswith(plain) else ""
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
        return ids or [tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id]

    def answer(self, row: Row, max_length: int) -> Answer:
        """Return a row's tokens and where its last answer is among them, or why it has none."""
        tokenizer: Any = self.tokenizer
        row = up_to_last_answer(row) or row
        turns = conversation_turns(row)
        content = (turns[-1]["content"] or "") if turns and turns[-1]["role"] == "assistant" else ""
        if not content.strip():
            return Answer([], reason="no_answer")
        try:
            texts = unforged(row, tokenizer, Rendering(date=MEASURED_ON))
        except DataError as e:  # of this row alone: the others are scored
            raise ValueError(str(e)) from None
        if isinstance(texts, str):
            return Answer([], reason="control_tokens", token=texts)
        if not texts or not texts[-1].spans:
            return Answer([], reason="no_answer")
        shown = texts[-1]
        start, end, _ = shown.spans[-1]
        # Some templates trim, or write the thinking themselves; the end token is none of the answer's, nor a `>` in it.
        end = start + len(_unended(shown.text[start:end], tokenizer.all_special_tokens))
        for said in (content.strip(), split_reasoning(content)[1].strip()):
            at = shown.text.rfind(said, start, end)
            if said and at >= 0:
                start, end = at, at + len(said)
                break
        made = tokenizer(shown.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        inside = [i for i, (a, b) in enumerate(made["offset_mapping"]) if start <= a < end and b > a]
        if not inside or inside[0] == 0:
            return Answer([], reason="no_answer")
        ids = made["input_ids"][: inside[-1] + 1]
        if len(ids) > max_length:
            return Answer([], reason="too_long")
        return Answer(ids, inside[0], inside[-1] + 1, len(shown.text[start:end].encode()))

    def given_and_alone(
        self, answers: Sequence[Answer], on_batch: Callable[[int], None] = lambda done: None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the mean loss (nats per token) of each answer given its context, and alone: float64[n] each.

        `on_batch` is told how many of the answers are done.
        """
        given = [(a.ids, a.start, a.end) for a in answers]
        alone = []
        for a in answers:
            head = self._head_of(a)
            alone.append(([*head, *a.ids[a.start : a.end]], len(head), len(head) + a.end - a.start))
        found = self.losses([*given, *alone], lambda done: on_batch(done // 2))
        return found[: len(answers)], found[len(answers) :]

    def _head_of(self, answer: Answer) -> list[int]:
        """What stands before an answer that is alone: the head, after the token that begins the whole row, where one does."""
        begins = self.tokenizer.bos_token_id
        opened = begins is not None and answer.ids[0] == begins and answer.start > 0 and self.head[0] != begins
        return [begins, *self.head] if opened else self.head

    def losses(
        self, sequences: Sequence[tuple[list[int], int, int]], on_batch: Callable[[int], None] = lambda done: None
    ) -> npt.NDArray[np.float64]:
        """Return the mean loss of tokens start..end of each sequence (ids, start, end; start >= 1): float64[n].

        Sequences that differ in their last token alone, as the letters of choices do, are computed once.
        """
        import torch

        out = np.full(len(sequences), math.nan)
        same: dict[tuple[int, ...], list[int]] = {}
        for i, (ids, _, _) in enumerate(sequences):
            same.setdefault(tuple(ids[:-1]), []).append(i)
        order = sorted(same.values(), key=lambda group: len(sequences[group[0]][0]))
        at, done, most = 0, 0, TOKENS.get(self.device, MOST_TOKENS)
        with torch.inference_mode():
            while at < len(order):
                batch = [order[at]]
                while at + len(batch) < len(order) and len(sequences[order[at + len(batch)][0]][0]) * (len(batch) + 1) <= most:
                    batch.append(order[at + len(batch)])
                flat = [i for group in batch for i in group]
                out[flat] = self._batch([[sequences[i] for i in group] for group in batch])
                at += len(batch)
                done += len(flat)
                on_batch(done)
        return out

    def _batch(self, groups: list[list[tuple[list[int], int, int]]]) -> npt.NDArray[np.float64]:
        """Return the losses of a batch, one group after the other; those of a group differ in their last token alone."""
        import torch

        network: Any = self.network
        longest = max(len(group[0][0]) for group in groups)
        padded = torch.tensor([[*g[0][0], *[0] * (longest - len(g[0][0]))] for g in groups], device=self.device)
        hidden = network.get_decoder()(input_ids=padded, use_cache=False).last_hidden_state
        rows = [(r, *one) for r, group in enumerate(groups) for one in group]
        owner = torch.tensor([n for n, (_, _, a, b) in enumerate(rows) for _ in range(a, b)], device=self.device)
        line = torch.tensor([r for r, _, a, b in rows for _ in range(a, b)], device=self.device)
        place = torch.tensor([t for _, _, a, b in rows for t in range(a, b)], device=self.device)
        target = torch.tensor([token for _, ids, a, b in rows for token in ids[a:b]], device=self.device)
        states = hidden[line, place - 1]
        loss = torch.cat(
            [
                torch.nn.functional.cross_entropy(
                    self._logits(states[k : k + LOGITS]), target[k : k + LOGITS], reduction="none"
                )
                for k in range(0, len(target), LOGITS)
            ]
        )
        total = torch.zeros(len(rows), device=self.device).index_add_(0, owner, loss)
        counts = np.array([b - a for _, _, a, b in rows], np.float64)
        mean: npt.NDArray[np.float64] = total.cpu().numpy().astype(np.float64) / counts
        return mean

    def _logits(self, states: Any) -> Any:
        import torch

        network: Any = self.network
        logits = network.get_output_embeddings()(states).float()
        cap = getattr(network.config, "final_logit_softcapping", None)  # Gemma 2
        return torch.tanh(logits / cap) * cap if cap else logits


def _unended(text: str, marks: Sequence[str]) -> str:
    """A text without the control tokens at its end."""
    while found := next((mark for mark in marks if mark and text.rstrip().endswith(mark)), None):
        text = text.rstrip().removesuffix(found)
    return text
