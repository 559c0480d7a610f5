"""The table of methods: which settings a method is shown with, and what the rows say."""

from pathlib import Path

from benchmarks.methods import document as module
from benchmarks.methods.effects import table
from benchmarks.methods.outcomes import METHOD, Journal, Outcome, student_of
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
        "| method | seeds | test | above none | seconds | w4a8 |",
        "| --- | --- | --- | --- | --- | --- |",
        "| `dkd` | 2 | 57.00 ± 5.66 | +2.00 ± 1.00 | 3.00x | 30.00 |",
        "| `none` | 2 | 55.00 ± 7.07 |  | 1.00x | 45.00 |",
    ]


def test_a_method_with_fewer_seeds_is_paired_with_the_first_of_none() -> None:
    found = {
        "none": [Outcome({"fp32": 0.50}, 10), Outcome({"fp32": 0.60}, 20)],
        "dkd": [Outcome({"fp32": 0.53}, 20)],
    }
    assert table(found, ("fp32",))[3] == "| `dkd` | 1 | 53.00 | +3.00 | 2.00x |"


def test_a_journal_is_read_from_its_first_seed_to_the_first_that_is_missing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for who in ("none 1", "none 0", "dkd 0", "hint 1", "none 2", "crd 0", "crd 2"):
        journal.write(who, who, Outcome({"fp32": float(who[-1])}, 1))
    found = module.outcomes_by_method(tmp_path / "journal.jsonl")
    seeds = {name: [one.accuracies["fp32"] for one in each] for name, each in found.items()}
    assert seeds == {"none": [0, 1, 2], "dkd": [0], "crd": [0]}


def test_the_page_of_methods_is_made_of_what_is_declared_and_recorded() -> None:
    page = (Path(module.__file__).parents[2] / "docs" / "methods.md").read_text("utf-8")
    outcomes = module.outcomes_by_method(module.JOURNAL)
    assert page == module.methods_page(outcomes)
    assert all(f"\n| `{name}` | " in page for name in (*METHODS, *ADAPTERS))
