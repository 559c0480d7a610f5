"""The table of quantization-aware training beside rounding: what it prints, and what it resumes."""

import sys
from pathlib import Path

import pytest

from benchmarks.methods.quantize_aware import main
from spaces import InputError

STUDY = """
name = "tiny"
[data]
name = "digits"
image_size = 8
validation_limit = 60
test_limit = 100
[teacher]
architecture = "resnet8x4"
width = 0.25
image_size = 8
[teacher.training]
epochs = 2
learning_rate = 0.02
batch_size = 32
"""


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> None:
    file = folder / "tiny.toml"
    file.write_text(STUDY)
    given = [str(file), "--work", str(folder / "work"), "--images", "200", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["quantize_aware", *given, *options])
    main()


def test_a_row_has_accuracies_and_seconds_and_what_was_trained_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, tmp_path, "--layouts", "w4a8")
    first = capsys.readouterr()
    head, _, row = first.out.splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == head.count("|") - 1 == 8
    assert cells[:2] == ["`w4a8`", "0"]
    assert all(0 <= float(cell) <= 100 for cell in cells[2:5])
    assert all(float(cell) >= 0 for cell in cells[5:])
    assert "w4a8 0: epoch 1" in first.err
    run(monkeypatch, tmp_path, "--layouts", "w4a8")
    again = capsys.readouterr()
    assert "epoch" not in again.err
    assert again.out.splitlines()[2].split("|")[3:6] == row.split("|")[3:6]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--layouts", "w4,w5"), "layout must be one of w8, .*, got 'w5'"),
        (("--method", "guess"), "method must be of none, .*, got 'guess'"),
    ],
)
def test_what_there_is_not_is_refused_before_training(
    options: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        run(monkeypatch, tmp_path, *options)
    assert not (tmp_path / "work").exists()
