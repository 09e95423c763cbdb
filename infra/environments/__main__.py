"""`python -m infra.environments check|make NAME`: see infra/environments/venvs.py."""

import sys

from infra.environments.venvs import main

if __name__ == "__main__":
    sys.exit(main())
