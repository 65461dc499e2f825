"""Where an adapter or a model comes from: named and hashed so that it means the same on every machine, and found on this one.

`base.json` in its folder says it, and no path, which would tell others how this machine is laid out and help nobody. A base
that is a folder here is found again by the hash of its weights: the user's cache knows where such weights were read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datagen.errors import ModelError
from datagen.json_text import dumps
from datagen.models import cache
from datagen.models.causal_lm import resolve
from datagen.models.weights import SMOLLM2, SMOLLM2_PUBLIC

FILE = "base.json"
STATE = "state:"  # before the identity of a model that was given in memory, which no file can be compared with


@dataclass(frozen=True)
class Origin:
    """A base model.

    Attributes:
        base: its public id; the name of its folder where it has none.
        base_id: identity of its weights.
        loads: what datagen loads for it: `smollm2` or an id of the Hub; "" for a folder, if nobody wrote where it is.
        revision: commit of a model of the Hub; "" where none is known.
    """

    base: str
    base_id: str
    loads: str
    revision: str = ""


def origin_of(model: str, base_id: str, revision: str = "") -> Origin:
    """Return the origin of what is made from a model; where that is a folder, it is noted in the cache."""
    place = Path(model).expanduser()
    if not model:
        return Origin("a model that was given in memory", base_id, "")
    if not place.is_dir():
        return Origin(public_name(model), base_id, model, revision)
    cache.keep(_note(base_id), {"folder": str(place.resolve())})
    return Origin(public_name(model), base_id, "", revision)


def _note(base_id: str) -> str:
    """Return the name in the cache of where weights of this identity were read."""
    return f"bases/{hashlib.blake2b(base_id.encode(), digest_size=8).hexdigest()}.json"


def public_name(model: str) -> str:
    """Return how others know a model: its id on the Hub, or the name of its folder where none is known."""
    place = Path(model).expanduser()
    if model == SMOLLM2:
        return SMOLLM2_PUBLIC
    if not place.is_dir():
        return model
    here = place.resolve()
    kept, _, name = here.parent.parent.name.partition("--")  # models--org--name/snapshots/commit
    if kept == "models" and name and here.parent.name == "snapshots":
        return name.replace("--", "/", 1)
    return here.parent.name if here.name == "model" else here.name  # of a run of `datagen train`


def commit_of(model: str) -> str:
    """Return the commit of a model of the Hub that lies in its local cache; "" where there is none."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(model, "config.json")
    return Path(path).parent.name if isinstance(path, str) else ""


def check_state(folder: Path, model: Any) -> None:
    """Check that a loaded base has the numbers that an adapter in a folder was trained on, where a model was given in memory.

    Raises:
        ModelError: it has others.
    """
    origin = read_origin(folder)
    if origin and origin.base_id.startswith(STATE) and origin.base_id != state_identity(model):
        raise ModelError(
            f"{folder} was trained on other numbers than {origin.base} has; save that model, and train on its folder"
        )


def state_identity(model: Any) -> str:
    """Return the identity of a model in memory: of its numbers, whatever their type is."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        held = tensor.detach().cpu().contiguous()
        digest.update((held.float() if held.is_floating_point() else held).numpy().data)
    return STATE + digest.hexdigest()


def write_origin(folder: Path, origin: Origin) -> None:
    """Write `base.json` into a folder."""
    facts = {name: value for name, value in asdict(origin).items() if value}
    (folder / FILE).write_text(dumps(facts, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def read_origin(folder: Path) -> Origin | None:
    """Return what `base.json` in a folder says; None where it says nothing."""
    try:
        facts = json.loads((folder / FILE).read_text("utf-8"))
        return Origin(*(str(facts.get(name, "")) for name in Origin.__dataclass_fields__)) if facts["base_id"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def found(origin: Origin, folder: Path) -> str:
    """Return what to load for the base of an adapter in a folder.

    Raises:
        ModelError: it is a folder, and nobody knows where.
    """
    if origin.loads:
        return origin.loads
    place = str((cache.recall(_note(origin.base_id)) or {}).get("folder", ""))
    if place and Path(place).is_dir():
        return place
    raise ModelError(
        f"{folder}: its base is the folder {origin.base}, which is not known on this machine any more; write where it is as"
        f' "loads" in {folder / FILE}'
    )


def checked_identity(folder: Path, base: str) -> str:
    """Return the identity of a base, which must have the weights that an adapter in a folder was trained on.

    Raises:
        ModelError: it has others.
    """
    origin, identity = read_origin(folder), resolve(base)[1]
    if origin is None or origin.base_id.startswith(STATE):
        return identity
    if base == origin.base_id:  # of the Hub, where the commit says what the weights are
        held, asked = commit_of(base), origin.revision
        if held and asked and held != asked:
            raise ModelError(f"{folder} was trained on the commit {asked[:12]} of {base}, and the cache holds {held[:12]}")
    elif identity != origin.base_id:
        raise ModelError(
            f"{folder} was trained on the weights {origin.base_id[:12]} of {origin.base}, and {base} holds {identity[:12]}: put"
            f' those back, or write where they are as "loads" in {folder / FILE}'
        )
    return identity
