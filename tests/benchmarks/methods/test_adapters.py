"""The table of adapters: what is tried of a study, what it is held against, and what it resumes."""

import pytest

from benchmarks.methods.adapters import (
    CONTROL,
    NOTHING,
    Row,
    adaptations,
    at_their_best_rates,
    control_of,
    interactions,
    row_of,
    table,
)
from benchmarks.methods.outcomes import Journal, Outcome
from spaces import Adapt, InputError
from studies import load_study

STUDY = (
    'space.adapt.method=["lora", "loha", "full", "classifier_only"]',
    'space.adapt.targets=["dense", "classifier"]',
    'space.adapt.learns_from=["as_before", "labels"]',
    "space.adapt.learning_rate=[0.001, 0.01]",
    "space.adapt.rank=[0, 2, 4]",
)


def space(*overrides: str):
    return load_study("kd_lora_q", [*STUDY, *overrides]).search_space()


def test_every_combination_of_words_is_tried_and_controls_once() -> None:
    stages = adaptations(space())
    # 2 methods on 2 targets and 1 control, from 2 sources, at 2 rates.
    assert len(stages) == len(set(stages)) == (2 * 2 + 1) * 2 * 2
    assert {stage.rank for stage in stages if stage.method == "lora"} == {2}
    assert not [stage for stage in stages if stage.method == "full"]
    controls = set(map(control_of, stages))
    assert len(controls) == 2 * 2
    assert {one.learning_rate for one in controls} == {0.001, 0.01}
    assert {one.epochs for one in controls} == {stage.epochs for stage in stages}


def test_a_study_that_adapts_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="adapts no student"):
        adaptations(space('space.adapt.method="lora"', "space.adapt.rank=0"))
    with pytest.raises(InputError, match="must have `adapt`"):
        adaptations(load_study("kd_methods").search_space())


def test_rows_name_the_method_and_the_control_that_learns_from_the_same() -> None:
    assert row_of("none", None) == Row("none", NOTHING, "")
    lora = row_of("none", Adapt(learns_from="labels"))
    assert lora == Row("none", "lora, rank 8 on dense, from labels", "control, from labels")
    assert row_of("none", Adapt(method="classifier_only")).adapted == "classifier_only"
    full = row_of("none", Adapt(method="full", learns_from="labels"))
    assert full == Row("none", lora.control, lora.control)


def outcomes(*accuracies: float, seconds: float = 10, validation: float | None = None):
    return [
        Outcome({"fp32": one, "w4a8": one - 0.1}, seconds, validation or one) for one in accuracies
    ]


ABOVE = "above not adapted | above control"
FOUND = {
    (Row("none", NOTHING, ""), 0.0): outcomes(0.50, 0.60),
    (Row("none", CONTROL, CONTROL), 0.01): outcomes(0.52, 0.62),
    (Row("none", "lora", CONTROL), 0.001): outcomes(0.90, 0.90, validation=0.1),
    (Row("none", "lora", CONTROL), 0.01): outcomes(0.53, 0.61, seconds=15),
    (Row("logit", NOTHING, ""), 0.0): outcomes(0.70, 0.70),
    (Row("logit", CONTROL, CONTROL), 0.01): outcomes(0.70, 0.70),
    (Row("logit", "lora", CONTROL), 0.01): outcomes(0.71, 0.69),
}


def test_the_rate_is_chosen_on_validation_and_gains_are_paired_by_seed() -> None:
    best = at_their_best_rates(FOUND)
    assert table(best, ("fp32", "w4a8")) == [
        f"| distilled by | adapted by | learning rate | test | {ABOVE} | seconds | w4a8 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| `none` | control | 0.01 | 57.00 ± 7.07 | +2.00 ± 0.00 |  | 1.00x | 47.00 |",
        "| `none` | lora | 0.01 | 57.00 ± 5.66 | +2.00 ± 1.00 | +0.00 ± 1.00 | 1.50x | 47.00 |",
        "| `none` | not adapted |  | 55.00 ± 7.07 |  |  |  | 45.00 |",
        "| `logit` | not adapted |  | 70.00 ± 0.00 |  |  |  | 60.00 |",
        "| `logit` | control | 0.01 | 70.00 ± 0.00 | +0.00 ± 0.00 |  | 1.00x | 60.00 |",
        "| `logit` | lora | 0.01 | 70.00 ± 1.41 | +0.00 ± 1.00 | +0.00 ± 1.00 | 1.00x | 60.00 |",
    ]
    assert interactions(best) == [
        "| adapted by | adds to `none` | `logit` - `none` |",
        "| --- | --- | --- |",
        "| control | +2.00 ± 0.00 | -2.00 ± 0.00 |",
        "| lora | +2.00 ± 1.00 | -2.00 ± 0.00 |",
    ]


def test_the_journal_forgets_only_the_line_it_was_killed_in(tmp_path) -> None:
    (first, second), path = outcomes(0.5, 0.6), tmp_path / "outcomes.jsonl"
    Journal(path).write("a", "lora 0", first)
    with path.open("a") as file:
        file.write('\n{"key": "b", "accur')
    Journal(path).write("c", "lora 1", second)
    again = Journal(path)
    assert again.outcome("a") == first
    assert again.outcome("b") is None
    assert again.outcome("c") == second
    assert again.by_name() == {"lora 0": first, "lora 1": second}
