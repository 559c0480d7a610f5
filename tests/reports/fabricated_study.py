"""A fabricated study: trials that say what a worker would have written, nothing trained."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import optuna

from objectives import Evaluation
from objectives.costs.table import Cost, CostTable, with_levels
from search.stopping.pruning import Audit, Reason, Stop, as_record
from spaces import (
    SCHEMES,
    ChainConfig,
    Domain,
    Network,
    Space,
    Steps,
    scheme_named,
    student_key,
    to_dict,
)
from studies import StudyConfig, parse_study
from studies.records import Attr

TEACHER = Network("resnet18")
WIDTHS = (0.25, 0.5, 0.75, 1.0)
IMAGES = 360
BITS = {"fp32": 32, "fp16": 16, "w8": 8, "w8a8": 8, "w4": 4, "w4a8": 4, "dynamic_linear": 31.5}
"""Of a stored weight, by layout."""
SEARCHED: Mapping[str, Mapping[str, Any]] = {
    "network": {"architecture": "mobilenet_v2", "width": list(WIDTHS)},
    "distill": {
        "epochs": 8,
        "alpha": [0.0, 0.3, 0.5, 0.7, 0.9],
        "temperature": {"low": 1, "high": 10, "step": 1},
        "learning_rate": [0.001, 0.003, 0.01],
    },
    "adapt": {
        "epochs": 4,
        "rank": [0, 4, 8, 16],
        "lora_alpha": 16,
        "dropout": 0.0,
        "targets": ["classifier", "pointwise", "classifier+pointwise"],
        "learning_rate": 0.001,
    },
    "quantize": {"scheme": [name for name, one in SCHEMES.items() if one.layout.key in BITS]},
}
"""What the fabricated study searches, as its file has it."""
BEGIN = datetime(2026, 3, 1, 9, 0, 0)
Fabricate = Callable[..., optuna.Study]


def study_config(
    *,
    name: str = "kd_lora_q",
    space: Mapping[str, Mapping[str, Any]] = SEARCHED,
    **more: Any,
) -> StudyConfig:
    """The settings of the fabricated study: every stage of `space` in its order."""
    stages = [table for table in space if table not in {"network", "quantize"}]
    values = {
        "name": name,
        "data": {"name": "digits", "image_size": 32},
        "teacher": {
            "architecture": TEACHER.architecture,
            "training": {"epochs": 4, "learning_rate": 0.002},
        },
        "chain": {"stages": stages},
        "space": space,
        **more,
    }
    return parse_study(values, "the fabricated study")


def cost_table(space: Space | None = None, *, imported: bool = False) -> CostTable:
    """Sizes and latencies in the proportions that FACTS measured."""
    costs = []
    for network in (TEACHER, *(space or study_config().search_space()).networks):
        parameters, base_ms = 11_200_000, 3.4
        if network != TEACHER:
            small = 0.7 if network.architecture == "mobilenet_v3_small" else 1.0
            parameters = round(small * 2_240_000 * network.width**1.6)
            base_ms = small * (0.3 + 1.1 * network.width) * (network.image_size / 32) ** 2
        for layout, bits in BITS.items():
            median = base_ms * (0.64 if layout in {"w8a8", "w4a8"} else 1.0)
            costs.append(
                Cost(
                    network=network.key,
                    layout=layout,
                    size_bytes=round(parameters * bits / 8) + 40_000,
                    median_ms=median,
                    p95_ms=1.3 * median,
                    repeatability=0.03,
                    latency_ms=median,
                    flops=20 * parameters,
                    parameters=parameters,
                )
            )
    return CostTable(
        costs=with_levels(costs, 0.03),
        teacher=TEACHER.key,
        runtime="onnxruntime",
        device={"processor": "a test bench", "cores": "2", "runtime": "onnxruntime 1.31.1"},
        processes=3,
        calls=200,
        threads=1,
        imported=imported,
    )


def evaluation(accuracy: float, size_bytes: int) -> Evaluation:
    right = round(accuracy * IMAGES / 10)
    wrong = IMAGES // 10 - right
    confusion = [[0] * 10 for _ in range(10)]
    for true in range(10):
        confusion[true][true] = right
        confusion[true][(true + 1) % 10] = wrong
    return Evaluation(
        split="validation",
        images=IMAGES,
        accuracy=accuracy,
        f1=accuracy - 0.002,
        precision=accuracy,
        recall=accuracy,
        kl_to_teacher=0.05,
        confusion=tuple(map(tuple, confusion)),
        size_bytes=size_bytes,
        seconds=0.7,
    )


class _Draw:
    """Answers what a trial is asked, at random."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def suggest_float(self, _: str, low: float, high: float, *, step: float) -> float:
        return self.draw.choice(Steps(low, high, step).values)

    def suggest_categorical(self, _: str, choices: Any) -> Any:
        return self.draw.choice(choices)


def distribution_of(domain: Domain) -> optuna.distributions.BaseDistribution:
    if isinstance(domain, Steps):
        return optuna.distributions.FloatDistribution(domain.low, domain.high, step=domain.step)
    return optuna.distributions.CategoricalDistribution(list(domain.values))


