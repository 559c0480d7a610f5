"""The contract that every sampler keeps, and what each is good for."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.samplers import sampler_named
from search.strategy.sobol import at
from spaces import (
    PLACES,
    STAGES,
    Adapt,
    ChainConfig,
    Choice,
    Distill,
    Logit,
    Space,
    Steps,
    UnknownNameError,
    keys_of,
)
from studies.records import Attr

SAMPLERS = ("tpe", "nsgaii", "gp", "random", "qmc")
GP_LONG = [
    pytest.param(name, marks=[pytest.mark.long] if name == "gp" else []) for name in SAMPLERS
]
"""For tests in which a sampler draws often: each of the GP's draws takes a second or two."""
SCHEMES = ("fp32", "fp16", "int8_static", "w4a8")
SPACE = Space(
    stages=("distill", "adapt"),
    domains={
        "network.width": Choice((0.25, 0.5, 0.75, 1.0)),
        "distill.alpha": Steps(0, 1, 0.1),
        "distill.temperature": Steps(1, 10, 1),
        "distill.epochs": Choice((4,)),
        "distill.learning_rate": Steps(0.001, 0.01, 0.001),
        "adapt.rank": Choice((0, 2, 4, 8)),
        "adapt.lora_alpha": Choice((8, 16)),
        "adapt.dropout": Steps(0, 0.2, 0.1),
        "adapt.targets": Choice(("classifier", "pointwise")),
        "adapt.epochs": Choice((2,)),
        "adapt.learning_rate": Steps(0.001, 0.005, 0.001),
        "adapt.weight_decay": Choice((0,)),
        "quantize.scheme": Choice(SCHEMES),
    },
    seed=0,
)
DIRECTIONS = ("maximize", "minimize", "minimize")


def new_study(name, *, seed=0, startup=4, directions=DIRECTIONS, storage=None):
    return optuna.create_study(
        directions=directions, sampler=sampler_named(name, seed, startup), storage=storage
    )


def distilling(chain: ChainConfig) -> Distill:
    """Return the first stage of its student."""
    first, *_ = chain.student.stages
    assert isinstance(first, Distill)
    return first


def alpha_of(chain: ChainConfig) -> float:
    method = distilling(chain).method
    assert isinstance(method, Logit)
    return method.alpha


def rank_of(chain: ChainConfig) -> int:
    return next((stage.rank for stage in chain.student.stages if isinstance(stage, Adapt)), 0)


def outcome(chain):
    """A made-up study in which alpha and the learning rate decide, and the scheme costs little."""
    width = chain.student.network.width
    scheme = ("fp32", "fp16", "weight_only", "static").index(chain.scheme.layout.kind)
    accuracy = (
        0.95
        - 0.3 * (alpha_of(chain) - 0.6) ** 2
        - 2e3 * (distilling(chain).learning_rate - 0.004) ** 2
        + 0.02 * width
        + 0.001 * rank_of(chain)
        - 0.005 * scheme
    )
    return accuracy, width * 1e6 / (1 + scheme), width


def draw(study):
    trial = study.ask()
    return trial, SPACE.suggest(trial)


def run(study, trials):
    """Run sampled trials, of which every fifth is pruned."""
    for _ in range(trials):
        trial, chain = draw(study)
        if trial.number % 5 == 4:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, outcome(chain)[: len(study.directions)])


def refill(study, trials):
    for trial in trials:
        study.add_trial(trial)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("directions", [DIRECTIONS, DIRECTIONS[:2]])
def test_every_setting_lies_in_its_domain(name, directions):
    study = new_study(name, directions=directions)

    run(study, 7)

    for trial in study.trials:
        alpha = trial.params["distill.alpha"]
        assert trial.params["network.width"] in SPACE.values("network.width")
        assert any(abs(alpha - value) < 1e-9 for value in SPACE.values("distill.alpha"))
        assert ("distill.temperature" in trial.params) == (alpha > 0)
        assert ("adapt.targets" in trial.params) == (trial.params["adapt.rank"] > 0)
        assert trial.params.keys() <= SPACE.searched.keys()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_study_and_number_give_the_same_draw_whoever_asks(name, tmp_path):
    follower = new_study(name)
    run(follower, 6)
    before = follower.trials
    _, drawn = draw(follower)

    resumed = new_study(name, storage=f"sqlite:///{tmp_path}/study.db")
    refill(resumed, before)

    assert draw(resumed)[1] == drawn


