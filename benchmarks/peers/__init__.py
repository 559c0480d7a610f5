"""Stopping rules that others use, as pruners of our own loop: the replay compares with them."""

from benchmarks.peers.few_epochs import FinishTheBest, PauseAfterFewEpochs
from benchmarks.peers.moasha import MOASHAPruner, Ranking
from benchmarks.peers.multi_metric import MultiMetricPruner
from benchmarks.peers.reasons import PeerReason

__all__ = [
    "FinishTheBest",
    "MOASHAPruner",
    "MultiMetricPruner",
    "PauseAfterFewEpochs",
    "PeerReason",
    "Ranking",
]
