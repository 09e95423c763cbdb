"""The scenarios of a run: this repository's, or those of a user's collections."""

from __future__ import annotations

import os
from functools import cache

from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.derived import Derived, derive
from tests.faults.scenarios.parts import Scenario
from tests.faults.stage.shelves import FOLDER


@cache
def derived() -> Derived:
    """Return the scenarios of the user's collections."""
    return derive()


def scenarios() -> dict[str, Scenario]:
    """Return the scenarios by name."""
    return derived().scenarios if os.environ.get(FOLDER) else SCENARIOS
