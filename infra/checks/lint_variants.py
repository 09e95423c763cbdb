"""Writes the templates to build/lint, with a file for each typical set of parameters, for checkov.

checkov does not evaluate conditions: it treats `!If [OwnKey, the key, nothing]` as a key that is set.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from infra.cli.command_line import OneLineParser, add_collections_option, run
from infra.packaging.package import package_all
from infra.settings import BUILD_DIR, collections_folder
from infra.templates.rendering import Rendered
from infra.templates.sources import Template, foundation_template, operations_template, read_template

_KEY = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
VARIANTS: dict[str, dict[str, str]] = {
    "defaults": {},
    "customer-managed": {"Encryption": "customer-managed", "EncryptionKey": _KEY, "Events": "on"},
    "options": {
        "AccessLogs": "true",
        "AlarmEmail": "a@b.example",
        "Events": "on",
        "EventBus": "arn:aws:events:eu-central-1:111122223333:event-bus/shop",
        "JobLists": "on",
        "Paused": "true",
        "QuotaLimit": "1",
        "ReserveConcurrency": "true",
        "TaskTokens": "arn:aws:states:eu-central-1:111122223333:stateMachine:orders",
    },
}


def variants(templates: dict[str, Template]) -> dict[str, Template]:
    """Return each template in each variant that has a parameter of the template, by file name."""
    rendered = {}
    for name, template in templates.items():
        for variant, parameters in VARIANTS.items():
            applicable = {key: value for key, value in parameters.items() if key in template["Parameters"]}
            if applicable or not parameters:
                rendered[f"{name}.{variant}.json"] = Rendered(template, **applicable).without_conditions()
    return rendered


def write_variants(folder: Path = BUILD_DIR / "lint", collections: Path | None = None) -> None:
    """Write the files, and delete the files of an earlier run."""
    apps = {
        app: read_template(package.template_path) for app, package in package_all(collections=collections).items()
    }
    templates = {"foundation": foundation_template("aws"), "operations": operations_template(), **apps}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, template in variants(templates).items():
        (folder / name).write_text(json.dumps(template, indent=1) + "\n")


def main() -> int:
    """Run the command."""
    parser = OneLineParser(prog="python -m infra.checks.lint_variants", description="Writes templates for checkov.")
    add_collections_option(parser)
    arguments: argparse.Namespace = parser.parse_args()
    return run("lint", lambda: write_variants(collections=collections_folder(arguments.collections)))


if __name__ == "__main__":
    sys.exit(main())
