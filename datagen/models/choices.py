"""A local model that chooses among words without sampling: their probabilities, in one pass over each prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.errors import ModelError
from datagen.models.adapter import loaded
from datagen.models.causal_lm import computes_in_bfloat16, pick_device
from datagen.render.control_tokens import escaped_text
from datagen.render.options import Rendering
from datagen.render.template import template_of
from datagen.render.today import MEASURED_ON

TOKENS = {"cpu": 2048}  # of a batch, padding included
MOST_TOKENS = 16_384  # elsewhere
Floats = npt.NDArray[np.float64]


class Choices:
    """A loaded model and what it would answer with one of a few words: a judge's scores, or which of two is better."""

    def __init__(self, model: str, device: str = "auto") -> None:
        """Load a model; raises ModelError."""
        place = pick_device(device)
        dtype = "bfloat16" if computes_in_bfloat16("auto", place) else "float32"
        self.network, self.tokenizer = loaded(model, device, dtype)
        self.device = place
        config: Any = self.network.config
        self.longest = int(getattr(config, "max_position_embeddings", None) or 2048)

    def logprobs(
        self, prompts: Sequence[str], lead: str, words: Sequence[str], on_batch: Callable[[int], None] = lambda done: None
    ) -> Floats:
        """Return the logarithms of the probabilities of each word after each prompt, float64[n prompts, n words].

        A row is NaN where the prompt is longer than the model reads. It does not depend on the others but for rounding.

        Args:
            prompts: each a turn of the user.
            lead: the beginning of the answer, which is given.
            words: what it may go on with; of a word of several tokens the first counts.
            on_batch: told how many of the prompts are done.
        """
        sequences = [self._encoded(prompt, lead) for prompt in prompts]
        tokens = [self._next(lead, word) for word in words]
        found = np.full((len(prompts), len(words)), np.nan)
        limit = TOKENS.get(self.device.partition(":")[0], MOST_TOKENS)
        batch: list[int] = []
        done = 0
        for i in sorted((i for i, s in enumerate(sequences) if len(s) <= self.longest), key=lambda i: len(sequences[i])):
            if batch and (len(batch) + 1) * len(sequences[i]) > limit:
                found[batch] = self._read([sequences[k] for k in batch], tokens)
                done += len(batch)
                on_batch(done)
                batch = []
            batch.append(i)
        if batch:
            found[batch] = self._read([sequences[k] for k in batch], tokens)
        return found

    def _ids(self, text: str) -> list[int]:
        tokenizer: Any = self.tokenizer
        ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def _next(self, lead: str, word: str) -> int:
        """The token that a word begins with where it follows the lead.

        Raises:
            ModelError: the lead ends in the middle of a token.
        """
        before, whole = self._ids(lead), self._ids(f"{lead}{word}")
        if whole[: len(before)] != before or len(whole) == len(before):
            raise ModelError(f"the model's tokenizer joins '{lead}' and '{word}'; judge at an endpoint instead")
        return whole[len(before)]

    def _encoded(self, prompt: str, lead: str) -> list[int]:
        tokenizer: Any = self.tokenizer
        prompt = escaped_text(prompt, tokenizer)  # what is judged must not end its turn and answer for the judge
        if not tokenizer.chat_template:
            return self._ids(f"### Instruction:\n{prompt}\n\n### Response:\n{lead}")
        template = template_of(tokenizer, Rendering(date=MEASURED_ON))
        return self._ids(template.render([{"role": "user", "content": prompt}], prompt=True) + lead)

    def _read(self, sequences: Sequence[list[int]], tokens: list[int]) -> Floats:
        """Return a batch's probabilities; it is padded on the right, where causal attention never looks."""
        import torch

        ids = torch.zeros((len(sequences), max(map(len, sequences))), dtype=torch.long)
        for k, one in enumerate(sequences):
            ids[k, : len(one)] = torch.tensor(one)
        last = torch.tensor([len(one) - 1 for one in sequences], device=self.device)
        network: Any = self.network
        with torch.inference_mode():
            states = network.get_decoder()(input_ids=ids.to(self.device)).last_hidden_state
            logits = network.get_output_embeddings()(states[torch.arange(len(sequences), device=self.device), last]).float()
            found: Floats = logits.log_softmax(-1)[:, tokens].double().cpu().numpy()
        return found
