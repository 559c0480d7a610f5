from .cache import Draft as Draft
from .cache import StageCache as StageCache
from .pace import seconds_an_image as seconds_an_image
from .preflight import CheckedSetup as CheckedSetup
from .preflight import check_setup as check_setup
from .workbench import Workbench as Workbench
