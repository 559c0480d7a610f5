"""RandAugment (Cubuk et al., arXiv:1909.13719) for whole batches, as torchvision has it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import atan, degrees
from typing import Any

import torch
from torch import Generator, Tensor

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RandAugment:
    """Change each image by `changes` of fourteen operations, drawn anew for every image."""

    changes: int = 2
    magnitude: float = 0.3
    """Of every operation, as a share of its greatest (torchvision's default: 9 of 30)."""

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies, as `Augmentation` has it."""
        operations = _operations(self.magnitude, images.shape[-1])
        changed = images.clone()
        for _ in range(self.changes):
            kinds = torch.randint(0, len(operations), (len(images),), generator=draws)
            signs = torch.randint(0, 2, (len(images),), generator=draws)
            for kind, pair in enumerate(operations):
                for sign, operation in enumerate(pair):
                    here = (kinds == kind) & ((signs == sign) | (len(pair) == 1))
                    chosen = here.nonzero().flatten().to(images.device)
                    if len(chosen):
                        changed[chosen] = operation(changed[chosen])
        return changed


def _operations(magnitude: float, width: int) -> tuple[tuple[Change, ...], ...]:
    """Return the operations on uint8 [n, 3, h, w]: those with a sign under both, others alone."""
    from torchvision.transforms.v2 import functional

    def affine(images: Tensor, **change: Any) -> Tensor:
        still = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
        moved: Tensor = functional.affine(images, **{**still, **change})
        return moved

    def both(made: Callable[[float], Change]) -> tuple[Change, Change]:
        return made(1.0), made(-1.0)

    lean = degrees(atan(0.3 * magnitude))
    shift = int(150 / 331 * width * magnitude)
    more = 0.9 * magnitude
    return (
        (lambda images: images,),
        both(lambda sign: lambda images: affine(images, shear=[sign * lean, 0.0], center=[0, 0])),
        both(lambda sign: lambda images: affine(images, shear=[0.0, sign * lean], center=[0, 0])),
        both(lambda sign: lambda images: affine(images, translate=[int(sign) * shift, 0])),
        both(lambda sign: lambda images: affine(images, translate=[0, int(sign) * shift])),
        both(lambda sign: lambda images: functional.rotate(images, sign * 30 * magnitude)),
        both(lambda sign: lambda images: functional.adjust_brightness(images, 1 + sign * more)),
        both(lambda sign: lambda images: functional.adjust_saturation(images, 1 + sign * more)),
        both(lambda sign: lambda images: functional.adjust_contrast(images, 1 + sign * more)),
        both(lambda sign: lambda images: functional.adjust_sharpness(images, 1 + sign * more)),
        (lambda images: functional.posterize(images, 8 - round(4 * magnitude)),),
        (lambda images: functional.solarize(images, 255 * (1 - magnitude)),),
        (functional.autocontrast,),
        (functional.equalize,),
    )
