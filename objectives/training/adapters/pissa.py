"""Principal singular values and vectors, adapted."""

from typing import Any

import torch
from torch import Tensor, nn

from objectives.training.adapters.lora import Lora


class Pissa(Lora):
    """W = R + s B A, s = alpha / r; B A is the best approximation of rank r of W / s.

    As Meng 2024 (PiSSA), eq. 2 to 4.
    B = U √(S / s), A = √(S / s) Vᵀ of the r largest singular values of W [out, in * kh * kw]; R is
    frozen. Where W has fewer, the rest of A is at random and of B 0, as of LoRA.
    """

    def attach(self, model: nn.Module, image_size: int) -> nn.Module:
        """Return `model` under peft's wrapper; its layers' weights are what is left of them."""
        adapted = super().attach(model, image_size)
        for layer in adapted.modules():
            if hasattr(layer, "lora_A"):
                _move_strongest(layer)
        return adapted

    def stored(self, adapted: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return an adapter of twice the rank, of the parent's weights: s B A - s B0 A0."""
        tensors, config = super().stored(adapted)
        for name, layer in adapted.named_modules():
            if hasattr(layer, "lora_A"):
                a, b = (f"{name}.lora_{part}.weight" for part in "AB")
                first_a, first_b = layer.first_a.to(tensors[a]), layer.first_b.to(tensors[b])
                tensors[a] = torch.cat([tensors[a], first_a])
                tensors[b] = torch.cat([tensors[b], -first_b], dim=1)
        doubled = {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"]}
        for pattern in ("rank_pattern", "alpha_pattern"):
            doubled[pattern] = {name: 2 * value for name, value in config[pattern].items()}
        return tensors, config | doubled


@torch.no_grad()
def _move_strongest(layer: Any) -> None:
    """Move what B and A can hold of a layer's weight from it to them, and note how they began."""
    weight, scale = layer.get_base_layer().weight, layer.scaling["default"]
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    u, s, vh = torch.linalg.svd(weight.flatten(1) / scale, full_matrices=False)
    rank = min(len(a), len(s))
    root = s[:rank].sqrt()
    a[:rank] = (root[:, None] * vh[:rank]).reshape(a[:rank].shape)
    b[:, :rank] = (u[:, :rank] * root).reshape(b[:, :rank].shape)
    weight -= scale * (b.flatten(1) @ a.flatten(1)).reshape(weight.shape)
    layer.first_a, layer.first_b = a.clone(), b.clone()
