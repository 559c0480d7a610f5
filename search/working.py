"""What one worker process does from its start to its end."""

from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore

from objectives import Workbench
from search.events import Event
from search.ledger import Ledger
from search.lifeline import Lifeline
from search.loop import Bench, ReleasedError, Worker
from search.preparation import prepare
from search.pruning import pruner_named
from search.samplers import sampler_named
from search.scoring import score_front
from studies import StudyFolder, create_or_resume, load_study, open_storage


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
        bench = Bench(
            config=config,
            study=study,
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
            artifacts=FileSystemArtifactStore(str(folder.artifacts)),
        )
        worker = Worker(bench, Ledger(study, storage), lifeline, emit)
        worker.run(config.trials)
        if lifeline.stopping:
            raise ReleasedError
        score_front(study, workbench, folder, emit)
