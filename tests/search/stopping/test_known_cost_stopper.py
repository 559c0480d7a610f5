import io
import math
import re
import subprocess
import sys
import warnings
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from search.stopping import conformal
from search.stopping.curve_scores import LogErrors, RawGain
from search.stopping.incumbents import IncumbentFront
from search.stopping.known_cost_stopper import KnownCostStopper
from search.stopping.score_book import ScoreBook
from spaces import InputError, UnknownNameError, digest
from tests.search import fabricated
from tests.search.commands_run import environment
from tests.search.learning import STEPS, draw, value_at

ROOT = Path(__file__).parents[3]
DIRECTIONS = ("minimize", "maximize", "minimize")


@pytest.fixture(autouse=True)
def _quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def new_study(directions=DIRECTIONS, sampler=None, storage=None):
    return optuna.create_study(
        directions=directions, sampler=sampler or RandomSampler(seed=0), storage=storage
    )


def run(study, stopper, trials, *, turn=(1, 1, 1)):
    """Run trials of (size, value, latency), each turned by its sign; return the watches."""
    watches = []

    def objective(trial):
        final, late, size, latency = draw(trial)
        watch = stopper.watch(trial, (turn[0] * size, turn[2] * latency))
        watches.append(watch)
        for step in range(1, STEPS + 1):
            value = value_at(final, late, step / STEPS)
            if watch.should_stop(turn[1] * value, step / STEPS):
                raise optuna.TrialPruned
        return turn[0] * size, turn[1] * value, turn[2] * latency

    study.optimize(objective, n_trials=trials)
    return watches


def final_of(trial):
    return trial.params["final"] + 0.1 * math.log2(trial.params["size"])


def dominated(trial, by):
    return (
        final_of(by) >= final_of(trial)
        and by.params["size"] <= trial.params["size"]
        and by.params["latency"] <= trial.params["latency"]
        and by.number != trial.number
    )


# --- What is ruled -------------------------------------------------------------------------------


def rule_by_definition(trials, number, known, curve, delta, margin):
    """Say from first principles whether a trial is to be stopped, and against what value."""
    before = trials[:number]
    stopped = sum(t.state == TrialState.PRUNED for t in before)
    scores = {True: [], False: []}
    for t in before:
        if t.state == TrialState.COMPLETE:
            steps = t.user_attrs["known_costs:curve"]
            score = max([0] + [(t.values[1] - v) / ((1 - e) ** 2 + 0.1) for e, v in steps])
            scores["known_costs:ruling" in t.user_attrs].append(score)
    q = conformal.quantile(scores[False], scores[True], stopped, delta)
    rivals = [
        t.values[1]
        for t in before
        if t.state == TrialState.COMPLETE and t.values[0] <= known[0] and t.values[2] <= known[1]
    ]
    bound = min(v + q * ((1 - e) ** 2 + 0.1) for e, v in curve)
    if not rivals or bound >= max(rivals) - margin:
        return None
    return max(rivals)


@pytest.mark.parametrize(("delta", "margin"), [(0.1, 0.0), (0.25, 0.05)])
def test_the_stopper_rules_as_its_definition(delta, margin):
    study = new_study()
    stopper = KnownCostStopper(study, 1, delta=delta, margin=margin)

    run(study, stopper, 150)

    seen, trials = Counter(), study.trials
    for trial in trials:
        final, late = final_of(trial), trial.params["late"]
        known = trial.params["size"], trial.params["latency"]
        curve = [(s / STEPS, value_at(final, late, s / STEPS)) for s in range(1, STEPS)]
        rulings = [
            rule_by_definition(trials, trial.number, known, curve[:s], delta, margin)
            for s in range(1, STEPS)
        ]
        first = next((s for s, incumbent in enumerate(rulings) if incumbent is not None), None)
        record = trial.user_attrs.get("known_costs:ruling")
        seen[trial.state.name, record is not None] += 1
        assert (record is None) == (first is None)
        if record is not None:
            assert record["audited"] == (trial.state == TrialState.COMPLETE)
            assert record["progress"] == curve[first][0]
            assert record["incumbent"] == rulings[first]
            rival = trials[record["incumbent_number"]]
            assert rival.values[1] == record["incumbent"]
            assert rival.values[0] <= known[0]
            assert rival.values[2] <= known[1]
    assert min(seen["PRUNED", True], seen["COMPLETE", True], seen["COMPLETE", False]) > 5, seen


