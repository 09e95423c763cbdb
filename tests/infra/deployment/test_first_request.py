"""The command that a deployment shows as a first request: it is for the deployment's own first collection."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from infra.collections.folder import read_folder
from infra.collections.scaffold import write_collection
from infra.deployment.first_request import curl_line
from tests.infra.deployment.test_stage_file import DEPLOYMENT

AT_ITEMS = f"{DEPLOYMENT.base_url}/items"


def words(folder: Path | None = None) -> list[str]:
    return shlex.split(curl_line(DEPLOYMENT, [] if folder is None else read_folder(folder)))


def test_the_line_survives_the_shell() -> None:
    found = words()
    assert found[:3] == ["curl", "-sS", AT_ITEMS]
    assert f"x-api-key: {DEPLOYMENT.api_key}" in found
    assert json.loads(found[-1])["name"] == "first item"


def test_it_creates_the_example_of_the_first_collection(tmp_path: Path) -> None:
    for name in ("tents", "orders"):
        write_collection(tmp_path, name)
    found = words(tmp_path)
    assert found[2] == f"{DEPLOYMENT.base_url}/orders"
    assert "Prefer: wait=10" in found
    assert json.loads(found[-1]) == {"number": "A-1", "customer": "alice", "status": "open", "total": 12.5}


@pytest.mark.parametrize(
    ("examples", "sent"),
    [
        (None, None),
        ([{"number": "1"}, {"number": "2", "customer": "a", "status": "open"}], "2"),
        ([{"customer": "a", "status": "open"}, 7], None),
    ],
    ids=str,
)
def test_a_document_that_the_stage_would_refuse_is_not_shown(
    tmp_path: Path, examples: Any, sent: str | None
) -> None:
    schema = write_collection(tmp_path, "orders") / "schema.json"
    text = json.loads(schema.read_text())
    del text["examples"]
    text["required"].remove("number")  # it is the key, which a document needs all the same
    schema.write_text(json.dumps(text | ({} if examples is None else {"examples": examples})))
    found = words(tmp_path)
    if sent is None:
        assert found == ["curl", "-sS", f"{DEPLOYMENT.base_url}/orders", "-H", f"x-api-key: {DEPLOYMENT.api_key}"]
    else:
        assert json.loads(found[-1])["number"] == sent
