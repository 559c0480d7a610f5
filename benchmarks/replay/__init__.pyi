from .compare import read_runs as read_runs
from .freeze import STRATEGY_PATHS as STRATEGY_PATHS
from .freeze import Freeze as Freeze
from .freeze import freeze_of as freeze_of
from .run_record import GRID as GRID
from .run_record import SHARES as SHARES
from .run_record import RunRecord as RunRecord
from .running import Family as Family
