"""How a benchmark's outcome becomes an exit code: as those of the program's commands."""

import sys
from collections.abc import Callable

from search.cli import EXIT_INPUT, EXIT_INTERRUPTED, use_stand_ins
from spaces import InputError


def run_script(main: Callable[[], None]) -> None:
    """Run `main` and exit: 2 after one line on what the user can mend, 130 after Ctrl-C."""
    use_stand_ins()
    try:
        main()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_INPUT)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
