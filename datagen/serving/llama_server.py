"""The child process that serves a GGUF file: llama.cpp's own OpenAI-compatible server, from the wheel `xllamacpp`.

Every request has a slot with a cache of its own, in which its prompt and answer have to fit: a cache shared by all slots
(`kv_unified`) ends every request under way when it is full, and costs more for each token. Nothing of a prompt is kept for the
next one (`cache_prompt`), so that a request that is alone gives the same tokens whatever was asked before it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from datagen.child import WATCH_EVERY_S, end_with_parent

SLOTS = 8  # requests computed together; more wait. 16 take as much processor time per token (measured), and twice the memory
SLOT_TOKENS = 4096  # of a request, prompt and answer
CACHE_BYTES = 2 << 30  # at most, of keys and values: a larger model has fewer slots
TOP_K = 50  # as of `transformers serve`; llama.cpp's own top_p 0.95 and min_p 0.05 would alter what a temperature means


def _serve(parent: int, port: int, path: str, context: int, kv_bytes: int) -> None:
    """Serve a GGUF file until this process's parent is gone.

    Args:
        parent: process id.
        port: of 127.0.0.1.
        path: the GGUF file.
        context: tokens that the model reads.
        kv_bytes: memory that a token of context takes.
    """
    end_with_parent(parent)
    import xllamacpp

    tokens = min(context, SLOT_TOKENS)
    slots = max(1, min(SLOTS, CACHE_BYTES // (tokens * kv_bytes)))
    params: Any = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames, params.port, params.ui = ["127.0.0.1"], port, False
    params.cors_origins = f"http://127.0.0.1:{port}"
    params.n_parallel, params.n_ctx, params.kv_unified, params.fit_params = slots, slots * tokens, False, False
    params.cache_prompt, params.cache_ram_mib, params.cache_idle_slots = False, 0, False
    params.sampling.top_k, params.sampling.top_p, params.sampling.min_p = TOP_K, 1.0, 0.0
    threads = physical_cores()
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads, pool.poll = threads, 0
    params.verbosity = 1  # errors only
    server = xllamacpp.Server(params)
    while server.listening_address:
        time.sleep(WATCH_EVERY_S)


def physical_cores() -> int:
    """Return how many cores this process may compute on: not two for the two threads of one, nor more than a quota gives."""
    mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in mine}
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    most = max(1, round(int(quota) / int(period))) if quota.isdigit() and period.isdigit() else len(cores)
    return min(len(cores), most)


def _read(path: str) -> str:
    """Return the text of a file of the system, "" where it has none."""
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
