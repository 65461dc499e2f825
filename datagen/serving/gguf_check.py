"""Whether llama.cpp finds in a GGUF file what transformers finds in the weights that it was made from."""

from __future__ import annotations

import json
import math
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datagen.errors import ModelError, UsageError
from datagen.json_text import dumps
from datagen.models.merging import Merged, merge
from datagen.serving.served import opener, served

# Of a logit, beside the float32 weights: more is no rounding of a type, but another model.
MOST = {"float32": 0.1, "float16": 0.5, "bfloat16": 2.0}
TOP = 20  # most likely tokens that are compared
WAIT_S = 120.0


def write_checked(model: str, out: Path, dtype: str) -> tuple[Merged, float]:
    """Write a model, or an adapter with its base, as a GGUF file that llama.cpp was found to say the same of.

    Args:
        model: see `models.merging.merge`.
        out: the new FILE.gguf.
        dtype: of its matrices.

    Returns:
        What came of the merge, and the largest difference of a logit in llama.cpp.

    Raises:
        ModelError: the difference is more than rounding explains, or cannot be found out; nothing is left of the file then.
        UsageError: `out` is there already.
    """
    if out.exists():
        raise UsageError(f"{out} is there already: give another -o")
    unchecked = out.with_name(f".{out.stem}-unchecked.gguf")
    unchecked.unlink(missing_ok=True)
    try:
        done = merge(model, unchecked, dtype, out.stem)
        difference = largest_difference(unchecked, done.network, done.texts)
        if not difference <= MOST[dtype]:  # also where it is no number
            raise ModelError(f"in llama.cpp the logits differ by {difference:.2g}, more than {dtype} explains: nothing is kept")
        unchecked.replace(out)
    finally:
        unchecked.unlink(missing_ok=True)
    return replace(done, path=out), difference


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
