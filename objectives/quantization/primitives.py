"""torchao's quantization primitives, without what torch says while torchao is imported."""

import logging

_pytree = logging.getLogger("torch.utils._pytree")
_level = _pytree.level
_pytree.setLevel(logging.ERROR)  # torchao 0.18 registers enums in a way torch 2.15 deprecates
try:
    from torchao.quantization.quant_primitives import (
        MappingType,
        choose_qparams_affine,
        choose_qparams_affine_with_min_max,
        dequantize_affine,
        quantize_affine,
    )
finally:
    _pytree.setLevel(_level)

__all__ = [
    "MappingType",
    "choose_qparams_affine",
    "choose_qparams_affine_with_min_max",
    "dequantize_affine",
    "quantize_affine",
]
