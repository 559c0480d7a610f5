"""What methods that compare inner tensors have in common."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from objectives.data import Batch
from objectives.training.layers import classifier_input, map_ends
from objectives.training.methods.logit import LogitTraining
from objectives.training.methods.method import Seen
from objectives.training.taps import tapped
from spaces import FeatureMethod, InputError, UnknownNameError

Pairs = Sequence[tuple[Tensor, Tensor]]
"""Of the student and of the teacher."""


class FeatureTraining(LogitTraining):
    """What LogitTraining computes, and what a method makes of pairs of inner tensors."""

    settings: FeatureMethod
    layer_key = "{kind}.{role}_layer"
    """What a study file calls the setting that names the layers of a role."""

    def chosen(self, network: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return the layers that are compared where none is named."""
        raise NotImplementedError

    def comparable(self, role: str, tensor: Tensor) -> Tensor:
        """Return what is compared of an inner tensor; raises InputError where that cannot be."""
        raise NotImplementedError

    def compared(self, pairs: Pairs, batch: Batch) -> Tensor:
        """Return the method's part of the loss, weight and all."""
        raise NotImplementedError

    def student_taps(self, student: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return the layers that the settings name, or else the method's own choice."""
        return self._taps("student", student, image_size)

    def teacher_taps(self, teacher: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return them as for the student."""
        return self._taps("teacher", teacher, image_size)

    def forward(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:
        """Return the loss."""
        compared = self.compared(self.pairs(student, teacher), batch)
        return self.of_logits(student, teacher, batch, epoch) + compared

    def of_logits(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:
        """Return the loss without what is compared: that of Logit."""
        return super().forward(student, teacher, batch, epoch)

    def pairs(self, student: Seen, teacher: Seen | None) -> Pairs:
        """Return what is compared with what, from the last layer backwards.

        Where layers are the method's own choice, the network that has more of them leaves the first
        ones out. Raises InputError where more are named than there are to be compared with.
        """
        assert teacher is not None
        ours, theirs = self._tensors("student", student), self._tensors("teacher", teacher)
        for role, tensors, others in (("student", ours, theirs), ("teacher", theirs, ours)):
            if self.settings.layers(role) and len(tensors) > len(others):
                words = f"names {len(tensors)} layers, to be compared with {len(others)}"
                raise self.fault(role, words)
        return list(zip(reversed(ours), reversed(theirs), strict=False))

    def fault(self, role: str, words: str) -> InputError:
        """Return what is wrong with the layers of a role, to be raised."""
        key = self.layer_key.format(kind=self.settings.kind, role=role)
        return InputError(f"{key} {words}")

    def _taps(self, role: str, network: nn.Module, image_size: int) -> tuple[str, ...]:
        named = self.settings.layers(role)
        for name in named:
            try:
                tapped(network, name)
            except AttributeError:
                known = [known for known, _ in network.named_modules() if known.count(".") < 2]
                raise UnknownNameError(f"layer of the {role}", name, known[1:]) from None
        if named:
            return named
        try:
            return self.chosen(network, image_size)
        except InputError as error:
            raise self.fault(role, f"cannot be auto: the {role} {error}") from error

    def _tensors(self, role: str, seen: Seen) -> list[Tensor]:
        names = self.settings.layers(role) or tuple(seen.taps)
        for name in names:
            tensor = seen.taps.get(name)
            if not isinstance(tensor, Tensor):
                raise self.fault(role, f"names {name!r}, which gives no tensor or is not called")
            if tensor.ndim < 2 or len(tensor) != len(seen.logits):
                gives = f"{list(tensor.shape)} for {len(seen.logits)} images"
                raise self.fault(
                    role, f"names {name!r}, which gives {gives}, expected one row each"
                )
        return [self.comparable(role, seen.taps[name]) for name in names]


class MapTraining(FeatureTraining):
    """Compares maps [b, c, h, w]."""

    def chosen(self, network: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return the last layer of every size."""
        return map_ends(network, image_size)

    def comparable(self, role: str, tensor: Tensor) -> Tensor:
        """Return the maps as they are."""
        if tensor.ndim != 4:
            gives = list(tensor.shape)
            raise self.fault(role, f"names what gives {gives}, expected maps [b, c, h, w]")
        return tensor

    def pairs(self, student: Seen, teacher: Seen | None) -> Pairs:
        """Return pairs of maps of one size: the larger one is pooled to the smaller."""
        return [_of_one_size(*pair) for pair in super().pairs(student, teacher)]


class EmbeddingTraining(FeatureTraining):
    """Compares embeddings [b, e]: what the classifier is given, or any layer's output as a row."""

    def chosen(self, network: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return what the classifier is given."""
        return (classifier_input(network, image_size),)

    def comparable(self, role: str, tensor: Tensor) -> Tensor:  # noqa: ARG002
        """Return the mean of maps [b, e, h, w] and of tokens [b, t, e], and others flat."""
        if tensor.ndim == 4:
            return tensor.mean((2, 3))
        return tensor.mean(1) if tensor.ndim == 3 else tensor.flatten(1)


def _of_one_size(*pair: Tensor) -> tuple[Tensor, Tensor]:
    height, width = (min(sizes) for sizes in zip(*(maps.shape[2:] for maps in pair), strict=True))
    ours, theirs = (
        maps if maps.shape[2:] == (height, width) else adaptive_avg_pool2d(maps, (height, width))
        for maps in pair
    )
    return ours, theirs
