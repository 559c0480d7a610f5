"""What an export has of each method of adapting: an adapter that its card loads, or none."""

import contextlib
import re

import pytest
import torch

from objectives import TrainedStudent, Verdict, Workbench
from objectives.models import build_model, load_weights
from search.cli.export_folder import write_model
from search.cli.recipe import Recipe, read_recipe
from spaces import ADAPTERS, SCHEMES, ChainConfig
from tests.objectives.chain.test_adapting import SETUP, student


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Workbench(SETUP, tmp_path_factory.mktemp("cache")) as bench:
        yield bench


@pytest.mark.parametrize("method", ADAPTERS)
def test_the_card_of_an_export_puts_the_adapter_on_its_base(bench, method, tmp_path):
    made = student(method)
    recipe = Recipe(SETUP, ChainConfig(made, SCHEMES["fp32"]), SCHEMES["fp32"], "a study", 0)
    trained = bench.train_student(made, lambda _: Verdict.GO_ON)
    assert isinstance(trained, TrainedStudent)
    write_model(
        tmp_path, bench, recipe, trained, dict.fromkeys(("latency", "teacher", "front"), None)
    )
    assert read_recipe(tmp_path / "config.toml").chain.student == made
    card = (tmp_path / "README.md").read_text("utf-8")
    assert f"Adapted (adapt): {made.stages[1].in_words};" in card
    _, *loading = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    if not ADAPTERS[method].leaves:
        assert loading == []
        assert "`adapter/`" not in card
        assert not (tmp_path / "adapter").exists()
        return
    assert "| `adapter/` | the adapter in peft's format, and the weights it adapts |" in card
    known = {}
    with contextlib.chdir(tmp_path):
        exec(loading[0], known)
    merged, base = (build_model(made.network, 10).eval() for _ in range(2))
    load_weights(merged, tmp_path / "student.safetensors", "merged")
    load_weights(base, tmp_path / "adapter" / "base.safetensors", "base")
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loaded, expected, without = (model(images) for model in (known["model"], merged, base))
    assert torch.allclose(loaded, expected, atol=1e-4)
    assert not torch.allclose(without, expected, atol=1e-2)
