from .cache import Draft as Draft
from .cache import Dropped as Dropped
from .cache import StageCache as StageCache
from .keys import keys_of_students as keys_of_students
from .pace import seconds_an_image as seconds_an_image
from .preflight import check_setup as check_setup
from .workbench import Workbench as Workbench
