"""What one worker process does from its start to its end."""

from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore

from objectives import Workbench
from objectives.fronts import ReferencePoint
from search.forecasts import Ground
from search.strategy import parts_named
from search.workers.claims import open_ledger
from search.workers.epoch_monitor import ReleasedError
from search.workers.events import Event
from search.workers.prepare import prepare
from search.workers.presenter import DashboardPresenter
from search.workers.run_trials import Bench, Worker
from search.workers.stop_signal import Lifeline
from search.workers.test_scores import score_front
from studies import StudyFolder, create_or_resume, load_study, open_storage, preparation_lock
from studies.records import HistoryReader


def work(
    study_name: str,
    settings: Sequence[str],
    runs_dir: Path,
    storage_url: str | None,
    index: int,
    lifeline: Lifeline,
    emit: Callable[[Event], None],
) -> None:
    """Run trials of a study until enough have ended, then score its front on the test split.

    Raises ReleasedError when a stop was asked for.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config = load_study(study_name, settings)
    folder = StudyFolder(runs_dir, config.name)
    storage = open_storage(storage_url or folder.database)
    study = create_or_resume(config, storage)
    lock = preparation_lock(storage, config.name)
    with Workbench(config.foundation(), folder.cache) as workbench:
        teacher, costs = prepare(
            study, config, lock, workbench, lifeline, emit, templates_first=index % 2 == 1
        )
        floor = config.bounds.accuracy_of_teacher * teacher.accuracy
        itself = costs.of(costs.teacher, "fp32")
        reference = ReferencePoint(floor, itself.size_bytes, itself.latency_ms)
        reader = HistoryReader(study, storage)
        parts = parts_named(
            config.sampler.name,
            config.pruning.name,
            Ground(
                config.search_space(),
                config.settled(),
                costs,
                reference,
                workbench.data.images_in("validation"),
                teacher.accuracy,
                config.objectives,
            ),
            trials=config.trials,
            seed=config.seed,
            startup=config.sampler.startup,
            delta=config.pruning.delta,
            audit_share=config.pruning.audit_share,
            least_gain_per_hour=config.least_gain_per_hour,
            workers=config.workers,
            reader=reader,
        )
        study.sampler = parts.sampler
        bench = Bench(
            config=config,
            study=study,
            reader=reader,
            workbench=workbench,
            costs=costs,
            pruner=parts.pruner,
            accuracy_floor=floor,
            presenter=DashboardPresenter(
                study,
                FileSystemArtifactStore(str(folder.artifacts)),
                workbench.data.class_names,
            ),
        )
        ledger = open_ledger(study, storage, reader, parts.scheduler, parts.enough)
        Worker(bench, ledger, lifeline, emit).run(config.trials)
        if lifeline.stopping:
            raise ReleasedError
        score_front(study, workbench, lock, emit)
