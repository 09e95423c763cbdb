"""`python -m infra.environments check|make NAME`: checks, or makes and renews, one of the virtual environments.

The environment's own interpreter runs `check`, which changes nothing; any Python from 3.11 on runs `make`.
"""

import argparse
import sys

from infra.environments.venvs import ENVIRONMENTS, check, ensure, python_version
from infra.errors import OperatorError


def main() -> int:
    """Return 0 if everything is installed, the status of `check`, or 1 after a line on what `make` failed at."""
    parser = argparse.ArgumentParser(prog="python -m infra.environments")
    parser.add_argument("command", choices=["check", "make"])
    parser.add_argument("name", choices=ENVIRONMENTS)
    parser.add_argument("version", nargs="?", default=python_version())
    arguments = parser.parse_args()
    environment = ENVIRONMENTS[arguments.name]
    if arguments.command == "check":
        return check(environment, arguments.version)
    try:
        ensure(environment)
    except OperatorError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
