"""SECURITY.md names files and tests for its claims, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = "api_lambda|worker_lambda|jobpipe|jobpipe_client|infra|scripts|tests|docs|\\.github"
NAMED = re.findall(
    rf"`((?:{FOLDERS})/[\w./-]+|docker-compose\.yml)(?:::(\w+))?`", (ROOT / "SECURITY.md").read_text()
)


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_file_and_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 40, "the page or this pattern has changed"
    missing = [name for name, _ in NAMED if not (ROOT / name).exists()]
    assert missing == []
    assert [f"{name}::{test}" for name, test in NAMED if test and test not in functions(ROOT / name)] == []


def test_every_claim_about_an_actor_names_its_proof() -> None:
    section = (ROOT / "SECURITY.md").read_text().partition("## Who can do what")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"
    ]

    assert len(rows) > 15
    assert [row[0] for row in rows if len(row) != 4] == []
    without = [row[0] for row in rows[2:] if row[2] and not re.search(r"`[\w./-]+\.(py|yaml|yml)(::\w+)?`", row[3])]
    assert without == ["read-only rights on the account (AWS's `ReadOnlyAccess`)"], "AWS enforces this one"
