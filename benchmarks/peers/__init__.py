"""What others search with, in our own loop, so that a replay can compare with it.

Stopping rules as pruners, each by its authors' own code where there is any, and Optuna's GP in the
time that a comparison has.
"""

from benchmarks.peers.few_epochs import FinishTheBest, PauseAfterFewEpochs
from benchmarks.peers.gp import OnceGPSampler
from benchmarks.peers.moasha import MOASHAPruner, Ranking, require_syne_tune
from benchmarks.peers.multi_metric import MultiMetricPruner, multi_metric_module
from benchmarks.peers.reasons import PeerReason

__all__ = [
    "FinishTheBest",
    "MOASHAPruner",
    "MultiMetricPruner",
    "OnceGPSampler",
    "PauseAfterFewEpochs",
    "PeerReason",
    "Ranking",
    "multi_metric_module",
    "require_syne_tune",
]