@pytest.mark.parametrize("name", GP_LONG)
def test_order_of_reading_does_not_matter_when_trials_end_out_of_turn(name):
    follower = new_study(name)
    run(follower, 5)
    late, late_chain = draw(follower)
    run(follower, 2)  # These end, and are read, before the late one does.
    follower.tell(late, outcome(late_chain))
    trials = follower.trials
    _, drawn = draw(follower)

    newcomer = new_study(name)
    refill(newcomer, trials)

    assert draw(newcomer)[1] == drawn


@pytest.mark.parametrize("name", GP_LONG)
def test_a_trial_that_ended_before_one_already_read_is_put_in_its_place(name):
    # Another machine's clock: the trial comes to light late, with an earlier end.
    follower = new_study(name)
    run(follower, 6)
    stale = _ended_earlier(follower.trials[2])
    draw(follower)
    follower.add_trial(stale)
    trials = follower.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    running = follower.get_trials(states=(TrialState.RUNNING,))
    _, drawn = draw(follower)

    newcomer = new_study(name)
    refill(newcomer, sorted([*trials, *running], key=lambda trial: trial.number))

    assert draw(newcomer)[1] == drawn


def _ended_earlier(trial: FrozenTrial) -> FrozenTrial:
    copy = create_trial(values=trial.values, params=trial.params, distributions=trial.distributions)
    copy.datetime_complete = trial.datetime_complete - timedelta(hours=1)
    return copy


@pytest.mark.parametrize("name", GP_LONG)
def test_offers_and_baselines_change_no_draw(name):
    plain, offered = new_study(name), new_study(name)
    run(plain, 6)
    refill(offered, plain.trials)
    with_offers = [
        create_trial(
            values=trial.values,
            params=trial.params | {"quantize.scheme": "w4a8"},
            distributions=trial.distributions,
            user_attrs={Attr.ORIGIN: "offered"},
        )
        for trial in plain.trials
        if trial.state == TrialState.COMPLETE
    ]
    baseline = create_trial(values=[0.99, 9e9, 9.0], user_attrs={Attr.ORIGIN: "baseline"})
    refill(offered, [*with_offers, baseline])
    # The same numbers, taken by trials that no sampler learns from.
    refill(plain, [_nothing() for _ in range(len(with_offers) + 1)])

    assert draw(plain)[1] == draw(offered)[1]


def _nothing() -> FrozenTrial:
    return create_trial(state=TrialState.FAIL, user_attrs={Attr.ORIGIN: "offered"})


@pytest.mark.parametrize("name", SAMPLERS)
def test_workers_at_once_and_after_a_resume_do_not_repeat_each_other(name, tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    study = new_study(name, storage=storage)
    drawn = [draw(study)[1]]
    for _ in range(6):  # Each a new process's sampler with the same seed, none told yet.
        other = optuna.load_study(
            study_name=study.study_name, storage=storage, sampler=sampler_named(name, 0, 4)
        )
        drawn.append(draw(other)[1])

    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("name", SAMPLERS)
def test_another_seed_draws_otherwise(name):
    first, second = ([draw(new_study(name, seed=seed))[1]] for seed in (0, 1))

    assert first != second


@pytest.mark.parametrize("name", SAMPLERS)
def test_settings_that_were_enqueued_stand(name):
    study = new_study(name)
    run(study, 5)
    study.enqueue_trial({"network.width": 0.75, "distill.alpha": 0.0, "adapt.rank": 0})

    _, chain = draw(study)

    assert chain.student.network.width == 0.75
    assert not chain.student.needs_teacher
    assert rank_of(chain) == 0


def test_an_unknown_sampler_lists_the_known():
    with pytest.raises(UnknownNameError, match="tpe, nsgaii, gp, random, qmc"):
        sampler_named("grid", 0)


@pytest.mark.parametrize("name", ["tpe", "nsgaii"])
def test_learning_beats_chance(name):
    def late_mean(sampler):
        study = new_study(sampler, seed=3, startup=8)
        run(study, 80)
        return np.mean([t.values[0] for t in study.trials[40:] if t.values])

    assert late_mean(name) > late_mean("random") + 0.005


def test_stopped_and_diverged_students_are_never_good_ones_to_tpe():
    # Five complete students have alpha 0.2; 95 bad ones, half of them diverged, have 0.9.
    study = new_study("tpe")
    some, _ = draw(study)
    frozen = study.trials[some.number]
    for i in range(100):
        state = TrialState.COMPLETE if i < 5 else TrialState.PRUNED
        diverged = i >= 5 and i % 2
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if diverged else state,
                values=[0.9 + i / 100, 1e6, 1.0] if i < 5 else None,
                params=frozen.params | {"distill.alpha": 0.2 if i < 5 else 0.9},
                distributions=frozen.distributions,
                user_attrs={Attr.FAILURE: {"kind": "diverged"}} if diverged else {},
            )
        )

    alphas = []
    for _ in range(20):
        trial, chain = draw(study)
        study.tell(trial, state=TrialState.FAIL)  # Nothing is learnt from it.
        alphas.append(alpha_of(chain))

    assert 0.9 not in alphas
    assert np.mean(np.array(alphas) <= 0.4) > 0.6, alphas


