"""A worker that trains nothing: what the claims' tests start, and kill, as real processes.

Usage: claiming_process.py STORAGE TOTAL run|hold|idle
`run` ends every trial it can claim, `hold` claims one, says so and waits to be killed, `idle` says
that it is there and claims one when a line comes in.
"""

import sys
import time

from optuna.trial import TrialState

from search.workers.claims import open_claims
from studies import open_storage, open_study

target, total, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
storage = open_storage(target)
study = open_study("kd_lora_q", storage)
claims = open_claims(study, storage)

if mode == "idle":
    print("ready", flush=True)
    sys.stdin.readline()
while (trial := claims.claim(total)) is not None:
    width = trial.suggest_float("network.width", 0, 1000)
    print(trial.number, width, flush=True)
    if mode == "hold":
        time.sleep(600)
    study.tell(trial, state=TrialState.PRUNED)
