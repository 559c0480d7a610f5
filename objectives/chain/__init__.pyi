from .cache import Draft as Draft
from .cache import StageCache as StageCache
from .preflight import check_foundation as check_foundation
from .workbench import Workbench as Workbench
