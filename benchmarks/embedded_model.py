"""The embedded model by both of its servers in one run: start, tokens per second, memory, what they write, and how right it is.

`transformers serve` on the float32 copy beside llama.cpp on the 8-bit one (Q8_0), both made from the same weights. The bars of
speed are those of a processor without bfloat16; with it the figures are printed as they come out. Perplexity: that of Dolly's
answers given their tasks, by the float32 weights and by those of the 8-bit copy, dequantised into the same network. At the
server: the log-probabilities of its own tokens beside those of the float32 network. `--quick`: less of each.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
import urllib.request
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bars import Bars
from shared_data import DATA

from datagen.formats.read import read
from datagen.generate.turns import turn_of_model
from datagen.models.causal_lm import computes_in_bfloat16
from datagen.models.weights import quiet, smollm2_dir, smollm2_gguf
from datagen.serving.embedded import tokens_per_second
from datagen.serving.served import Endpoint, served

DOLLY = DATA / "rows" / "dolly_en_3k.jsonl.gz"
ASKED = ("Name three colours.", "What is photosynthesis?", "Write a sentence about the sea.", "What is 12 + 7?")


def post(endpoint: Endpoint, path: str, **body: Any) -> Any:
    """Return the answer to a request."""
    data = json.dumps({"model": endpoint.model, **body}).encode()
    request = urllib.request.Request(f"{endpoint.base_url}/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def peak_gb(process: int) -> float:
    """Return the most memory that a process has held; NaN where Linux does not say."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("VmHWM")), math.nan)


def tasks(endpoint: Endpoint) -> list[str]:
    """Return three tasks that the model writes as the user."""
    turn = turn_of_model(Path(endpoint.model), None)
    body = {"prompt": turn.head, "stop": list(turn.stop), "max_tokens": 64, "temperature": 0.9}
    answers = [post(endpoint, "completions", **body, seed=seed)["choices"][0]["text"] for seed in range(3)]
    return [text.partition(turn.stop[0])[0].strip() for text in answers]


def measured(model: str, tokens: int) -> tuple[list[float], list[str]]:
    """Return start in seconds, tokens per second at 1 and at 16 in flight, memory in GB; and three tasks."""
    began = time.monotonic()
    with served(model) as endpoint:
        start = time.monotonic() - began
        speeds = [tokens_per_second(endpoint, k * 2, k, tokens) for k in (1, 16)]
        return [start, *speeds, peak_gb(endpoint.process)], tasks(endpoint)


def both(quick: bool, bars: Bars) -> None:
    """Print the two servers beside each other."""
    tokens = 24 if quick else 128
    old, theirs = measured(str(smollm2_dir()), tokens)
    new, ours = measured(str(smollm2_gguf()), tokens)
    print(f"{'':<22}{'start, s':>10}{'1: tok/s':>10}{'16: tok/s':>11}{'peak, GB':>10}")
    for name, figures in (("transformers serve", old), ("llama.cpp, Q8_0", new)):
        print(f"{name:<22}{figures[0]:>10.1f}{figures[1]:>10.1f}{figures[2]:>11.1f}{figures[3]:>10.2f}")
    if computes_in_bfloat16("auto", "cpu"):
        print(f"this processor has bfloat16: {new[1] / old[1]:.2f} times at 1, {new[2] / old[2]:.2f} times at 16")
    else:
        bars.at_least("times transformers serve, 1 in flight", 1.5, new[1] / old[1])
        bars.at_least("times transformers serve, 16 in flight", 2, new[2] / old[2])
    for name, texts in (("transformers serve", theirs), ("llama.cpp", ours)):
        print(f"\ntasks by {name}:")
        for text in texts:
            print(f"  - {' '.join(text.split())[:150]}")
    print(flush=True)


def perplexity(count: int, bars: Bars) -> None:
    """Print the perplexity of answers by the two copies, and the log-probabilities at the server."""
    import transformers

    from datagen.models.answer_loss import AnswerLoss

    scorer = AnswerLoss("smollm2", dtype="float32")
    spot(scorer, bars)
    if not DOLLY.is_file():
        print(f"perplexity skipped: {DOLLY} is not here; set DATA")
        return
    rows = [r for r in islice(read(str(DOLLY)), count) if "reason" not in r]
    answers = [a for a in (scorer.answer(row, 1024) for row in rows) if a.reason is None]
    sequences = [(a.ids, a.start, a.end) for a in answers]
    sizes = np.array([end - start for _, start, end in sequences])

    def value() -> float:
        return math.exp(float((scorer.losses(sequences) * sizes).sum() / sizes.sum()))

    full = value()
    hf: Any = transformers
    path = smollm2_gguf()
    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # the GGUF reader draws its bar whatever it is told
        copy = hf.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=scorer.network.dtype)
    scorer.network.load_state_dict(copy.state_dict())
    low = value()
    print(f"perplexity of {len(answers)} answers of Dolly: {full:.4f} in float32, {low:.4f} of the 8-bit copy")
    bars.at_most("8-bit copy apart from float32", 0.5, 100 * abs(low / full - 1), " %")


def spot(scorer: Any, bars: Bars) -> None:
    """Print how far the server's log-probabilities of its own answers are from those of the float32 network."""
    import torch

    apart, said, known = [], [], []
    with served(str(smollm2_gguf())) as endpoint:
        for question in ASKED:
            turns = [{"role": "user", "content": question}]
            body = {"messages": turns, "temperature": 0, "max_tokens": 32, "logprobs": True, "top_logprobs": 1}
            content = post(endpoint, "chat/completions", **body)["choices"][0]["logprobs"]["content"]
            text = scorer.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            prompt = scorer.tokenizer(text, add_special_tokens=False)["input_ids"]
            ids = [t["id"] for t in content]
            with torch.inference_mode():
                logits = scorer.network(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
            ours = logits.log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)].tolist()
            server = [t["logprob"] for t in content]
            apart += [abs(a - b) for a, b in zip(ours, server, strict=True)]
            said.append(sum(server))
            known.append(sum(ours))
    for question, a, b in zip(ASKED, said, known, strict=True):
        print(f"log-probability of the answer to {question!r}: {a:.2f} at the server, {b:.2f} in float32")
    bars.at_most("log-probability of a token apart, mean", 0.1, float(np.mean(apart)), " nats")


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    bars = Bars()
    both(quick, bars)
    perplexity(20 if quick else 200, bars)
    bars.end()
