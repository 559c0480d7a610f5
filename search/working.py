"""What one worker process does from its start to its end."""

from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore

from objectives import Workbench
from search.events import Event
from search.ledger import open_ledger
from search.lifeline import Lifeline
from search.loop import Bench, Worker
from search.preparation import prepare
from search.presenter import DashboardPresenter
from search.pruning import pruner_named
from search.samplers import sampler_named
from search.scheduler import NewFirst
from search.scoring import score_front
from search.watch import ReleasedError
from studies import StudyFolder, create_or_resume, load_study, open_storage
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
    with Workbench(config.foundation(), folder.cache) as workbench:
        teacher, costs = prepare(
            study, config, folder, workbench, lifeline, emit, templates_first=index % 2 == 1
        )
        floor = config.bounds.accuracy_of_teacher * teacher.accuracy
        study.sampler = sampler_named(
            config.sampler.name, config.seed, startup=config.sampler.startup
        )
        reader = HistoryReader(study)
        bench = Bench(
            config=config,
            study=study,
            reader=reader,
            workbench=workbench,
            costs=costs,
            pruner=pruner_named(
                config.pruning.name,
                delta=config.pruning.delta,
                audit_share=config.pruning.audit_share,
                seed=config.seed,
                objectives=config.objectives,
                accuracy_floor=floor,
            ),
            accuracy_floor=floor,
            presenter=DashboardPresenter(
                study,
                FileSystemArtifactStore(str(folder.artifacts)),
                workbench.data.class_names,
            ),
        )
        ledger = open_ledger(study, storage, reader, NewFirst())
        Worker(bench, ledger, lifeline, emit).run(config.trials)
        if lifeline.stopping:
            raise ReleasedError
        score_front(study, workbench, folder, emit)
