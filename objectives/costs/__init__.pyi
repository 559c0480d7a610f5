from .bundle import read_costs as read_costs
from .bundle import write_bundle as write_bundle
from .devices import device_fingerprint as device_fingerprint
from .devices import difference as difference
from .study_costs import measure_study_costs as measure_study_costs
from .study_costs import write_candidates as write_candidates
from .table import Cost as Cost
from .table import CostTable as CostTable
