"""`make grants`: write docs/security-grants.md and print it."""

from __future__ import annotations

import sys

from infra.cli.command_line import run
from infra.errors import OperatorError
from tests.iam.grants import template_grants
from tests.iam.grants_page import PAGE, disagreements, page


def main() -> None:
    found = list(disagreements(template_grants()))
    if found:
        raise OperatorError(f"the templates and tests/iam/needs.py disagree: {'; '.join(found)}")
    PAGE.write_text(page())
    print(page(), end="")


if __name__ == "__main__":
    sys.exit(run("grants", main))
