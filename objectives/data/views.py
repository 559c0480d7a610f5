"""What a stage's Views come to with a study's data."""

from typing import Literal, assert_never

from objectives.data.augmentation import Augmentation, in_turn
from objectives.data.dataset import Data
from spaces import AS_DATA, NOTHING, Views

RecordedImages = Literal["views", "plain"]


def augmentation_of(views: Views, data: Data) -> Augmentation | None:
    """Return what changes a stage's images at random; None when nothing does."""
    if views.augment == AS_DATA:
        return data.augmentation
    names = () if views.augment == NOTHING else tuple(views.augment.split("+"))
    return in_turn(names, data.config.image_size)


def recorded_images(views: Views, data: Data) -> RecordedImages | None:
    """Return of which images the teacher's logits can be computed once and looked up.

    `views`: the data's fixed ones, the plain images among them where nothing changes them; `plain`:
    the plain images. None: each image that the teacher sees is another one.
    """
    if views.mix != "none" or views.teacher_jitter:
        return None
    plain: RecordedImages = "views" if data.augmentation is None else "plain"
    if views.teacher_view == "plain" or augmentation_of(views, data) is None:
        return plain
    if views.teacher_view == "own":
        return None
    if views.teacher_view == "same":
        return "views" if views.augment == AS_DATA and data.fixed_views else None
    assert_never(views.teacher_view)