class TrialWriter:
    """Adds finished trials to a study, as a worker and its offers would."""

    def __init__(self, study: optuna.Study, space: Space, seed: int) -> None:
        self.study, self.space, self.random = study, space, random.Random(seed)
        self.costs = cost_table(space)
        self.now, self.number, self.trials = BEGIN, 0, []

    def chain(self) -> ChainConfig:
        return self.space.suggest(_Draw(self.random))

    def quality(self, chain: ChainConfig) -> float:
        student = chain.student
        lost = 0.06 * (1 - student.network.width) ** 2 + 0.02 * (not student.needs_teacher)
        lost += 0.002 * (32 - student.network.image_size)
        lost += 0.12 * (student.stages[0].learning_rate == 0.01)
        lost += abs(self.random.gauss(0, 0.012))
        return 0.985 - lost + 0.004 * (len(student.stages) - 1)

    def curve(self, chain: ChainConfig, final: float) -> list[list[float]]:
        epochs = chain.student.total_epochs
        curve = []
        for epoch in range(1, epochs + 1):
            e = epoch / epochs
            value = final * (1 - 0.85 * math.exp(-6 * e)) + self.random.gauss(0, 0.006) * (e < 1)
            curve.append([e, round(min(max(value, 0.1), 1), 4)])
        curve[-1][1] = round(final, 4)
        return curve

    def stages(self, chain: ChainConfig, epochs: int) -> list[dict[str, Any]]:
        """Records of the first `epochs` of a student's; what it was begun with may be reused."""
        pace, reused = 6 * chain.student.network.width + 2, self.random.random() < 0.2
        records = []
        for index, stage in enumerate(chain.student.stages):
            done = min(epochs, stage.epochs)
            epochs -= done
            seconds = done * (pace if index == 0 else pace / 2)
            records.append(
                {
                    "stage": stage.kind,
                    "key": f"{stage.kind}{self.number}",
                    "seconds": seconds,
                    "seconds_reused": seconds if reused and index == 0 else 0.0,
                    "epochs": done,
                }
            )
        return [record for record in records if record["epochs"]]

    def add(self, state: optuna.trial.TrialState, minutes: float, **attrs: Any) -> int:
        self.now += timedelta(minutes=minutes)
        chain = attrs.pop("chain", None)
        values = attrs.pop("values", None)
        known = self.space.params_of(chain) if chain else {}
        asked = {name: each for name, each in self.space.searched.items() if name in known}
        params = {name: known[name] for name in asked}
        distributions = {name: distribution_of(domain) for name, domain in asked.items()}
        if chain:
            attrs |= {Attr.CHAIN: to_dict(chain), Attr.STUDENT: student_key(chain.student)}
        trial = optuna.trial.create_trial(
            state=state,
            values=values,
            params=params,
            distributions=distributions,
            user_attrs={str(key): value for key, value in attrs.items()},
        )
        trial.datetime_start, trial.datetime_complete = (
            self.now - timedelta(minutes=minutes),
            self.now,
        )
        self.trials.append(trial)
        self.number += 1
        return self.number - 1

    def point(self, chain: ChainConfig | None, scheme: str, accuracy: float, **attrs: Any) -> int:
        key = chain.student.network.key if chain else TEACHER.key
        cost = self.costs.of(key, scheme)
        lost = {"int4_weight_only": 0.03, "w4a8": 0.035}.get(
            scheme, 0.0
        ) + self.random.random() * 0.004
        accuracy = round((accuracy - lost) * IMAGES) / IMAGES
        return self.add(
            optuna.trial.TrialState.COMPLETE,
            attrs.pop("minutes", 0.02),
            chain=chain,
            values=(accuracy, cost.size_bytes, cost.latency_ms),
            **{Attr.SCHEME: scheme, Attr.EVALUATION: asdict(evaluation(accuracy, cost.size_bytes))},
            **attrs,
        )

    def teacher_baselines(self) -> None:
        for scheme in ("fp32", "int8_static"):
            self.point(
                None,
                scheme,
                0.99,
                **{
                    Attr.ORIGIN: "baseline",
                    Attr.STUDENT: "teacher",
                    Attr.BASELINE: "teacher quantized directly" if scheme != "fp32" else "teacher",
                },
            )

    def sampled(self, *, offers: bool = True) -> None:
        chain = self.chain()
        final = self.quality(chain)
        curve = self.curve(chain, final)
        scheme = chain.scheme.name
        common = {Attr.ORIGIN: "sampled"}
        weak = final < 0.9
        halfway = len(curve) // 2
        reason = Reason(
            progress=0.5,
            accuracy=curve[halfway - 1][1],
            bound=0.931,
            level=0.9,
            students=14,
            scheme="int8_static",
            reach=0.93,
            incumbent=0.972,
            incumbent_number=3,
            margin=0.018,
            shortfall=0.024,
        )
        if weak and self.random.random() < 0.7:
            self.add(
                optuna.trial.TrialState.PRUNED,
                1.5,
                chain=chain,
                **common,
                **{
                    Attr.CURVE: curve[:halfway],
                    Attr.STAGES: self.stages(chain, halfway),
                    Attr.RULING: as_record(Stop(reason)),
                    Attr.SCHEME: scheme,
                },
            )
            return
        if weak:
            common[Attr.RULING] = as_record(Audit(reason))
        stages = self.stages(chain, len(curve))
        own = {Attr.CURVE: curve, Attr.STAGES: stages, "minutes": 2.5}
        number = self.point(chain, scheme, final, **common, **own)
        for other in ("int8_static", "w4a8") if offers else ():
            if other != scheme:
                self.point(
                    ChainConfig(chain.student, scheme_named(other)),
                    other,
                    final,
                    **{Attr.ORIGIN: "offered", Attr.OFFERED_BY: number},
                )

    def failed(self) -> None:
        self.add(
            optuna.trial.TrialState.FAIL,
            0.5,
            chain=self.chain(),
            **{
                Attr.ORIGIN: "sampled",
                Attr.FAILURE: {"kind": "diverged", "reason": "loss is NaN in epoch 2 at 0.01"},
            },
        )
