"""The table of methods: which settings a method is shown with, and what the rows say."""

from pathlib import Path

from benchmarks.methods import document as module
from benchmarks.methods.effects import table
from benchmarks.methods.outcomes import METHOD, Outcome, student_of
from spaces import ADAPTERS, METHODS
from studies import load_study


def test_a_method_is_shown_at_its_defaults_where_the_study_has_them() -> None:
    space = load_study("kd_methods").search_space()
    taught = {
        name: student_of(space, {METHOD: name}).stages[0].teaching
        for name in ("logit", "hint", "dkd")
    }
    assert (taught["logit"].alpha, taught["logit"].temperature) == (0.9, 4)
    assert (taught["hint"].alpha, taught["hint"].weight) == (0, 100)
    assert (taught["dkd"].beta, taught["dkd"].warmup_epochs) == (8, 20)


def test_a_gain_is_paired_by_seed_and_its_error_that_of_the_mean() -> None:
    found = {
        "none": [
            Outcome({"fp32": 0.50, "w4a8": 0.4}, 10),
            Outcome({"fp32": 0.60, "w4a8": 0.5}, 30),
        ],
        "dkd": [Outcome({"fp32": 0.53, "w4a8": 0.3}, 30), Outcome({"fp32": 0.61, "w4a8": 0.3}, 30)],
    }
    assert table(found, ("fp32", "w4a8")) == [
        "| method | test | above none | seconds | w4a8 |",
        "| --- | --- | --- | --- | --- |",
        "| `dkd` | 57.00 ± 5.66 | +2.00 ± 1.00 | 1.50x | 30.00 |",
        "| `none` | 55.00 ± 7.07 |  | 1.00x | 45.00 |",
    ]


def test_the_page_of_methods_is_made_of_what_is_declared_and_recorded() -> None:
    page = (Path(module.__file__).parents[2] / "docs" / "methods.md").read_text("utf-8")
    outcomes = module.outcomes_by_method(module.JOURNAL)
    assert page == module.methods_page(outcomes)
    assert all(f"\n| `{name}` | " in page for name in (*METHODS, *ADAPTERS))
