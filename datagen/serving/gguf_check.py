"""Whether llama.cpp finds in a GGUF file what transformers finds in the weights that it was made from."""

from __future__ import annotations

import json
import math
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datagen.errors import ModelError
from datagen.json_text import dumps
from datagen.serving.served import opener, served

TOP = 20  # most likely tokens that are compared
WAIT_S = 120.0


def largest_difference(file: Path, network: Any, texts: Sequence[list[int]]) -> float:
    """Return the largest difference of the logits of the likeliest next tokens, each less the mean of those compared.

    Args:
        file: the GGUF file.
        network: the model that it was made from.
        texts: token ids; the token after each is looked at.

    Raises:
        ModelError: llama.cpp cannot serve the file, or says nothing of its probabilities.
    """
    import torch

    compared = []
    with served(str(file)) as endpoint:
        for ids in texts:
            if not (told := _asked(endpoint.base_url.removesuffix("/v1"), ids)):
                continue
            with torch.inference_mode():
                logits = network(torch.tensor([ids], device=network.device)).logits[0, -1].float()
            ours = [float(logits[number]) for number, _ in told]
            shift = sum(a - b for a, (_, b) in zip(ours, told, strict=True)) / len(told)
            compared += [abs(a - b - shift) for a, (_, b) in zip(ours, told, strict=True)]
    if not compared:
        raise ModelError("llama.cpp does not say what it finds likely: the file was not checked")
    return max(compared)


def _asked(url: str, ids: list[int]) -> list[tuple[int, float]]:
    """The likeliest next tokens and their log-probabilities; [] where the likeliest is a part of a character."""
    body = {"prompt": ids, "n_predict": 1, "n_probs": TOP, "temperature": 0.0, "cache_prompt": False}
    sent = dumps(body).encode()
    request = urllib.request.Request(f"{url}/completion", sent, {"Content-Type": "application/json"})  # noqa: S310 - ours
    try:
        with opener().open(request, timeout=WAIT_S) as answer:
            said = json.load(answer).get("completion_probabilities") or [{"top_logprobs": []}]
        found = [(int(one["id"]), float(one["logprob"])) for one in said[0]["top_logprobs"]]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as e:
        raise ModelError(
            f"llama.cpp does not say what it finds likely ({type(e).__name__}): the file was not checked"
        ) from None
    return [one for one in found if math.isfinite(one[1])]