def test_nsgaii_breeds_from_the_generation_before():
    study = new_study("nsgaii", startup=4)
    trial, _ = draw(study)
    frozen = study.trials[trial.number]
    for i in range(4):
        params = frozen.params | {"distill.alpha": 0.3, "distill.learning_rate": 0.002}
        study.add_trial(
            create_trial(
                values=[0.9 + i / 100, 1e6, 1.0],
                params=params,
                distributions=frozen.distributions,
            )
        )

    children = [draw(study)[1] for _ in range(20)]

    inherited = [alpha_of(child) == 0.3 for child in children]
    inherited += [distilling(child).learning_rate == 0.002 for child in children]
    assert np.mean(inherited) > 0.6  # By chance one in ten would be so.


def test_nsgaii_resumes_after_a_thousand_generations():
    study = new_study("nsgaii", startup=2)
    trial, _ = draw(study)
    frozen = study.trials[trial.number]
    study.tell(trial, (0.5, 1.0, 1.0))
    rng = np.random.default_rng(0)
    for _ in range(2200):
        study.add_trial(
            create_trial(
                values=rng.random(3).tolist(),
                params=frozen.params,
                distributions=frozen.distributions,
            )
        )

    assert draw(study)[1]


def test_qmc_is_even_in_every_setting_from_the_start():
    study = new_study("qmc", seed=5)
    chains = [draw(study)[1] for _ in range(32)]
    widths = [chain.student.network.width for chain in chains]
    ranks = [rank_of(chain) for chain in chains]

    assert {widths.count(width) for width in SPACE.values("network.width")} == {8}
    assert {ranks.count(rank) for rank in SPACE.values("adapt.rank")} == {8}


def test_qmc_has_a_coordinate_for_every_setting_that_there_is():
    assert set(PLACES) >= keys_of(tuple(STAGES)).keys()
    assert len(PLACES) == len(set(PLACES))


def test_qmc_draws_what_has_no_coordinate_at_random_but_the_same_again():
    def drawn(seed: int) -> list[float]:
        study = new_study("qmc", seed=seed)
        return [study.ask().suggest_float("prune.share", 0, 1) for _ in range(50)]

    assert "prune.share" not in PLACES
    assert drawn(0) == drawn(0) != drawn(1)
    assert len(set(drawn(0))) == 50
    assert np.histogram(drawn(0), bins=5, range=(0, 1))[0].min() > 3


@pytest.mark.parametrize(
    ("further", "domain"),
    [
        ("network.architecture", Choice(("mobilenet_v2", "cifar_resnet20"))),
        ("distill.batch_size", Choice((32, 64))),
        ("distill.weight_decay", Steps(0, 0.02, 0.01)),
        ("adapt.decay", Choice(("constant", "cosine"))),
    ],
)
def test_a_further_setting_of_a_space_does_not_move_the_other_coordinates_of_qmc(further, domain):
    wider = replace(SPACE, domains={**SPACE.domains, further: domain})
    before, after = new_study("qmc", seed=5), new_study("qmc", seed=5)

    for _ in range(40):
        trial, same = before.ask(), after.ask()
        SPACE.suggest(trial)
        wider.suggest(same)
        kept = {name: value for name, value in same.params.items() if name != further}
        assert kept == trial.params

    values = [trial.params[further] for trial in after.trials if further in trial.params]
    assert set(values) == set(domain.values)
    assert not any(further in trial.params for trial in before.trials)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999999999])
def test_coordinates_become_values_of_any_distribution(share):
    distributions = [
        optuna.distributions.FloatDistribution(0.001, 0.01, step=0.001),
        optuna.distributions.FloatDistribution(0.1, 10),
        optuna.distributions.FloatDistribution(1e-4, 1, log=True),
        optuna.distributions.IntDistribution(2, 11, step=3),
        optuna.distributions.CategoricalDistribution(["a", "b", "c"]),
    ]

    for distribution in distributions:
        value = at(distribution, share)
        assert distribution._contains(distribution.to_internal_repr(value))
