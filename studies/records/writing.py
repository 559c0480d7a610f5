"""What a worker writes about its trials.

A worker that was wrongly taken for dead finds its trial ended by another: every function here that
takes a running trial raises LostTrialError then, and the worker goes on with the next trial.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from objectives import Evaluation, StageRecord, measured
from spaces import SCHEME_KEY, ChainConfig, DistilfrontError, student_key, to_dict
from studies.records.names import Attr, Origin

FailureKind = Literal["error", "diverged", "interrupted"]


class LostTrialError(DistilfrontError):
    """A trial was ended by somebody else while this worker ran it."""


@contextmanager
def _still_ours(trial: optuna.Trial) -> Iterator[None]:
    try:
        yield
    except UpdateFinishedTrialError as error:
        raise LostTrialError(
            f"trial {trial.number} was ended by another worker, which took this one for dead"
        ) from error


def _set(trial: optuna.Trial, attrs: Mapping[Attr, Any]) -> None:
    with _still_ours(trial):
        for name, value in attrs.items():
            trial.set_user_attr(name.value, value)


def _tell(
    study: optuna.Study,
    trial: optuna.Trial,
    state: TrialState,
    values: Sequence[float] | None = None,
) -> None:
    with _still_ours(trial):
        try:
            study.tell(trial, values, state)
        except ValueError as error:
            # How Optuna says that the trial had ended before it looked.
            if not str(error).startswith("Cannot tell a"):
                raise
            raise UpdateFinishedTrialError(str(error)) from error


def describe(trial: optuna.Trial, chain: ChainConfig) -> None:
    """Record which chain a sampled trial runs: to be called as soon as it is known."""
    _set(trial, _identity("sampled", chain))


def add_epoch(trial: optuna.Trial, progress: float, accuracy: float) -> None:
    """Add a pair to the trial's learning curve."""
    _set(trial, {Attr.CURVE: [*trial.user_attrs.get(Attr.CURVE, ()), [progress, accuracy]]})


def complete(
    study: optuna.Study,
    trial: optuna.Trial,
    evaluation: Evaluation,
    latency_ms: float,
    stages: Sequence[StageRecord],
    audited: Mapping[str, Any] | None = None,
) -> None:
    """End a sampled trial as a point; `audited` is the ruling that would have stopped it."""
    _set(trial, {Attr.STAGES: [asdict(stage) for stage in stages]})
    if audited is not None:
        _set(trial, {Attr.RULING: dict(audited)})
    _set(trial, {Attr.EVALUATION: asdict(evaluation)})
    _tell(study, trial, TrialState.COMPLETE, _values(study, evaluation, latency_ms))


def prune(
    study: optuna.Study,
    trial: optuna.Trial,
    stages: Sequence[StageRecord],
    ruling: Mapping[str, Any],
) -> None:
    """End a sampled trial that `ruling` stopped."""
    _set(trial, {Attr.STAGES: [asdict(stage) for stage in stages], Attr.RULING: dict(ruling)})
    _tell(study, trial, TrialState.PRUNED)


def fail(study: optuna.Study, trial: optuna.Trial, kind: FailureKind, reason: str) -> None:
    """End a sampled trial that cannot go on; `reason` is one line."""
    _set(trial, {Attr.FAILURE: {"kind": kind, "reason": reason}})
    _tell(study, trial, TrialState.FAIL)


def add_offer(
    study: optuna.Study,
    trial: optuna.Trial,
    chain: ChainConfig,
    evaluation: Evaluation,
    latency_ms: float,
) -> None:
    """Add a further scheme of a sampled trial's student as a complete, offered trial.

    chain: the trial's, with the offered scheme.
    """
    # Of a student that was trained for a layout the trial was not asked for a scheme.
    scheme = {SCHEME_KEY: chain.scheme.name} if SCHEME_KEY in trial.params else {}
    study.add_trial(
        optuna.create_trial(
            values=_values(study, evaluation, latency_ms),
            params=trial.params | scheme,
            distributions=dict(trial.distributions),
            user_attrs=_plain(
                {
                    **_identity("offered", chain),
                    Attr.EVALUATION: asdict(evaluation),
                    Attr.OFFERED_BY: trial.number,
                }
            ),
        )
    )


def add_baseline(
    study: optuna.Study,
    words: str,
    scheme: str,
    evaluation: Evaluation,
    latency_ms: float,
) -> None:
    """Add the teacher under `scheme` as a complete trial; `words` say what the baseline is."""
    study.add_trial(
        optuna.create_trial(
            values=_values(study, evaluation, latency_ms),
            user_attrs=_plain(
                {
                    Attr.ORIGIN: "baseline",
                    Attr.STUDENT: "teacher",
                    Attr.SCHEME: scheme,
                    Attr.BASELINE: words,
                    Attr.EVALUATION: asdict(evaluation),
                }
            ),
        )
    )


def enqueue_baseline(
    study: optuna.Study, words: str, params: Mapping[str, Any], *, late: bool = False
) -> None:
    """Make a sampled trial with `params` the next one; `words` say what baseline it is.

    late: make it one of the last instead.
    """
    attrs: dict[str, Any] = {Attr.BASELINE.value: words}
    study.enqueue_trial(dict(params), user_attrs=attrs | ({Attr.LATE.value: True} if late else {}))


def is_baseline(trial: optuna.Trial) -> bool:
    """Whether a sampled trial was enqueued as a baseline."""
    return Attr.BASELINE in trial.user_attrs


def resumes(trial: optuna.Trial | FrozenTrial) -> bool:
    """Whether a trial goes on with a paused one's student."""
    return Attr.RESUMES in trial.user_attrs


def is_late(trial: FrozenTrial) -> bool:
    """Whether a trial waits until the search has had its trials."""
    return trial.state == TrialState.WAITING and bool(trial.user_attrs.get(Attr.LATE, False))


def is_enqueued_baseline(trial: FrozenTrial) -> bool:
    """Whether a trial is what enqueue_baseline made: no retry of one, and not the teacher's."""
    attrs = trial.user_attrs
    added = attrs.get(Attr.ORIGIN) == "baseline"
    again = {Attr.RETRY_OF, Attr.RESUMES}
    return Attr.BASELINE in attrs and not attrs.keys() & again and not added


def _identity(origin: Origin, chain: ChainConfig) -> dict[Attr, Any]:
    return {
        Attr.ORIGIN: origin,
        Attr.STUDENT: student_key(chain.student),
        Attr.SCHEME: chain.scheme.name,
        Attr.CHAIN: to_dict(chain),
    }


def _plain(attrs: Mapping[Attr, Any]) -> dict[str, Any]:
    """Return `attrs` under plain strings: a database driver may write an enum by its name."""
    return {name.value: value for name, value in attrs.items()}


def _values(study: optuna.Study, evaluation: Evaluation, latency_ms: float) -> list[float]:
    """Return the objectives that the study chose, in its order: what it judges by, then costs."""
    judged_by, *costs = study.metric_names or ["accuracy"]
    known = {"size_bytes": float(evaluation.size_bytes), "latency_ms": latency_ms}
    return [measured(evaluation, judged_by), *(known[name] for name in costs)]
