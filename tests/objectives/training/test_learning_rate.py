import pytest
import torch

from objectives.training.learning_rate import learning_rate
from spaces import Schedule

STEPS = 40


def _torchs(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("decay", "make"),
    [
        ("one_cycle", lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.5, STEPS + 1)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS)),
        ("step", lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [25, 30, 35])),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
def test_is_torchs_schedule(decay, make):
    steps = STEPS + 1 if decay == "one_cycle" else STEPS
    schedule = Schedule(1, 0.5, decay=decay)
    ours = [learning_rate(schedule, step, steps) for step in range(STEPS)]
    assert ours == pytest.approx(_torchs(make), rel=1e-9)


@pytest.mark.parametrize("decay", ["one_cycle", "cosine", "step", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_short_runs_have_a_rate_too(decay, steps):
    rates = [learning_rate(Schedule(1, 0.5, decay=decay), step, steps) for step in range(steps)]
    assert all(0 < rate <= 0.5 for rate in rates)


@pytest.mark.parametrize(
    ("decay", "make"),
    [
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS - 6)),
        ("constant", lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
    ],
)
def test_a_warm_up_is_torchs_too_and_the_decay_begins_after_it(decay, make):
    def both(optimizer):
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / 7, total_iters=6)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, make(optimizer)], [6])

    schedule = Schedule(10, 0.5, decay=decay, warmup_epochs=1.5)
    ours = [learning_rate(schedule, step, STEPS) for step in range(STEPS)]
    assert ours == pytest.approx(_torchs(both), rel=1e-9)
    assert ours[0] > 0
    assert ours[6] == max(ours) == 0.5


@pytest.mark.parametrize("decay", ["cosine", "step", "constant"])
def test_all_but_all_of_a_run_can_be_warm_up(decay):
    schedule = Schedule(2, 0.5, decay=decay, warmup_epochs=1.99)
    rates = [learning_rate(schedule, step, 6) for step in range(6)]
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rates == sorted(rates)
