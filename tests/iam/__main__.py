"""`make grants`: writes docs/security-grants.md and prints it."""

from __future__ import annotations

import sys

from infra.cli.command_line import run
from infra.errors import OperatorError
from tests.iam.grants import template_grants
from tests.iam.table import PAGE, disagreements, page


def main() -> None:
    wrong = list(disagreements(template_grants()))
    if wrong:
        raise OperatorError(f"the templates and tests/iam/needs.py do not agree: {'; '.join(wrong)}")
    PAGE.write_text(page())
    print(page(), end="")


if __name__ == "__main__":
    sys.exit(run("grants", main))
