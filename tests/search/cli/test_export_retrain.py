"""A point taken out of its study: what is written stands alone, and can be made again."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file

from objectives.data.dataset import load_data
from objectives.models import build_model, load_weights
from reports import StudySummary
from search.cli.recipe import read_recipe
from search.cli.session import open_existing
from tests.search.commands_run import run_command, run_here, tree


@pytest.fixture(scope="module")
def summary(searched):
    session = open_existing("tiny", searched.runs, None)
    yield StudySummary.load(session.study)
    session.storage.engine.dispose()


def export(searched, out, *options, run=run_here):
    ended = run(
        *("export", "--study", "tiny", "--runs-dir", searched.runs, "--out", out, *options),
        cwd=out.parent,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def student(summary):
    """A point of a student with an adapter, under an integer scheme if there is one."""
    points = [point for point in summary.history.points if point.chain is not None]
    return max(points, key=lambda point: (point.scheme != "fp32", point.accuracy, point.number))


@pytest.fixture(scope="module")
def exported(searched, student, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "best"
    said = export(searched, out, "--pick", student.number, run=run_command)
    assert f"trial {student.number} ({student.scheme}): accuracy {student.accuracy:.4f}" in said
    return out


@pytest.fixture(scope="module")
def recipe(exported):
    return read_recipe(exported / "config.toml")


def test_an_export_has_every_file_and_the_studys_figures(exported, student, summary):
    names = {path.name for path in exported.iterdir()}
    assert names == {
        *("README.md", "adapter", "config.toml", "metrics.json", "model.onnx"),
        "student.safetensors",
    }
    metrics = json.loads((exported / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == student.accuracy
    assert metrics["validation"]["size_bytes"] == (exported / "model.onnx").stat().st_size
    assert metrics["latency"]["median_ms"] == summary.cost(student).median_ms
    card = (exported / "README.md").read_text()
    assert f"trial {student.number}" in card
    assert "None" not in re.sub(r"\bNone\b[],]", "", card)
    assert card.endswith("|\n")


def test_exporting_twice_gives_the_same_bytes(searched, exported, student):
    before = tree(exported)
    export(searched, exported, "--pick", student.number)
    assert tree(exported) == before
    assert [path.name for path in exported.parent.iterdir()] == ["best"]


@pytest.mark.parametrize("choice", ["knee", "accurate", "smallest", "fastest"])
def test_every_pick_by_name_is_on_the_front(searched, summary, tmp_path, choice):
    export(searched, tmp_path / "best", "--pick", choice)
    metrics = json.loads((tmp_path / "best" / "metrics.json").read_text())
    assert metrics["front"].startswith(f"on the front of {len(summary.front)} points")
    front = [member.point for member in summary.front]
    allowed = [point for point in front if point.accuracy >= summary.floor]
    if choice == "accurate":
        assert metrics["validation"]["accuracy"] == max(point.accuracy for point in front)
    if choice == "smallest":
        assert metrics["validation"]["size_bytes"] == min(point.size_bytes for point in allowed)


def test_the_teacher_quantized_can_be_exported_and_not_retrained(searched, summary, tmp_path):
    baseline = next(point for point in summary.history.points if point.chain is None)
    export(searched, tmp_path / "best", "--pick", baseline.number)
    assert not (tmp_path / "best" / "adapter").exists()
    assert "The teacher of study `tiny`, quantized directly." in (
        (tmp_path / "best" / "README.md").read_text()
    )
    ended = run_here("retrain", "best/config.toml", cwd=tmp_path)
    assert ended.returncode == 2
    assert "there is nothing to retrain" in ended.stderr


@pytest.fixture(scope="module", params=[None, "uint8", "float"])
def shipped(request, searched, exported, student, tmp_path_factory):
    """The export, its images normalised outside the file or within."""
    if request.param is None:
        return exported
    out = tmp_path_factory.mktemp("pixels") / "best"
    export(searched, out, "--pick", student.number, "--pixels", request.param)
    properties = {each.key: each.value for each in onnx.load(out / "model.onnx").metadata_props}
    data = load_data(read_recipe(out / "config.toml").setup.data)
    assert json.loads(properties["classes"]) == list(data.class_names)
    assert json.loads(properties["mean"]) == list(data.mean)
    assert json.loads(properties["std"]) == list(data.std)
    assert (properties["image_size"], properties["pixels"]) == ("16", request.param)
    return out


def test_pixels_of_another_kind_are_refused(searched, student, tmp_path):
    ended = run_here(
        *("export", "--study", "tiny", "--runs-dir", searched.runs, "--pick", student.number),
        *("--pixels", "int16", "--out", tmp_path / "best"),
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert ended.stderr == "distilfront: --pixels must be uint8 or float, got 'int16'\n"
    assert not list(tmp_path.iterdir())


def test_the_six_lines_of_the_card_run_the_model_without_us(shipped, recipe, tmp_path):
    """The card's own code on PNG files, in a process that has neither torch nor this repository."""
    exported = shipped
    card = (exported / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    assert len(code.splitlines()) <= 7
    *head, last = code.replace('"model.onnx"', f'r"{exported / "model.onnx"}"').splitlines()
    imports, each = head[:2], [line for line in head[2:] if "InferenceSession" not in line]
    load = next(line for line in head if "InferenceSession" in line)
    data = load_data(recipe.setup.data)
    images = data.splits["validation"].images
    for number, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"{number}.png")
    body = [line.replace('"image.png"', 'f"{number}.png"') for line in [*each, last]]
    program = "\n".join(
        [
            *imports,
            "import sys",
            load,
            f"for number in range({len(images)}):",
            *(f"    {line}" for line in body),
            "assert not {'torch', 'search', 'objectives', 'spaces'} & sys.modules.keys()",
        ]
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.split()
    right = [
        name == data.class_names[label]
        for name, label in zip(said, data.labels("validation"), strict=True)
    ]
    metrics = json.loads((exported / "metrics.json").read_text())
    assert np.mean(right) == metrics["validation"]["accuracy"]


def test_the_adapter_loads_with_peft_onto_a_network_of_that_kind(exported, recipe):
    network = build_model(recipe.chain.student.network, 10)
    adapted = PeftModel.from_pretrained(network, exported / "adapter")
    stored = load_file(exported / "adapter" / "adapter_model.safetensors")
    loaded = dict(adapted.named_parameters())
    assert stored
    for name, value in stored.items():
        place = re.sub(r"\.(lora_[AB])\.weight$", r".\1.default.weight", name)
        assert torch.equal(loaded[place], value)
    load_weights(
        build_model(recipe.chain.student.network, 10), exported / "student.safetensors", "it"
    )


def test_the_six_lines_of_the_card_put_the_adapter_on_its_base(exported, recipe):
    """And what comes of it is the merged network, which the base alone is not."""
    _, code = re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 6
    known = {}
    with contextlib.chdir(exported):
        exec(code, known)
    network = recipe.chain.student.network
    merged, base = (build_model(network, 10).eval() for _ in range(2))
    load_weights(merged, exported / "student.safetensors", "merged")
    load_weights(base, exported / "adapter" / "base.safetensors", "base")
    images = torch.randn(8, 3, network.image_size, network.image_size)
    with torch.no_grad():
        loaded, expected, without = (model(images) for model in (known["model"], merged, base))
    assert torch.allclose(loaded, expected, atol=1e-4)
    assert not torch.allclose(without, expected, atol=1e-2)


def test_the_config_alone_makes_the_same_weights_again(exported, tmp_path):
    """On another runs folder, without a cache, a study or anything but config.toml."""
    shutil.copyfile(exported / "config.toml", tmp_path / "config.toml")
    ended = run_command("retrain", "config.toml", "--out", "again", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    again, before = tree(tmp_path / "again"), tree(exported)
    for name in ("student.safetensors", "model.onnx", "adapter/adapter_model.safetensors"):
        assert again[name] == before[name], name
    assert again["config.toml"] == before["config.toml"]


def test_retraining_longer_with_seeds_states_mean_spread_and_what_changed(
    searched, exported, recipe, tmp_path
):
    ended = run_command(
        *("retrain", exported / "config.toml", "--epochs", "4", "--seeds", "42,518"),
        *("--out", "final", "--runs-dir", searched.runs),
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    for seed in (42, 518):
        for epoch in range(1, 5):
            assert f"seed {seed}: distill epoch {epoch}/4, accuracy 0." in ended.stdout
        assert f"seed {seed}: adapt epoch 2/2, accuracy 0." in ended.stdout
        again = read_recipe(tmp_path / "final" / f"seed-{seed}" / "config.toml")
        assert again.chain.student.seed == seed
        assert again.chain.student.epochs == (4, 2)
        unchanged = zip(again.chain.student.stages, recipe.chain.student.stages, strict=True)
        assert all(replace(long, epochs=short.epochs) == short for long, short in unchanged)
        card = (tmp_path / "final" / f"seed-{seed}" / "README.md").read_text()
        assert f"by the recipe of trial {recipe.trial} of study `tiny`, changed since" in card
        assert f"(trial {recipe.trial})" not in card
    comparison = json.loads((tmp_path / "final" / "comparison.json").read_text())
    found = [result["validation"]["accuracy"] for result in comparison["retrained"]]
    before = comparison["trial"]["validation"]["accuracy"]
    assert "6 epochs against the trial's 3, seeds 42, 518" in ended.stdout
    assert (
        f"validation accuracy {np.mean(found):.4f} (standard deviation {np.std(found, ddof=1):.4f}"
        f" over 2 seeds), {100 * (np.mean(found) - before):+.2f} points against the trial's "
        f"{before:.4f}"
    ) in ended.stdout
    assert "seeds 42, 518" in (tmp_path / "final" / "README.md").read_text()


def test_an_edited_recipe_is_no_trials_any_more(exported, recipe, tmp_path):
    assert recipe.is_the_trials
    before = (exported / "config.toml").read_text()
    edited = tmp_path / "config.toml"
    edited.write_text(re.sub(r"learning_rate = 0\.0\d+", "learning_rate = 0.007", before))
    assert not read_recipe(edited).is_the_trials
    # What was exported before there was a digest cannot tell.
    edited.write_text(re.sub(r'digest = "\w+"\n', "", before))
    assert read_recipe(edited).is_the_trials


@pytest.mark.parametrize("seeds", ["", "1,1", "one", "-3", "1,,2"])
def test_seeds_that_are_none(exported, tmp_path, seeds):
    ended = run_here("retrain", exported / "config.toml", f"--seeds={seeds}", cwd=tmp_path)
    assert ended.returncode == 2
    assert "--seeds takes different whole numbers, as 42,518,1993" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_epochs_that_are_none(exported, tmp_path):
    ended = run_here("retrain", exported / "config.toml", "--epochs", "0", cwd=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "epochs" in ended.stderr
    assert list(tmp_path.iterdir()) == []
