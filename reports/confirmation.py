"""What repeating front members on other seeds has changed, as a table for the terminal."""

from collections.abc import Mapping
from statistics import fmean

from rich.box import SIMPLE_HEAD
from rich.table import Table

from reports import words
from reports.rows import title_of
from reports.summary import StudySummary


def confirmation_table(before: Mapping[int, float], summary: StudySummary) -> Table:
    """Return the front's probabilities, by trial, before and now.

    Points that are not on the study's front, but are more likely than not by now, come last.
    """
    table = Table(
        title=f"Front of {summary.name} over seeds",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for title in ("trial", "what", "scheme", "accuracy", "seeds", "mean", "before", "on front"):
        numeric = title not in {"trial", "what", "scheme"}
        table.add_column(
            title,
            justify="right" if numeric else "left",
            # Words go on in a second line; a figure that is cut says nothing.
            no_wrap=title != "what",
            overflow="fold",
        )
    now = summary.front_probability
    members = [member.point.number for member in summary.front]
    counts = {number: summary.counts(point) for number, point in summary.points.items()}
    others = [
        number
        for number, share in now.items()
        if share > 0.5 and counts[number] and number not in members
    ]
    scored = dict(zip(summary.points, summary.scored, strict=True))
    for numbers in (members, sorted(others, key=lambda number: -now[number])):
        for number in numbers:
            point, accuracies = summary.points[number], scored[number].accuracies
            table.add_row(
                str(number),
                title_of(summary, point),
                words.scheme(point.scheme),
                words.percent(point.accuracy),
                str(len(accuracies)),
                words.percent(fmean(accuracies)),
                *(
                    words.probability(shares.get(number, 0.0)) if counts[number] else words.NOTHING
                    for shares in (before, now)
                ),
                style="" if numbers is members else "yellow",
            )
        table.add_section()
    return table
