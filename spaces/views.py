"""What a stage's student and its teacher see of the training images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, get_args

from spaces.data import AugmentName
from spaces.methods import METHODS
from spaces.settings import Number, Parts, Setting, Settings, Word, own_settings, setting

MixName = Literal["none", "mixup", "cutmix"]
TeacherViewName = Literal["same", "plain", "own"]

AS_DATA, NOTHING = "data", "none"
AUGMENTATION = Parts(
    (AS_DATA, NOTHING), tuple(name for name in get_args(AugmentName) if name != NOTHING)
)
"""Of training images: as `[data]` says, none, or by name, several in turn."""
_JITTER = Number(least=0, most=2)


def _is_taught(known: Mapping[str, Any]) -> bool:
    return "method" not in known or bool(known["method"].needs_teacher)


def _mixes(known: Mapping[str, Any]) -> bool:
    return "method" not in known or not known["method"].needs_labels


@dataclass(frozen=True)
class Views(Settings):
    """Mixed into a stage that has a `method`: how its images are changed and mixed."""

    _: KW_ONLY
    mix: MixName = setting(
        "none", Setting("mixing", Word(get_args(MixName)), applies=_mixes, baseline="none")
    )
    """Of two images and their labels: `mixup` adds a share of both (Zhang et al. 2018), `cutmix`
    pastes a box of one into the other (Yun et al. 2019). Not of methods that need one label an
    image: `dkd`, `crd`, `multi_level`."""
    mix_alpha: float = setting(
        1.0,
        Setting(
            "mixing alpha",
            Number(least=0.01, most=100),
            applies=lambda known: known["mix"] != "none",
            baseline=1,
        ),
    )
    """The share is drawn from Beta(mix_alpha, mix_alpha), once a batch. Published are 0.2 to 1."""
    augment: str = setting(AS_DATA, Setting("augmentation", AUGMENTATION, baseline=AS_DATA))
    """Random changes of this stage's images: as `[data]` says, none, or by name as there, several
    in turn as `shift+mirror`. `data.views` are of `[data]`'s own alone."""
    jitter: float = setting(0.0, Setting("colour jitter", _JITTER, baseline=0))
    """Of what the student sees: random brightness, contrast, saturation and hue; at 1 by up to 0.4,
    0.4, 0.4 and 0.1, as torchvision's ColorJitter."""
    teacher_view: TeacherViewName = setting(
        "same",
        Setting(
            "teacher's view", Word(get_args(TeacherViewName)), applies=_is_taught, baseline="same"
        ),
    )
    """What the teacher sees: the `same` crop as the student, the `plain` image (its logits are
    computed once a study), or a crop of its `own`. Of mixed images it sees the same mixture. `same`
    with `mixup` and many epochs is function matching (Beyer et al. 2022)."""
    teacher_jitter: float = setting(
        0.0,
        Setting(
            "teacher's colour jitter",
            _JITTER,
            applies=lambda known: _is_taught(known) and known["teacher_view"] != "plain",
            baseline=0,
        ),
    )
    """As `jitter`, of what the teacher sees. With `same` the draws are the student's: at equal
    strengths both see equal colours."""

    @property
    def views_in_words(self) -> tuple[str, ...]:
        """What is not as always: `mixing mixup`, `colour jitter 1`."""
        values = ((one, getattr(self, one.name)) for one in own_settings(Views))
        return tuple(
            f"{one.setting.words} {value:g}"
            if isinstance(value, float)
            else f"{one.setting.words} {value}"
            for one, value in values
            if value != one.default
        )

    @classmethod
    def clashes(cls, values: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:
        """Find methods that need one label an image where nothing but mixed images is left."""
        mixes = [mix for mix in values["mix"] if mix != "none"]
        names = values.get("method", ()) if mixes else ()
        refused = [name for name in names if METHODS[name].needs_labels]
        # Beside methods that can, and where none is a value of it, such a method just never mixes.
        if refused and (len(refused) == len(names) or "none" not in values["mix"]):
            free = ", ".join(name for name, kind in METHODS.items() if not kind.needs_labels)
            words = f"{' and '.join(mixes)} cannot go with the method {' or '.join(refused)}"
            beside = f"; list none too, and a method that can: {free}"
            yield "mix", f"{words}: it needs one label an image{beside}"
        yield from super().clashes(values)
