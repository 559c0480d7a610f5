"""Made-up studies lie in a database as workers would have left them."""

import pytest

from benchmarks.timings import made_up
from spaces import SCHEME_KEY
from studies import create_or_resume, load_study, open_storage
from studies.records import Attr, HistoryReader, read_history

CONFIG = load_study("kd_lora_q")
SPACE = CONFIG.search_space()
DRAWN, DISTRIBUTIONS = made_up.chains(CONFIG, 80)
PAST = made_up.history(CONFIG, DRAWN, 300)


@pytest.fixture
def written(tmp_path):
    """A study that holds PAST, and its storage."""
    storage = open_storage(tmp_path / "study.db")
    study = create_or_resume(CONFIG, storage)
    trials = made_up.trials_of(SPACE, PAST, DISTRIBUTIONS)
    made_up.write(storage, CONFIG.name, trials)
    yield study, storage
    storage.engine.dispose()


def test_the_ten_searched_settings_are_drawn_and_no_settled_one():
    assert DISTRIBUTIONS.keys() == SPACE.searched.keys()
    assert len(DISTRIBUTIONS) == 10


def test_what_is_read_is_what_was_made_up(written):
    assert PAST.stopped
    assert any(student.audited for student in PAST.students)
    study, storage = written
    assert read_history(study) == PAST
    assert HistoryReader(study, storage).read() == PAST


def test_trials_have_what_real_ones_have(written):
    study, _ = written
    for trial in study.get_trials(deepcopy=False):
        chain = SPACE.suggest(_Again(trial.params))
        assert trial.user_attrs[Attr.SCHEME] == chain.scheme.name == trial.params[SCHEME_KEY]
        assert trial.params == _asked(chain)


def test_costs_are_there_for_all_that_can_be_chosen():
    problem = made_up.problem_of(CONFIG)
    networks = [network.key for network in problem.space.networks]
    assert networks
    for network in (made_up.TEACHER, *networks):
        for scheme in problem.schemes:
            assert problem.costs.of(network, scheme).latency_ms > 0
    assert CONFIG.setup().teacher.network.key == made_up.TEACHER


class _Again:
    """Answers as a trial's settings say."""

    def __init__(self, params):
        self._params = params

    def suggest_float(self, name, low, high, *, step=None, log=False):  # noqa: ARG002
        return self._params[name]

    def suggest_categorical(self, name, choices):  # noqa: ARG002
        return self._params[name]


def _asked(chain):
    return {name: v for name, v in SPACE.params_of(chain).items() if name in SPACE.searched}
