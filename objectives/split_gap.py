"""Whether a teacher's accuracies on two splits tell that it knows one of them."""

from math import sqrt

_FEW_POINTS = 0.03
_STANDARD_ERRORS = 3.0


def split_gap_in_words(
    validation_accuracy: float, test_accuracy: float, n_validation: int, n_test: int
) -> str | None:
    """Return what to do about accuracies, in [0, 1], that differ by more than chance; else None.

    More than chance: over three points, and over three standard errors of the difference of two
    shares of `n_validation` and `n_test` images (pooled, so that shares of 0 or 1 have one too).
    """
    gap = validation_accuracy - test_accuracy
    images = n_validation + n_test
    pooled = (validation_accuracy * n_validation + test_accuracy * n_test) / images
    error = sqrt(pooled * (1 - pooled) * (1 / n_validation + 1 / n_test))
    if abs(gap) <= max(_FEW_POINTS, _STANDARD_ERRORS * error):
        return None
    found = (
        f"the teacher is right on {100 * validation_accuracy:.1f} % of {n_validation:,} validation "
        f"images and {100 * test_accuracy:.1f} % of {n_test:,} test images, "
        f"{100 * abs(gap):.1f} points apart"
    )
    if gap > 0:
        return (
            f"{found}: it has probably been trained on the validation images, so the floor is too "
            "high; let [data] validation = PATH name images it has not seen, or [data] "
            'held_back_from = "unseen" take a share of the test images'
        )
    return (
        f"{found}: the validation images are harder or prepared differently, so the search sees "
        "other accuracies than the test; let [data] validation = PATH name images like those of "
        "the test"
    )
