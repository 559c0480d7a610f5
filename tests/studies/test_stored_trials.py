import random
from collections.abc import Iterator

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

from studies import open_storage
from studies.stored_trials import StoredTrials

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def new_study(storage: RDBStorage) -> optuna.Study:
    return optuna.create_study(
        storage=storage, study_name="watched", directions=["maximize", "minimize"]
    )


@pytest.fixture
def elsewhere(storage: RDBStorage) -> optuna.Study:
    """A study as another process has it open."""
    return new_study(storage)


@pytest.fixture
def stored(target: str, elsewhere: optuna.Study) -> Iterator[StoredTrials]:
    opened = open_storage(target)
    yield StoredTrials(opened, elsewhere.study_name)
    opened.engine.dispose()


def something_happens(study: optuna.Study, running: list[optuna.Trial], draw: random.Random):
    """Begin, tell or change a trial as workers do."""
    what = draw.choice(["ask", "suggest", "note", "note", "tell", "add", "enqueue"])
    if what == "ask" or not running:
        running.append(study.ask())
    elif what == "suggest":
        trial = draw.choice(running)
        trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        trial.suggest_categorical("layers", ["one", "two", None])
        trial.suggest_int("width", 4, 64, step=4)
    elif what == "note":
        draw.choice(running).set_user_attr(draw.choice("ab"), [draw.random(), None, "\u00e9"])
    elif what == "tell":
        trial = running.pop(draw.randrange(len(running)))
        state = draw.choice(FINISHED)
        values = [draw.choice([0.1, float("inf"), -float("inf")]), draw.random()]
        study.tell(trial, values if state == TrialState.COMPLETE else None, state)
    elif what == "add":
        study.add_trial(
            create_trial(values=[draw.random(), 1.0], system_attrs={"constraints": [draw.random()]})
        )
    else:
        study.enqueue_trial({"rate": 0.01}, user_attrs={"a": 1})


@pytest.mark.parametrize("seed", range(5))
def test_they_are_what_the_study_lists_and_finished_ones_come_once(stored, elsewhere, seed):
    print(f"seed {seed}")
    draw, running, seen = random.Random(seed), [], set()
    for _ in range(20):
        for _ in range(draw.randrange(5)):
            something_happens(elsewhere, running, draw)
        listed = elsewhere.get_trials()
        changed = list(stored.changed())

        assert [trial.number for trial in changed] == [
            trial.number for trial in listed if trial.number not in seen
        ]
        for trial in changed:
            twin = listed[trial.number]
            assert (trial.state, trial.user_attrs) == (twin.state, twin.user_attrs)
            if trial.state.is_finished():
                assert trial == twin
                assert trial.constraints == twin.constraints
                seen.add(trial.number)


def test_another_studys_trials_are_not_among_them(stored, elsewhere, storage):
    other = optuna.create_study(storage=storage, study_name="other", directions=["minimize"] * 2)
    other.ask()
    elsewhere.ask().set_user_attr("whose", "ours")

    assert [trial.user_attrs for trial in stored.changed()] == [{"whose": "ours"}]


def test_what_could_not_be_taken_in_is_yielded_again(stored, elsewhere):
    for _ in range(3):
        elsewhere.tell(elsewhere.ask(), [1.0, 2.0])
    changed = stored.changed()
    assert [next(changed).number, next(changed).number] == [0, 1]
    changed.close()

    assert [trial.number for trial in stored.changed()] == [1, 2]


def test_more_are_read_than_a_statement_can_name(stored, elsewhere, monkeypatch):
    monkeypatch.setattr("studies.stored_trials._AT_ONCE", 3)
    elsewhere.add_trials([create_trial(values=[n, 0.0], user_attrs={"n": n}) for n in range(10)])

    assert [(t.values[0], t.user_attrs["n"]) for t in stored.changed()] == [
        (n, n) for n in range(10)
    ]


def test_they_are_read_while_another_process_writes(stored, elsewhere, storage):
    elsewhere.ask()
    with storage.engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE trials SET number = 7"))

        assert [trial.number for trial in stored.changed()] == [0]
