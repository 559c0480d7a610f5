"""What we take from peft, without what torch says while peft imports torchao."""

import logging

_pytree = logging.getLogger("torch.utils._pytree")
_level = _pytree.level
_pytree.setLevel(logging.ERROR)  # torchao 0.18 registers enums in a way torch 2.15 deprecates
try:
    import torchao.quantization  # noqa: F401 - peft imports it later, layer by layer
    from peft import (
        LoHaConfig,
        LoKrConfig,
        LoraConfig,
        PeftConfig,
        get_peft_model,
        get_peft_model_state_dict,
    )
finally:
    _pytree.setLevel(_level)

__all__ = [
    "LoHaConfig",
    "LoKrConfig",
    "LoraConfig",
    "PeftConfig",
    "get_peft_model",
    "get_peft_model_state_dict",
]