def test_directions_do_not_matter():
    rulings = []
    for signs in [(1, 1, 1), (-1, 1, -1), (1, -1, 1), (-1, -1, -1)]:
        directions = [
            d if s == 1 else {"minimize": "maximize", "maximize": "minimize"}[d]
            for d, s in zip(DIRECTIONS, signs, strict=True)
        ]
        study = new_study(directions)
        run(study, KnownCostStopper(study, 1), 80, turn=signs)
        records = [t.user_attrs.get("known_costs:ruling") for t in study.trials]
        for record in filter(None, records):
            for name in ("value", "bound", "incumbent"):
                record[name] *= signs[1]
            record["words"] = ""
        rulings.append(records)
    assert any(rulings[0])
    assert all(other == rulings[0] for other in rulings)


@pytest.mark.parametrize(("scale", "exact"), [(1024, True), (1e-6, False)])
def test_a_metric_s_unit_does_not_matter(scale, exact):
    stopped = []
    for unit in (1, scale):
        study = new_study()
        run(study, KnownCostStopper(study, 1), 80, turn=(1, unit, 1))
        stopped.append([t.user_attrs.get("known_costs:ruling", {}) for t in study.trials])

    for one, other in zip(*stopped, strict=True):
        assert one.keys() == other.keys()
        if one:
            assert one["progress"] == other["progress"]
            assert other["bound"] == pytest.approx(one["bound"] * scale, rel=0 if exact else 1e-9)


def test_the_incumbent_is_that_of_all_trials():
    rng = np.random.default_rng(11)
    for costs in (1, 2, 4):
        front, trials = IncumbentFront(costs), []
        for number in range(200):
            # Few levels, so that there are ties.
            cost, merit = rng.integers(0, 6, costs).tolist(), float(rng.integers(0, 12))
            asked = rng.integers(0, 6, costs).tolist()
            rivals = {
                n: m for n, c, m in trials if all(a <= b for a, b in zip(c, asked, strict=True))
            }
            found = front.at(asked)
            if not rivals:
                assert found is None
            else:
                assert found.merit == max(rivals.values())
                assert rivals[found.number] == found.merit
            front.add(number, cost, merit)
            trials.append((number, cost, merit))


# --- What is promised ----------------------------------------------------------------------------


def rate_within(name, rates, delta, seed):
    """Assert that the mean of independent studies' rates is at most delta, within its error."""
    error = np.std(rates, ddof=1) / math.sqrt(len(rates))
    print(f"{name}: {np.mean(rates):.4f} +- {error:.4f}, promised {delta} (seed {seed})")
    assert np.mean(rates) <= delta + 3 * error


def test_the_level_is_kept_and_front_members_are_spared():
    delta, seed, after = 0.1, 20260, 9  # Trials from which on the level can be had.
    exceeded, lost, lost_front, audits = [], [], [], [0, 0]
    for repeat in range(40):
        checked = new_study(sampler=RandomSampler(seed=seed + repeat))
        stopper = KnownCostStopper(checked, 1, delta=delta, audit_share=1)
        watches = run(checked, stopper, 60)
        exceeded.append(
            np.mean(
                [
                    final_of(t) > w.bound
                    for t, w in zip(checked.trials[after:], watches[after:], strict=True)
                ]
            )
        )

        study = new_study(sampler=RandomSampler(seed=seed + repeat))
        stopper = KnownCostStopper(study, 1, delta=delta)
        run(study, stopper, 60)
        everyone = study.trials
        front = [t for t in everyone if not any(dominated(t, by) for by in everyone)]
        pruned = [t for t in everyone if t.state == TrialState.PRUNED]
        incumbents = [t.user_attrs["known_costs:ruling"]["incumbent"] for t in pruned]
        wrong = [final_of(t) > i for t, i in zip(pruned, incumbents, strict=True)]
        lost.append(sum(wrong) / len(everyone))
        lost_front.append(np.mean([t.state == TrialState.PRUNED for t in front]))
        audits[0] += stopper.tally().missed
        audits[1] += stopper.tally().audited

    rate_within("final beyond the bound", exceeded, delta, seed)
    rate_within("stopped, and would not have been dominated", lost, delta, seed)
    # Here how late a trial learns has nothing to do with how good it gets.
    rate_within("stopped, of the true front", lost_front, delta, seed)
    print(f"audits: {audits[0]} of {audits[1]} missed")
    assert audits[1] > 100


def test_the_bound_is_not_idle():
    study = new_study()
    stopper = KnownCostStopper(study, 1)

    run(study, stopper, 200)

    tally = stopper.tally()
    assert tally.stopped > 60
    assert tally.natural + tally.audited + tally.stopped == 200


