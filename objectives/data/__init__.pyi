from .dataset import Batch as Batch
from .dataset import Data as Data
from .dataset import Device as Device
from .dataset import TrainingImages as TrainingImages
from .dataset import load_data as load_data
from .dataset import resized as resized
from .decoding import shorter_sides as shorter_sides
