import importlib.util
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks.peers import (
    FinishTheBest,
    MOASHAPruner,
    MultiMetricPruner,
    PauseAfterFewEpochs,
)
from benchmarks.peers.layers import layers
from search.stopping.pruning import GoOn, Pause, Stop, StudentInTraining, as_record
from spaces import DistilfrontError, InputError, student_key
from studies.records import History, Paused, Running, Student
from tests.search import fabricated

COSTS, SCHEME_NAMES = fabricated.cost_table(), fabricated.SCHEME_NAMES
NOW = datetime(2026, 1, 1, tzinfo=UTC)
REGISTRY = "DISTILFRONT_OPTUNAHUB_REGISTRY"
EPOCHS = 10
"""Of fabricated.chain's schedule."""

needs_syne_tune = pytest.mark.skipif(
    importlib.util.find_spec("syne_tune") is None,
    reason="Syne Tune is not installed: pip install 'distilfront[bench]'",
)


@pytest.fixture
def registry():
    if REGISTRY not in os.environ:
        pytest.skip(f"{REGISTRY} names no folder with OptunaHub's registry")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return Path(os.environ[REGISTRY])


def rule(pruner, chain, *accuracies, history=None):
    """Rule on a student with these accuracies after its first epochs."""
    curve = [((epoch + 1) / EPOCHS, accuracy) for epoch, accuracy in enumerate(accuracies)]
    return pruner.rule(StudentInTraining(history or History(), chain, tuple(curve)))


def complete(number, chain, *accuracies):
    curve = tuple(((e + 1) / len(accuracies), a) for e, a in enumerate(accuracies))
    key = student_key(chain.student)
    return Student(number, key, chain, curve, (), None, NOW, accuracies[-1])


def paused(number, chain, *accuracies, resumes=None):
    curve = tuple(((e + 1) / EPOCHS, a) for e, a in enumerate(accuracies))
    ruling = fabricated.ruling(paused=True)
    return Paused(number, student_key(chain.student), chain, curve, (), ruling, NOW, resumes)


def running(number, chain, resumes=None):
    return Running(number, None, (), student_key(chain.student), chain, resumes)


def losses(chain, accuracy):
    cost = COSTS.of(chain.student.network.key, chain.scheme.name)
    return [1 - accuracy, cost.size_bytes, cost.latency_ms]


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def is_nondominated(one, others):
    return not any(dominates(other, one) for other in others)


def layers_by_definition(rows):
    numbers, left = {}, set(range(len(rows)))
    while left:
        members = {i for i in left if is_nondominated(rows[i], [rows[j] for j in left])}
        numbers |= dict.fromkeys(members, max(numbers.values(), default=-1) + 1)
        left -= members
    return [numbers[i] for i in range(len(rows))]


def students(rng, count):
    """Return chains of different costs with a whole curve each."""
    made = []
    for number in range(count):
        width, scheme = rng.choice(fabricated.WIDTHS), rng.choice(SCHEME_NAMES)
        chain = fabricated.chain(number, float(width), str(scheme))
        made.append((chain, [accuracy for _, accuracy in fabricated.curve(rng, EPOCHS)]))
    return made


def interleaved(rng, pruner, chosen, workers):
    """Train students on that many workers; return every ruling: (student, epochs, ruling)."""
    waiting, now, rulings, ended = list(range(len(chosen))), {}, [], []
    while waiting or now:
        while waiting and len(now) < workers:
            now[waiting.pop(0)] = 0
        index = int(rng.choice(list(now)))
        chain, accuracies = chosen[index]
        now[index] += 1
        if now[index] == EPOCHS:
            ended.append(complete(index, chain, *accuracies))
            del now[index]
            continue
        history = History(students=tuple(ended))
        ruling = rule(pruner, chain, *accuracies[: now[index]], history=history)
        rulings.append((index, now[index], ruling))
        if isinstance(ruling, Stop):
            del now[index]
    return rulings


def test_layers_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = rng.integers(0, 4, (int(rng.integers(0, 20)), 3)).astype(float)
        assert layers(rows).tolist() == layers_by_definition(rows.tolist())


