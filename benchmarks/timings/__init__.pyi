from .harness import TablePrinter as TablePrinter
from .harness import parser_of as parser_of
from .harness import timed as timed
from .made_up import problem_of as problem_of
