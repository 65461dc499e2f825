"""How large a model is, by its config alone: no weight is read."""

from __future__ import annotations

from datagen.errors import ModelError, first_line
from datagen.models.adapter import base_of
from datagen.models.causal_lm import located
from datagen.models.weights import quiet


def shape_of(model: str) -> tuple[int, int, int]:
    """Return the parameters of a model (tied ones once), its layers and its width; of an adapter those of its base.

    Raises:
        ModelError: no such model, or a config that says no layers or width.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    place = located(base_of(model) or model)
    try:
        with quiet(), torch.device("meta"):
            config = AutoConfig.from_pretrained(place)
            network = AutoModelForCausalLM.from_config(config)
        return sum(p.numel() for p in network.parameters()), int(config.num_hidden_layers), int(config.hidden_size)
    except (OSError, ValueError, AttributeError) as e:
        raise ModelError(f"{model}: its config does not say how large it is ({first_line(e)})") from None