@needs_syne_tune
class TestMOASHA:
    def decision_on_the_best_of_four(self, ranking):
        """The first of four equally large students has 40 %, the last, with 90 %, beats all."""
        pruner = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking=ranking)
        rulings = [
            rule(pruner, fabricated.chain(number), accuracy)
            for number, accuracy in enumerate((0.4, 0.3, 0.2, 0.9))
        ]
        assert isinstance(rulings[0], GoOn)
        assert isinstance(rulings[1], Stop)
        assert isinstance(rulings[2], Stop)
        return rulings[3]

    def test_as_it_is_it_stops_one_that_dominates_all_others(self):
        # The sort gives [3, 0, 1, 2], taken for priorities: the newcomer's is 2, and 2 / 4 > 1 / 3.
        ruling = self.decision_on_the_best_of_four("as_it_is")
        assert isinstance(ruling, Stop)
        assert "after epoch 1" in ruling.reason.words
        record = as_record(ruling)
        assert record["accuracy"] == 0.9
        assert not record["paused"]
        assert not record["audited"]

    @pytest.mark.parametrize("ranking", ["positions", "layers"])
    def test_mended_it_lets_that_one_go_on(self, ranking):
        assert isinstance(self.decision_on_the_best_of_four(ranking), GoOn)

    @pytest.mark.parametrize("workers", [1, 4])
    def test_mended_its_decisions_are_those_of_the_definition(self, workers):
        rng = np.random.default_rng(workers)
        chosen = students(rng, 60)
        made = interleaved(
            rng, MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking="layers"), chosen, workers
        )
        rungs = {1: [], 3: [], 9: []}
        for index, epoch, ruling in made:
            stops = False
            if epoch in rungs:
                rows = rungs[epoch]
                rows.append(losses(chosen[index][0], chosen[index][1][epoch - 1]))
                numbers = layers_by_definition(rows)
                better = sum(number < numbers[-1] for number in numbers)
                stops = better / len(rows) > 1 / 3
            assert isinstance(ruling, Stop if stops else GoOn)
        assert {epoch for _, epoch, ruling in made if isinstance(ruling, Stop)} >= {1, 3}

    @pytest.mark.parametrize(
        ("ranking", "least", "most"),
        [("as_it_is", 0.5, 0.7), ("positions", 0, 0.5), ("layers", 0, 0)],
    )
    def test_share_of_nondominated_newcomers_stopped(self, ranking, least, most):
        # Of students of any cost, at their first rung; the figures: benchmarks/peers/decisions.md.
        stopped = nondominated = 0
        for seed in range(12):
            rng = np.random.default_rng(seed)
            pruner, seen = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking=ranking), []
            for chain, accuracies in students(rng, 40):
                ruling = rule(pruner, chain, accuracies[0])
                row = losses(chain, accuracies[0])
                if len(seen) >= 3 and is_nondominated(row, seen):
                    nondominated += 1
                    stopped += isinstance(ruling, Stop)
                seen.append(row)
        assert nondominated > 50
        assert least <= stopped / nondominated <= most

    def test_positions_put_a_layer_behind_the_one_before_and_differ_within(self):
        rng = np.random.default_rng(0)
        pruner = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking="positions")
        for _ in range(20):
            rows = rng.random((int(rng.integers(1, 30)), 3))
            places = pruner._positions(rows)
            assert sorted(places) == list(range(len(rows)))
            numbers = np.array(layers_by_definition(rows.tolist()))
            assert (np.diff(numbers[np.argsort(places)]) >= 0).all()
            # The net of each layer begins with its best in the first objective.
            front = np.flatnonzero(numbers == 0)
            assert places[front[np.argmin(rows[front, 0])]] == 0

    def test_students_from_the_cache_are_rivals_too(self):
        pruner = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking="layers")
        history = History(students=(complete(0, fabricated.chain(0), *[0.5] * EPOCHS),))
        assert isinstance(rule(pruner, fabricated.chain(1), 0.4, history=history), Stop)
        assert isinstance(rule(pruner, fabricated.chain(2), 0.6, history=history), GoOn)

    def test_a_chain_that_is_sampled_again_is_another_trial(self):
        pruner = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking="layers")
        assert isinstance(rule(pruner, fabricated.chain(0), 0.5), GoOn)
        assert isinstance(rule(pruner, fabricated.chain(1), 0.4), Stop)
        # Each is judged against the runs before it, those of its own chain among them.
        assert isinstance(rule(pruner, fabricated.chain(1), 0.3), Stop)
        assert isinstance(rule(pruner, fabricated.chain(0), 0.2), Stop)
        assert isinstance(rule(pruner, fabricated.chain(0), 0.6), GoOn)

    def test_epochs_from_the_cache_are_judged_at_their_rungs(self):
        pruner = MOASHAPruner(COSTS, max_epochs=EPOCHS, ranking="layers")
        assert isinstance(rule(pruner, fabricated.chain(0), 0.5, 0.6, 0.7, 0.8), GoOn)
        ruling = rule(pruner, fabricated.chain(1), 0.5, 0.6, 0.6, 0.9)
        assert isinstance(ruling, Stop)
        assert ruling.reason.epoch == 3

    def test_it_leaves_the_global_generator_alone(self):
        draw = np.random.random
        np.random.seed(7)  # noqa: NPY002
        expected = draw(3).tolist()
        np.random.seed(7)  # noqa: NPY002
        rule(MOASHAPruner(COSTS, max_epochs=EPOCHS), fabricated.chain(0), 0.5)
        assert draw(3).tolist() == expected

    def test_it_may_judge_fewer_objectives(self):
        pruner = MOASHAPruner(
            COSTS, max_epochs=EPOCHS, ranking="layers", objectives=("accuracy", "latency_ms")
        )
        assert isinstance(rule(pruner, fabricated.chain(0, 0.5), 0.5), GoOn)
        assert isinstance(rule(pruner, fabricated.chain(1, 1.0, "int8_static"), 0.4), Stop)

    def test_a_student_longer_than_promised_is_refused(self):
        with pytest.raises(InputError, match="at most 9 epochs, got one of 10"):
            rule(MOASHAPruner(COSTS, max_epochs=9), fabricated.chain(0), 0.5)

    def test_an_unknown_ranking_is_refused(self):
        with pytest.raises(InputError, match="known are as_it_is, positions, layers"):
            MOASHAPruner(COSTS, max_epochs=9, ranking="best")