# --- Whom it serves ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sampler", [NSGAIISampler(population_size=10, seed=1), TPESampler(seed=1)], ids=type
)
def test_stopped_trials_do_no_harm(sampler):
    study = new_study(sampler=sampler)
    run(study, KnownCostStopper(study, 1), 120)
    without = new_study()
    without.add_trials([t for t in study.trials if t.state == TrialState.COMPLETE])

    assert sum(t.state == TrialState.PRUNED for t in study.trials) > 5
    assert all(t.state in {TrialState.COMPLETE, TrialState.PRUNED} for t in study.trials)
    assert [t.values for t in study.best_trials] == [t.values for t in without.best_trials]


@pytest.mark.parametrize("learned", [0, 1])
def test_two_objectives_and_a_known_one_on_either_side(learned):
    study = new_study(("maximize", "maximize"))
    stopper = KnownCostStopper(study, learned, audit_share=0)

    def objective(trial):
        price, final = trial.suggest_int("price", 1, 3), trial.suggest_float("final", 0, 1)
        watch = stopper.watch(trial, known=(-price,))
        for step in range(1, 5):
            if watch.should_stop(final * step / 4, step / 4):
                raise optuna.TrialPruned
        return (final, -price) if learned == 0 else (-price, final)

    study.optimize(objective, n_trials=80)

    assert stopper.tally().stopped > 0


@pytest.fixture
def plain(target):
    """A storage as Optuna opens it, not as this project does."""
    opened = RDBStorage(target if "://" in target else f"sqlite:///{target}")
    yield opened
    opened.remove_session()
    opened.engine.dispose()


def test_told_its_storage_it_says_the_same(plain):
    study = new_study(storage=plain)
    told = KnownCostStopper(study, 1, storage=plain)
    listing = KnownCostStopper(study, 1)

    for _ in range(5):
        run(study, told, 8)
        assert told.tally() == listing.tally()
        assert told.quantile() == listing.quantile()
    assert told.tally().stopped > 0


