"""A study of recipes and of what student and teacher see: refused, searched, scored."""

from pathlib import Path

import pytest

from spaces import InputError
from tests.search.searching import assert_whole, history_in, search_here, study_file, trials_in

SPACE = """
[chain]
stages = ["distill"]
[space.network]
architecture = "resnet8x4"
width = [0.25]
[space.distill]
method = ["logit", "none"]
alpha = 0.9
temperature = 4
batch_size = 32
epochs = [2, 3]
learning_rate = [0.01, 0.02]
optimizer = ["sgd", "sgd_nesterov", "adamw"]
weight_decay = { low = 0, high = 0.001, step = 0.0005 }
decay = ["cosine", "step", "constant"]
warmup_epochs = { low = 0, high = 1, step = 0.5 }
mix = ["mixup", "cutmix"]
mix_alpha = [0.2, 1.0]
augment = ["data", "shift", "randaugment"]
jitter = [0, 1]
teacher_view = ["same", "plain", "own"]
[space.quantize]
scheme = "fp32"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return study_file(tmp_path, SPACE)


def test_all_of_a_recipe_can_be_searched_in_one_study(file: Path, tmp_path: Path) -> None:
    search_here(file, tmp_path / "runs", "trials=2", "teacher.architecture=resnet8x4")
    assert_whole(tmp_path / "runs", total=2)
    history = history_in(tmp_path / "runs")
    names = {name for trial in trials_in(tmp_path / "runs") for name in trial.params}
    for name in ("optimizer", "weight_decay", "decay", "warmup_epochs", "epochs", "mix", "augment"):
        assert f"distill.{name}" in names
    stages = [point.chain.student.stages[0] for point in history.points if point.chain]
    assert stages
    assert all(stage.mix in {"mixup", "cutmix"} for stage in stages)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ["space.distill.method=['logit', 'crd']"],
            "space.distill.mix: mixup and cutmix cannot go with the method crd: it needs one label",
        ),
        (
            ["space.distill.warmup_epochs=[0, 2]"],
            "space.distill.warmup_epochs: must be less than epochs, got 2 beside 2 epochs",
        ),
        (
            ["teacher.training.decay=cosine", "teacher.training.warmup_epochs=2"],
            "teacher.training: warmup_epochs must be less than epochs, got 2 beside 2 epochs",
        ),
    ],
)
def test_what_cannot_go_together_is_one_line_before_anything_is_written(
    settings: list[str], words: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        search_here(file, tmp_path / "runs", *settings)
    (line,) = str(caught.value).splitlines()
    assert words in line
    assert not (tmp_path / "runs").exists()