def test_without_syne_tune_one_line_says_what_to_install(monkeypatch):
    module = "syne_tune.optimizer.schedulers.multiobjective.moasha"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'distilfront\[bench\]'") as raised:
        MOASHAPruner(COSTS, max_epochs=9)
    assert "\n" not in str(raised.value)


class TestMultiMetric:
    def three_complete(self):
        """Students of one cost, with 50, 60 and 70 % all along."""
        ends = [complete(n, fabricated.chain(n), *[0.5 + n / 10] * EPOCHS) for n in range(3)]
        return History(students=tuple(ends))

    @pytest.mark.parametrize("quick", [True, False])
    def test_the_worse_half_is_stopped(self, registry, quick):
        # Ranks 0, 1 and 2 of the complete ones have the median 1; each newcomer is ranked anew.
        history = self.three_complete()
        for accuracy, expected in ((0.4, Stop), (0.55, Stop), (0.8, GoOn)):
            pruner = MultiMetricPruner(registry, COSTS, quick=quick)
            ruling = rule(pruner, fabricated.chain(9), accuracy, history=history)
            assert isinstance(ruling, expected)

    def test_one_that_is_smaller_than_all_goes_on(self, registry):
        pruner = MultiMetricPruner(registry, COSTS)
        small = fabricated.chain(9, 0.25)
        assert isinstance(rule(pruner, small, 0.1, history=self.three_complete()), GoOn)

    def test_it_waits_for_three_to_have_ended(self, registry):
        pruner = MultiMetricPruner(registry, COSTS)
        history = replace(self.three_complete(), students=self.three_complete().students[:2])
        assert isinstance(rule(pruner, fabricated.chain(9), 0.1, history=history), GoOn)

    @pytest.mark.parametrize("workers", [1, 4])
    def test_quick_or_not_the_decisions_are_those_of_a_plain_study(self, registry, workers):
        quick = MultiMetricPruner(registry, COSTS, quick=True)
        chosen = students(np.random.default_rng(5), 40)
        made = interleaved(np.random.default_rng(6), quick, chosen, workers)
        plain = MultiMetricPruner(registry, COSTS, quick=False)
        again = interleaved(np.random.default_rng(6), plain, chosen, workers)
        assert [type(r) for *_, r in made] == [type(r) for *_, r in again]
        assert sum(isinstance(r, Stop) for *_, r in made) > 5

        hub = plain._module
        directions = {"accuracy": "maximize", "size": "minimize", "latency": "minimize"}
        study = optuna.create_study(
            directions=list(directions.values()),
            pruner=hub.MultiMetricPruner(
                optuna.pruners.MedianPruner(n_startup_trials=3),
                metric_directions=directions,
                joint=True,
            ),
        )
        trials = {}
        order = np.random.default_rng(6)  # Ends are told where `interleaved` reaches them.
        waiting, now, decided = list(range(len(chosen))), {}, []
        while waiting or now:
            while waiting and len(now) < workers:
                now[waiting.pop(0)] = 0
            index = int(order.choice(list(now)))
            chain, accuracies = chosen[index]
            if index not in trials:
                trials[index] = hub.MultiMetricPrunerTrial(study.ask())
            now[index] += 1
            error, size, latency = losses(chain, accuracies[now[index] - 1])
            values = {"accuracy": 1 - error, "size": size, "latency": latency}
            trials[index].report(values, now[index])
            if now[index] == EPOCHS:
                study.tell(trials[index].number, list(values.values()))
                del now[index]
                continue
            decided.append(trials[index].should_prune())
            if decided[-1]:
                study.tell(trials[index].number, state=optuna.trial.TrialState.PRUNED)
                del now[index]
        assert decided == [isinstance(ruling, Stop) for *_, ruling in made]

    def test_a_folder_without_it_is_refused_in_one_line(self, tmp_path):
        with pytest.raises(InputError, match="no registry of OptunaHub") as raised:
            MultiMetricPruner(tmp_path, COSTS)
        assert "\n" not in str(raised.value)