def test_two_processes_on_one_study(plain):
    url = plain.engine.url.render_as_string(hide_password=False)
    study = optuna.create_study(directions=DIRECTIONS, storage=plain, study_name="shared")
    command = [sys.executable, str(ROOT / "tests/search/stopping_process.py"), url, "45"]
    workers = [
        subprocess.Popen(command, env=environment(), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [worker.communicate(timeout=300)[1] for worker in workers]

    assert [worker.returncode for worker in workers] == [0, 0], errors
    tally = KnownCostStopper(study, 1).tally()
    assert Counter(t.state for t in study.trials)[TrialState.PRUNED] == tally.stopped > 0
    assert tally.natural + tally.audited + tally.stopped == len(study.trials) >= 45
    for trial in study.trials:
        record = trial.user_attrs.get("known_costs:ruling")
        assert trial.state == TrialState.COMPLETE or record is not None
        if record is not None:
            rival = study.trials[record["incumbent_number"]]
            assert rival.values[1] == record["incumbent"]
            assert rival.datetime_complete < trial.datetime_complete
            assert rival.values[0] <= trial.params["size"]
            assert rival.values[2] <= trial.params["latency"]


def test_threads_share_a_stopper():
    study = new_study()
    stopper = KnownCostStopper(study, 1)

    def objective(trial):
        final, late, size, latency = draw(trial)
        watch = stopper.watch(trial, (size, latency))
        for step in range(1, STEPS + 1):
            if watch.should_stop(value_at(final, late, step / STEPS), step / STEPS):
                raise optuna.TrialPruned
        return size, final, latency

    study.optimize(objective, n_trials=100, n_jobs=2)

    tally = stopper.tally()
    assert tally == KnownCostStopper(study, 1).tally()
    assert tally.natural + tally.audited + tally.stopped == 100


def test_a_finished_trial_is_read_once():
    scored = Counter()

    class Counted(RawGain):
        def of(self, curve):
            scored[tuple(curve)] += 1
            return super().of(curve)

    study = new_study()
    stopper = KnownCostStopper(study, 1, score=Counted())
    run(study, stopper, 50)

    tally = stopper.tally()
    assert set(scored.values()) == {1}
    assert len(scored) == tally.natural + tally.audited > 20


def test_importing_it_loads_neither_torch_nor_our_study_format():
    code = "import sys, search.stopping.known_cost_stopper; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert not {"torch", "pandas", "sklearn", "studies", "objectives", "reports"} & set(loaded)


# --- What a trial may do -------------------------------------------------------------------------


def taught(trials=12, **settings):
    """Return a study of `trials` trials that all went from 0.5 to 0.9 at cost 5, and a stopper."""
    study = new_study(("maximize", "minimize"))
    for _ in range(trials):
        attrs = {"known_costs:curve": [[0.5, 0.5]], "known_costs:known": [5]}
        study.add_trial(create_trial(values=(0.9, 5), user_attrs=attrs))
    return study, KnownCostStopper(study, 0, **settings)


def test_the_first_to_be_stopped_is_audited_and_then_they_are_stopped():
    study, stopper = taught(30, audit_share=0)
    first, second = study.ask(), study.ask()
    watch = stopper.watch(first, (5,))

    assert not watch.should_stop(0.1, 0.5)
    assert not watch.should_stop(0.1, 0.75)
    assert not watch.should_stop(0.1, 1)
    study.tell(first, (0.1, 5))
    assert stopper.watch(second, (5,)).should_stop(0.1, 0.5)

    assert watch.reason.audited
    assert watch.reason.words == (
        "to be stopped, and runs on as an audit: after 50% of its training objective 0 is 0.1 and "
        "ends, at level 0.9 over 30 trials, with 0.5 at best; trial 0, no worse in all else, has "
        "0.9"
    )
    assert study.trials[31].user_attrs["known_costs:ruling"]["words"].startswith("stopped: after")
    assert study.trials[30].user_attrs["known_costs:curve"] == [(0.5, 0.1), (0.75, 0.1), (1, 0.1)]


def test_a_trial_that_was_told_to_stop_is_told_so_again():
    study, stopper = taught(30, audit_share=0)
    for _ in range(2):
        trial = study.ask()
        watch = stopper.watch(trial, (5,))
        watch.should_stop(0.1, 0.5)
        if watch.reason.audited:
            study.tell(trial, (0.1, 5))

    assert watch.should_stop(0.99, 0.6)


def test_a_stopped_trial_that_completes_all_the_same_teaches_nothing_but_is_an_incumbent():
    study, stopper = taught(30, audit_share=0)
    for value in (0.1, 0.95):
        trial = study.ask()
        stopper.watch(trial, (5,)).should_stop(0.1, 0.5)
        study.tell(trial, (value, 5))

    tally = stopper.tally()

    assert (tally.natural, tally.audited, tally.stopped) == (30, 1, 1)
    trial = study.ask()
    watch = stopper.watch(trial, (5,))
    watch.should_stop(0.1, 0.5)
    assert watch.reason.incumbent == 0.95


def test_an_audit_that_would_have_been_missed_is_counted():
    study, stopper = taught(30)
    trial = study.ask()
    stopper.watch(trial, (5,)).should_stop(0.1, 0.5)

    study.tell(trial, (0.95, 5))

    assert stopper.tally().missed == 1


def test_below_the_trials_that_the_level_needs_and_without_incumbent_nobody_is_judged():
    for trials, known, reason in [(8, 5, False), (9, 5, True), (9, 4, False)]:
        study, stopper = taught(trials)
        watch = stopper.watch(study.ask(), (known,))
        watch.should_stop(0.1, 0.5)
        assert (watch.reason is not None) is reason
        assert (watch.bound is not None) is (trials == 9)


def test_the_end_is_no_place_to_stop():
    study, stopper = taught()
    watch = stopper.watch(study.ask(), (5,))

    assert not watch.should_stop(0.1, 1)
    assert watch.reason is None


def test_one_quantile_a_trial():
    study, stopper = taught(9)
    watch = stopper.watch(study.ask(), (5,))
    watch.should_stop(0.6, 0.5)
    before = watch.bound
    late = {"known_costs:curve": [[0.5, 0.0]], "known_costs:known": [5]}
    study.add_trials([create_trial(values=(0.9, 5), user_attrs=late) for _ in range(5)])

    watch.should_stop(0.6, 0.500001)
    assert watch.bound == before
    newcomer = stopper.watch(study.ask(), (5,))
    newcomer.should_stop(0.6, 0.5)
    assert newcomer.bound > before


def test_trials_with_equal_parameters_count_once():
    study, stopper = taught(0)
    distributions = {"x": optuna.distributions.IntDistribution(0, 9)}
    for x in (1, 2, 1, 1):
        attrs = {"known_costs:curve": [[0.5, 0.5]], "known_costs:known": [5]}
        study.add_trial(
            create_trial(
                values=(0.9, 5), params={"x": x}, distributions=distributions, user_attrs=attrs
            )
        )

    assert stopper.tally().natural == 2


def test_a_trial_nobody_watched_or_that_failed_teaches_nothing():
    study, stopper = taught(3)
    study.add_trial(create_trial(values=(0.99, 1)))
    failed, pruned = study.ask(), study.ask()
    for trial, state in [(failed, TrialState.FAIL), (pruned, TrialState.PRUNED)]:
        stopper.watch(trial, (5,)).should_stop(0.1, 0.5)
        study.tell(trial, state=state)

    tally = stopper.tally()

    assert (tally.natural, tally.audited, tally.stopped) == (3, 0, 0)


def test_an_infeasible_trial_is_nobody_s_incumbent():
    study, stopper = taught(12)
    study.add_trial(create_trial(values=(0.99, 1), constraints={"heat": 1.0}))
    watch = stopper.watch(study.ask(), (5,))

    watch.should_stop(0.1, 0.5)

    assert watch.reason.incumbent == 0.9


def test_reports_of_every_batch_keep_the_curve_short():
    study, stopper = taught()
    trial = study.ask()
    watch = stopper.watch(trial, (5,))
    for batch in range(10_000):
        watch.should_stop(0.5 + 0.4 * batch / 10_000, (batch + 1) / 10_000)
    every = stopper.watch(study.ask(), (5,))
    for epoch in range(200):
        every.should_stop(0.9, (epoch + 1) / 200)

    curves = [t.user_attrs["known_costs:curve"] for t in study.trials[-2:]]
    assert [len(curve) for curve in curves] == [200, 200]


def test_a_diverged_loss_may_be_infinite(tmp_path):
    study = new_study(("minimize", "minimize"), storage=f"sqlite:///{tmp_path}/study.db")
    stopper = KnownCostStopper(study, 0)
    for _ in range(16):
        trial = study.ask()
        watch = stopper.watch(trial, (1,))
        worst = math.inf if trial.number in {5, 14} else 0.1
        watch.should_stop(0.5, 0.5)
        stopped = watch.should_stop(worst, 0.75)
        if stopped:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, (worst, 1))

    tally = stopper.tally()
    assert tally.audited + tally.stopped > 0
    assert tally.natural >= 14
    assert tally.missed == 0


def test_a_known_value_that_turns_out_otherwise_is_told_once():
    study, stopper = taught(0)
    said = []
    for _ in range(2):
        trial = study.ask()
        stopper.watch(trial, (5,)).should_stop(0.1, 0.5)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            study.tell(trial, (0.1, 6))
            assert stopper.tally().natural == trial.number + 1
        said.extend(str(warning.message) for warning in told)

    assert len(said) == 1
    assert "trial 0 returned [6.0] for its known objectives but had announced [5.0]" in said[0]


# --- Scores, coin --------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [RawGain(), LogErrors(fabricated.IMAGES)], ids=repr)
def test_a_curve_ends_within_the_bound_of_its_own_score(score):
    rng = np.random.default_rng(4)
    for _ in range(100):
        curve = fabricated.curve(rng)
        q = score.of(curve)
        for steps in range(1, len(curve)):
            assert score.bound(curve[:steps], q) >= curve[-1][1] - 1e-12
        if q > 0:
            assert score.bound(curve[:-1], q) == pytest.approx(curve[-1][1])


def test_the_gains_of_a_parabola_are_its_height():
    curve = [(e, 2 - 3 * ((1 - e) ** 2 + 0.1)) for e in (0.25, 0.5, 0.75)] + [(1.0, 2.0)]

    assert RawGain().of(curve) == pytest.approx(3)
    assert RawGain().bound(curve[:1], 3) == pytest.approx(2)
    assert RawGain().of([(0.5, 1.0), (1.0, 0.5)]) == 0
    assert RawGain().of([(0.5, -math.inf), (1.0, -math.inf)]) == 0


def test_log_errors_are_the_log_errors_of_conformal():
    curve = [(0.5, 0.5), (0.75, 0.8), (1.0, 0.9)]

    assert LogErrors(200).of(curve) == conformal.score(curve, 200)
    assert LogErrors(200).bound(curve[:2], 1.5) == conformal.upper_bound(curve[:2], 200, 1.5)


def book_of(natural, audited, stopped):
    book = ScoreBook()
    for number in range(natural + audited):
        book.add_ended(f"ended {number}", 1.0, audited=number < audited)
    for number in range(stopped):
        book.add_stopped(f"stopped {number}")
    return book


def test_the_coin_falls_as_often_as_stated_and_the_first_is_always_audited():
    settings = {"delta": 0.1, "seed": 3}
    book = book_of(90, 5, 0)
    coins = [book.audit_due(n, share=0.2, **settings) for n in range(2000)]

    assert np.mean(coins) == pytest.approx(0.2, abs=3 * math.sqrt(0.16 / 2000))
    assert coins[7] == (int(digest("audit", 3, 7)[:13], 16) / 16**13 < 0.2)
    assert book_of(90, 0, 0).audit_due(1, share=0, **settings)
    # 2 stopped for 1 audited: a third makes 1 + 3 / 2 of 22 at infinity, more than a tenth.
    assert not book_of(28, 1, 2).audit_due(1, share=0, **settings)
    assert book_of(18, 1, 2).audit_due(1, share=0, **settings)


# --- Bad input -----------------------------------------------------------------------------------


def test_impossible_studies_and_settings_are_refused_in_one_line():
    study = new_study()
    with pytest.raises(InputError, match="one objective has no known costs"):
        KnownCostStopper(optuna.create_study(), 0)
    for learned in (3, -1):
        with pytest.raises(InputError, match=f"0 to 2, got {learned}"):
            KnownCostStopper(study, learned)
    with pytest.raises(InputError, match="have no names"):
        KnownCostStopper(study, "accuracy")
    for settings in ({"delta": 0}, {"delta": 0.6}, {"audit_share": 1.1}, {"margin": -1}):
        with pytest.raises(InputError, match=next(iter(settings))):
            KnownCostStopper(study, 1, **settings)
    with pytest.raises(InputError, match="1 image or more"):
        LogErrors(0)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_learned_objective_by_name():
    study = new_study()
    study.set_metric_names(["size", "accuracy", "latency"])

    assert KnownCostStopper(study, "accuracy").objectives.known_names == ("size", "latency")
    with pytest.raises(UnknownNameError, match="known are size, accuracy, latency"):
        KnownCostStopper(study, "loss")


@pytest.mark.parametrize("known", [(1,), (1, 2, 3), (1, math.nan), (1, "much"), 7, None])
def test_wrong_known_values_are_refused(known):
    study = new_study()

    with pytest.raises(InputError, match=r"known takes .*objective 0, objective 2"):
        KnownCostStopper(study, 1).watch(study.ask(), known)


@pytest.mark.parametrize("progress", [0, -0.1, 0.5, 0.4, 1.01, math.nan])
def test_progress_ascends_to_1(progress):
    study, stopper = taught()
    watch = stopper.watch(study.ask(), (5,))
    watch.should_stop(0.5, 0.5)

    with pytest.raises(InputError, match=r"must be in .0, 1. and ascend: after 0\.5 came"):
        watch.should_stop(0.5, progress)


def test_values_that_cannot_be_are_refused():
    study, stopper = taught()
    with pytest.raises(InputError, match=r"objective 0 is NaN at progress 0\.5"):
        stopper.watch(study.ask(), (5,)).should_stop(math.nan, 0.5)
    percent = KnownCostStopper(study, 0, score=LogErrors(100))
    with pytest.raises(InputError, match="from 0 to 1 that are maximised, got 50"):
        percent.watch(study.ask(), (5,)).should_stop(50, 0.5)
    attrs = {"known_costs:curve": [[0.5, 0.5]], "known_costs:known": [5]}
    study.add_trial(create_trial(values=(70, 5), user_attrs=attrs))
    with pytest.raises(InputError, match="from 0 to 1 that are maximised, got 70"):
        percent.tally()


# --- The page ------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_page_s_example_runs_as_it_stands():
    page = (ROOT / "docs" / "pruner.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    example = next(block for block in blocks if "import optuna" in block)
    said = io.StringIO()

    with redirect_stdout(said), warnings.catch_warnings():
        exec(compile(example, "docs/pruner.md", "exec"), {"__name__": "example"})

    lines = said.getvalue().splitlines()
    trained = re.match(r"(\d+) of 1500 epochs trained; WatchedTally\(natural=", lines[0])
    assert int(trained[1]) < 1400
    assert re.fullmatch(r"trial \d+: \[0\.\d+, \d+\.0, [12]\.0\]", lines[1])
    assert any(re.search(r"^trial \d+ stopped: after", line) for line in lines)
