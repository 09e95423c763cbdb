"""docs/architecture.md names existing files, and every module of the two Lambdas."""

from __future__ import annotations

import re

from tests.helpers.commands import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text()
PLACES = (
    *("", "docs", "api_lambda", "worker_lambda", "api_lambda/chalicelib", "worker_lambda/chalicelib"),
    "worker_lambda/chalicelib/notifications",
    "worker_lambda/chalicelib/releasing",
    "scripts/prove",
    *("jobpipe/domain", "jobpipe/runtime", "jobpipe/stores"),
    *(f"jobpipe/domain/{room}" for room in ("documents", "commands", "jobs", "events")),
    *(f"jobpipe/stores/{room}" for room in ("stage", "queues", "jobs", "documents", "events")),
    *(f"api_lambda/chalicelib/{room}" for room in ("http", "submitting", "console", "contract", "endpoints")),
    *(
        "infra",
        "infra/templates",
        "infra/deployment",
        "scripts/audit",
        "jobpipe_client",
        "jobpipe_client/cli/importing",
        "jobpipe_client/cli/importing/reading",
    ),
)
NAMED = set(re.findall(r"[\w./*-]+\.(?:py|yaml|json|md)\b", TEXT))
PATTERNS = ("jobpipe/**/*.py", "api_lambda/**/*.py", "worker_lambda/**/*.py")


def test_named_files_exist() -> None:
    assert [name for name in sorted(NAMED) if not any(list((ROOT / place).glob(name)) for place in PLACES)] == []


def test_every_module_of_the_lambdas_is_named() -> None:
    named = {path.resolve() for name in NAMED for place in PLACES for path in (ROOT / place).glob(name)}
    modules = {path for pattern in PATTERNS for path in ROOT.glob(pattern) if path.name != "__init__.py"}
    assert sorted(str(path.relative_to(ROOT)) for path in modules - named) == []