class TestFewEpochs:
    def test_a_student_is_paused_at_the_epoch(self):
        pruner, chain = PauseAfterFewEpochs(3), fabricated.chain(0)
        assert isinstance(rule(pruner, chain, 0.1, 0.2), GoOn)
        ruling = rule(pruner, chain, 0.1, 0.2, 0.3)
        assert isinstance(ruling, Pause)
        assert as_record(ruling) == {
            "rule": "the rule of 3 epochs for all",
            "epoch": 3,
            "accuracy": 0.3,
            "audited": False,
            "paused": True,
            "words": "the rule of 3 epochs for all takes it out after epoch 3, at 30.00% accuracy",
        }

    def test_only_a_resumed_student_goes_beyond(self):
        pruner, chain, other = PauseAfterFewEpochs(2), fabricated.chain(0), fabricated.chain(1)
        for busy, expected in (
            ((), Pause),
            ((running(5, chain),), Pause),
            ((running(5, other, resumes=1),), Pause),
            ((running(5, other, resumes=1), running(6, chain, resumes=0)), GoOn),
        ):
            ruling = rule(pruner, chain, 0.1, 0.2, 0.3, history=History(running=busy))
            assert isinstance(ruling, expected)

    def all_resumed(self, scheduler, history):
        """Resume and complete until the scheduler has no more; return the trials resumed."""
        order = []
        while (trial := scheduler.resumption(history, new_allowed=False)) is not None:
            order.append(trial.number)
            student = complete(1000 + len(order), trial.chain, *[0.9] * EPOCHS)
            student = replace(student, resumes=trial.number)
            history = replace(history, students=(*history.students, student))
        return order

    def test_the_best_are_finished_layer_by_layer(self):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            waiting = [
                paused(number, chain, *accuracies[:3])
                for number, (chain, accuracies) in enumerate(students(rng, 25))
            ]
            rows = [losses(trial.chain, trial.curve[-1][1]) for trial in waiting]
            numbers = layers_by_definition(rows)
            expected = sorted(range(25), key=lambda i: (numbers[i], rows[i][0], i))
            history, finish = History(paused=tuple(waiting)), int(rng.integers(1, 26))
            scheduler = FinishTheBest(finish, COSTS)
            assert self.all_resumed(scheduler, history) == expected[:finish]

    def test_nothing_is_resumed_before_all_have_had_their_few_epochs(self):
        scheduler = FinishTheBest(2, COSTS)
        chains = [fabricated.chain(number) for number in range(4)]
        waiting = tuple(paused(n, chains[n], 0.1, 0.2 + n / 10) for n in range(3))
        assert scheduler.resumption(History(paused=waiting), new_allowed=True) is None
        busy = History(paused=waiting, running=(running(3, chains[3]),))
        assert scheduler.resumption(busy, new_allowed=False) is None
        # A worker that has resumed the best leaves the second to the next.
        busy = History(paused=waiting, running=(running(3, chains[2], resumes=2),))
        chosen = scheduler.resumption(busy, new_allowed=False)
        assert chosen is not None
        assert chosen.number == 1
        assert scheduler.resumption(History(), new_allowed=False) is None

    def test_no_epochs_and_no_students_are_refused(self):
        with pytest.raises(DistilfrontError, match="got 0"):
            PauseAfterFewEpochs(0)
        with pytest.raises(DistilfrontError, match="got 0"):
            FinishTheBest(0, COSTS)
