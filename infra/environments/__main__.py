"""`python -m infra.environments check|make NAME`: checks, or makes and renews, a virtual environment.

The environment's own interpreter runs `check`, which changes nothing. Any Python from 3.11 on runs `make`, which
can make several at the same time, as in `make tools emulator`.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from infra.environments.venvs import ENVIRONMENTS, check, ensure, python_version
from infra.errors import OperatorError


def main() -> int:
    """Return 0 if everything is installed, else the status of `check`, or 1 after `make` has reported an error."""
    parser = argparse.ArgumentParser(prog="python -m infra.environments")
    commands = parser.add_subparsers(dest="command", required=True)
    checks = commands.add_parser("check")
    checks.add_argument("name", choices=ENVIRONMENTS)
    checks.add_argument("version", nargs="?", default=python_version())
    commands.add_parser("make").add_argument("names", nargs="+", choices=ENVIRONMENTS)
    arguments = parser.parse_args()
    if arguments.command == "check":
        return check(ENVIRONMENTS[arguments.name], arguments.version)
    try:
        with ThreadPoolExecutor(len(arguments.names)) as pool:
            list(pool.map(lambda name: ensure(ENVIRONMENTS[name]), arguments.names))
    except OperatorError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
