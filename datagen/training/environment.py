"""What a run is computed with besides its options: another one gives the same result but for rounding, and that is said."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch

_DRIVER = Path("/proc/driver/nvidia/version")


@cache
def code() -> str:
    """Return a hash of the source that trains: of this package, and of those that render rows and load models."""
    digest = hashlib.blake2b(digest_size=8)
    for package in ("training", "render", "models"):
        for path in sorted(Path(__file__).parents[1].joinpath(package).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def environment(device: str) -> dict[str, str]:
    """Return what this process computes with on a device: versions, processor or card with its driver, threads, code."""
    import peft
    import transformers

    found = {
        "python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
        "peft": peft.__version__, "system": f"{platform.system()} {platform.machine()}",
        "processor": f"{_processor()} {torch.backends.cpu.get_cpu_capability()}".strip(),
        "threads": str(torch.get_num_threads()), "code": code(),
    }  # fmt: skip
    if device.startswith("cuda"):
        found |= {"card": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
        if _DRIVER.is_file():
            found["driver"] = _DRIVER.read_text("utf-8").partition("\n")[0]
    return found


@cache
def _processor() -> str:
    """Return the name of the processor; "" where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def differs(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say what differs between two environments; "" where nothing does, or nothing is known."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)] if before else []
    return ", ".join(f"{name} {before.get(name, 'none')} → {now.get(name, 'none')}" for name in names)
