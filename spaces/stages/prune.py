"""Pruning: a trained network loses channels or weights, and what is left learns on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, get_args

from spaces.codec import one_of
from spaces.domains import Choice
from spaces.errors import InputError
from spaces.methods import METHODS, Logit, Method
from spaces.network import Network
from spaces.pruned import EVEN, MOST, Pruned, weights_of_layers
from spaces.schedule import EPOCHS, LEARNING_RATE
from spaces.settings import Number, Setting, Word, choice_of, setting
from spaces.stages.stage import BEGINS_WITH, OWN_TEACHER, Prior, Stage
from spaces.views import Views

Removes = Literal["channels", "weights"]
Criterion = Literal["l1", "l2", "batch_norm", "taylor"]


def _of(what: Removes) -> Callable[[Mapping[str, Any]], bool]:
    """Return whether that is what is removed."""
    return lambda known: known["removes"] == what


def _check_plan(shares: str, amount: float) -> None:
    """Raise InputError where a plan cannot be read, or takes too much of a layer."""
    for layer, weight in weights_of_layers(shares).items():
        if weight * amount > MOST:
            raise InputError(
                f"shares must leave every layer {1 - MOST:.0%}, and takes {weight * amount:.0%} of "
                f"{layer} where amount is {amount:g}"
            )


@dataclass(frozen=True)
class Prune(Views, Stage):
    """The least important channels or weights go, and the rest learns on by one of METHODS."""

    kind: ClassVar[str] = "prune"
    done: ClassVar[str] = "pruned"
    absent: ClassVar[str] = "not pruned"
    can_begin: ClassVar[bool] = True
    # No table was recorded of it yet: as long and as quiet as adapting. What it gains is lost by
    # what is removed.
    prior: ClassVar[Prior] = Prior(fall=0.1, noise=0.1, checkpoint=0.017, family=0.017)

    removes: Removes = setting(
        "channels",
        Setting(
            "what it removes",
            Word(get_args(Removes)),
            tried=True,
            decides_costs=True,
            tells_family=True,
        ),
    )
    """`channels`: of every layer, with all that hangs on them, so that what is left is a smaller
    network. `weights`: they become zero and stay it; a file is no smaller and no faster for it, but
    under a scheme that stores only the others."""
    amount: float = setting(
        0.5,
        Setting(
            "amount",
            Number(least=0, most=MOST),
            Choice((0, 0.3, 0.5, 0.7)),
            skips=0,
            decides_costs=True,
            tells_family=True,
        ),
    )
    """Share of every layer's channels or weights that goes. The output layer keeps its classes."""
    criterion: Criterion = setting(
        "l2",
        Setting("criterion", Word(get_args(Criterion)), applies=_of("channels"), tried=True),
    )
    """By what channels are important: the norm of their weights, `l1` (Li et al. 2017) or `l2`;
    their batch norm's scale (Liu et al. 2017); `taylor`, by how much the loss would change
    (Molchanov et al. 2019). Over all layers that a channel runs through (Fang et al. 2023). Weights
    go by their magnitude."""
    multiple: int = setting(
        8,
        Setting(
            "multiple of channels",
            Number(least=1, most=64, whole=True),
            applies=_of("channels"),
            decides_costs=True,
        ),
    )
    """Of which every layer keeps a multiple, the nearest to its share, where it has more: kernels
    take channels in blocks, and are several times slower beside them (docs/pruning.md)."""
    shares: str = setting(EVEN, Setting("shares of layers", Word(), tried=True, decides_costs=True))
    """`even`: all layers lose the same share. Or a plan, as `search.sensitivity --prune` prints it:
    by layer, how many times `amount` it loses."""
    steps: int = setting(1, Setting("steps", Number(least=1, most=100, whole=True), baseline=1))
    """1: all goes at once, and then what is left learns. More: so many times a part, evenly over
    the first half of the epochs."""
    method: Annotated[Method, *one_of(METHODS)] = choice_of(
        METHODS, Logit(), Setting("method", Word(METHODS))
    )
    """How what is left learns from the teacher."""
    epochs: int = setting(3, EPOCHS)
    learning_rate: float = setting(
        0.001, replace(LEARNING_RATE, domain=Choice((0.0005, 0.001, 0.002)))
    )
    pretrained: str = setting(OWN_TEACHER, BEGINS_WITH)
    """As of `distill`; what is pruned first is the teacher unless this says otherwise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_plan(self.shares, self.amount)

    @classmethod
    def clashes(cls, values: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:
        """Find a plan that cannot be read, and more steps than there are epochs for."""
        for shares in values["shares"]:
            try:
                _check_plan(str(shares), max(values["amount"]))
            except InputError as error:
                yield "shares", str(error).removeprefix("shares ")
        most, least = max(values["steps"]), min(values["epochs"])
        if most > 1 and most > least:
            yield "steps", f"must be at most the epochs, got {most} beside {least}"
        yield from super().clashes(values)

    def leaves_of(self, network: Network) -> Network:
        """Return the network without the channels that go, or with the weights that are zero."""
        return replace(network, pruned=self.pruned)

    @property
    def pruned(self) -> Pruned:
        """What is left of a network's layers."""
        if self.removes == "weights":
            return Pruned(weights=self.amount, shares=self.shares)
        return Pruned(self.amount, self.multiple, self.shares)

    @property
    def teaching(self) -> Method:
        """Its method."""
        return self.method

    @property
    def label(self) -> str:
        """What it removes, and how much of it."""
        return f"{self.removes} {self.amount:g}"

    @property
    def in_words(self) -> str:
        """`50% of channels pruned by l2`, its method, and what is seen where that is another."""
        plan = "" if self.shares == EVEN else ", by plan"
        steps = "" if self.steps == 1 else f" in {self.steps} steps"
        by = f" by {self.criterion}" if self.removes == "channels" else ""
        what = f"{self.amount:.0%} of {self.removes} pruned{by}{plan}{steps}"
        return ", ".join([what, self.method.in_words, *self.views_in_words])
