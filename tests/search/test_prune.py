"""Chains that prune: searched in several orders, killed, exported, retrained, refused."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from optuna.trial import TrialState

from spaces import InputError
from tests.objectives import made_weights
from tests.search.commands_run import run_here
from tests.search.searching import (
    Command,
    assert_whole,
    curve,
    history_in,
    search_here,
    study_file,
    trials_in,
    wait_for_death,
)

SPACE = """
[chain]
stages = ["distill", "prune", "adapt"]
{orders}
[space.network]
architecture = "resnet8x4"
width = [0.5]
[space.distill]
epochs = 2
batch_size = 32
alpha = 0.5
temperature = 4
learning_rate = 0.01
{begins}
[space.prune]
amount = [0, 0.5]
epochs = 2
batch_size = 32
learning_rate = 0.005
criterion = ["l2", "taylor"]
[space.adapt]
epochs = 1
batch_size = 32
rank = [0, 4]
lora_alpha = 8
dropout = 0.0
targets = "dense"
learning_rate = 0.003
[space.quantize]
scheme = ["fp32", "int8_static"]
"""
PLAIN = SPACE.format(orders="", begins="")
ORDERED = SPACE.format(
    orders='orders = [["distill", "prune", "adapt"], ["prune", "distill", "adapt"]]',
    begins='pretrained = "teacher"',
)
ATTENTION = f"{made_weights.__name__}:attention_alone"
WITHOUT_NORMS = f"{made_weights.__name__}:shuffled"
SAME = ["teacher.architecture=resnet8x4", "teacher.width=0.5"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["space.prune.amount=1"], r"space\.prune\.amount: must be in \[0, 0\.95\]"),
        (["space.prune.shares=conv1=3"], r"takes 150% of conv1"),
        (["space.prune.shares=conv9=1"], r"prune\.shares names conv9, which leads no channels"),
        (["space.prune.shares=conv1"], "pairs of a layer and a number"),
        (["space.prune.steps=5"], "must be at most the epochs, got 5 beside 2"),
        (
            [f"space.network.architecture={ATTENTION}", "space.network.width=1"],
            "its channels cannot be pruned: heads of attention look at channels by their place",
        ),
        (
            [
                f"space.network.architecture={WITHOUT_NORMS}",
                "space.network.width=1",
                "space.prune.criterion=['batch_norm','l2']",
            ],
            "the criterion says nothing of the channels of after: batch_norm is for those",
        ),
        (
            ["chain.stages=['prune','distill','adapt']", "space.prune.amount=0.5"],
            "begins with the weights of the teacher, which is another network",
        ),
        (["chain.stages=['adapt','prune']"], "adapt cannot be first"),
        (
            ["chain.stages=['prune','adapt']", *SAME],
            r"^[^\n]*space\.prune\.amount: must not be 0: without prune, adapt cannot be first$",
        ),
        (["chain.stages=['prune']", *SAME], "without prune, no stage is left"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_one_line_before_training(
    settings: list[str], words: str, tmp_path: Path
) -> None:
    file, runs = study_file(tmp_path, PLAIN), tmp_path / "runs"
    with pytest.raises(InputError, match=words):
        search_here(file, runs, *settings)
    assert not runs.exists()


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["ehvi", "tpe"])
def test_orders_are_searched_reported_exported_and_retrained(sampler: str, tmp_path: Path) -> None:
    file, runs = study_file(tmp_path, ORDERED), tmp_path / "runs"
    search_here(file, runs, *SAME, f"sampler.name={sampler}", "trials=10", "pruning.name=none")
    history = history_in(runs)
    assert not history.failed
    assert len(history.students) == 10
    kinds = {tuple(one.kind for one in each.chain.student.stages) for each in history.students}
    assert {order[:2] for order in kinds} >= {("distill", "prune"), ("prune", "distill")}
    pruned = [
        point
        for point in history.points
        if point.chain is not None and point.chain.student.deployed.pruned.channels
    ]
    whole = next(one for one in history.points if one.chain and one not in pruned)
    for point in pruned:
        same = whole if whole.scheme == point.scheme else None
        assert same is None or point.size_bytes < 0.5 * same.size_bytes
    report = run_here("report", "--study", "tiny", "--show", "grad_cam", cwd=tmp_path)
    assert report.returncode == 0, report.stderr  # The smallest of the front is a pruned one.
    export = run_here(
        *("export", "--study", "tiny", "--pick", pruned[0].number, "--out", "out"), cwd=tmp_path
    )
    assert export.returncode == 0, export.stderr + export.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == pytest.approx(pruned[0].accuracy)
    again = run_here("retrain", "out/config.toml", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr + again.stdout
    both = [(tmp_path / name / "model.onnx").read_bytes() for name in ("out", "again")]
    assert both[0] == both[1]

    def plan_of(number: int) -> CompletedProcess[str]:
        settings = ("--study", "tiny", "--pick", number, "--prune", "0.4")
        return run_here("sensitivity", *settings, cwd=tmp_path)

    plan = plan_of(whole.number)
    assert plan.returncode == 0, plan.stderr + plan.stdout
    assert "[space.prune]" in plan.stdout
    shares = plan.stdout.split('shares = "')[1].split('"')[0]
    refused = plan_of(pruned[0].number)
    assert refused.returncode == 2
    assert "is pruned already" in refused.stderr + refused.stdout
    unasked = run_here("sensitivity", "--study", "tiny", "--prune", "0.4", cwd=tmp_path)
    assert unasked.returncode == 0, unasked.stderr + unasked.stdout
    settings = (*SAME, f"space.prune.shares={shares}")
    overrides = (word for setting in settings for word in ("--set", setting))
    planned = run_here("run", "--study", "tiny.toml", *overrides, "--dry-run", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr + planned.stdout


@pytest.mark.long
def test_killed_while_what_is_left_learns_it_goes_on_from_the_last_epoch(tmp_path: Path) -> None:
    space = PLAIN.replace("amount = [0, 0.5]", "amount = 0.5\nsteps = 2")
    file, runs = study_file(tmp_path, space), tmp_path / "runs"

    def it_has_an_epoch_of_two() -> bool:
        running = [one for one in trials_in(runs) if one.state == TrialState.RUNNING]
        return any(len(curve(one)) == 3 for one in running)

    settings = ("--set", "trials=2", "--set", "pruning.name=none", "--set", "sampler.startup=1")
    first = Command(file, runs, *settings)
    first.waits_until(it_has_an_epoch_of_two)
    left = first.kill()
    went_further = not it_has_an_epoch_of_two()  # Between the look and the kill.
    wait_for_death(left)
    second = Command(file, runs, *settings)
    assert second.ends() == 0, second.output
    says = "reused" if went_further else "goes on after prune epoch 1/2, reused"
    assert says in second.output
    assert_whole(runs, 2)
    assert {one.kind for one in history_in(runs).failed} == {"interrupted"}


def test_a_search_says_where_zeros_gain_nothing(tmp_path: Path) -> None:
    study_file(tmp_path, PLAIN)
    settings = ("run", "--study", "tiny.toml", "--dry-run", "--set", "space.prune.removes=weights")
    plain = ("--set", 'space.prune.criterion="l2"')
    said = run_here(*settings, *plain, cwd=tmp_path)
    assert said.returncode == 0, said.stderr + said.stdout
    words = " ".join((said.stdout + said.stderr).split())
    assert "zero change neither bytes nor latency under these schemes" in words
    schemes = ("--set", 'space.quantize.scheme=["fp32","int8_sparse"]')
    said = run_here(*settings, *plain, *schemes, cwd=tmp_path)
    assert "change neither bytes" not in " ".join((said.stdout + said.stderr).split())
