"""`make audit` on a deployed stage; tests/contract tests what it finds and repairs."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.deployed import WAIT, Stage, unique
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow


@pytest.fixture
def operator(stage: Stage, tmp_path: Path) -> Operator:
    return Operator(stage, tmp_path)


def audit(operator: Operator, *arguments: str) -> tuple[int, Any]:
    done = operator.run("audit", "--json", "--older-than", "0", *arguments)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def about(report: Any, subject: str, part: str = "findings") -> list[dict[str, Any]]:
    return [each for each in report[part] if each["subject"] == subject]


def test_damage_is_reported_and_repaired_with_the_option(stage: Stage, operator: Operator) -> None:
    name = unique("[bold]stale")
    row = {"name": {"S": name}, "item_id": {"S": "no-such-item"}}
    stage.aws("dynamodb").put_item(TableName=stage.resources["names_table"], Item=row)
    status, report = audit(operator)
    assert status == 3
    assert not report["clean"]
    (finding,) = about(report, name)
    assert finding["kind"] == "lock without item"
    assert finding["repair"] == "delete the lock"
    shown = operator.run("audit", "--older-than", "0")
    assert shown.returncode == 3
    for text in ("lock without item", "[bold]stale", "delete the lock"):
        assert text in shown.stdout
    assert stage.aws("dynamodb").get_item(TableName=stage.resources["names_table"], Key={"name": {"S": name}})[
        "Item"
    ]

    _, report = audit(operator, "--repair")
    assert about(report, name) == []
    (repaired,) = about(report, name, "repaired")
    assert repaired["mended"]


def test_damage_of_a_collection_is_reported_and_repaired(stage: Stage, operator: Operator) -> None:
    """The folder of collections is not needed, so also data of a collection that left it is audited."""
    value = f"orders##invoice#i#{uuid.uuid4().int % 10**30}"
    row = {"value": {"S": f"u#{value}"}, "entry": {"S": "lock"}, "item_id": {"S": "0" * 32}}
    stage.aws("dynamodb").put_item(TableName=stage.resources["lookups_table"], Item=row)
    status, report = audit(operator)
    assert status == 3
    (finding,) = about(report, value)
    assert (finding["kind"], finding["repair"]) == ("lock without document", "delete the lock")
    _, report = audit(operator, "--repair")
    assert about(report, value) == []
    (repaired,) = about(report, value, "repaired")
    assert repaired["mended"]


def test_a_stage_file_of_a_release_without_collections_still_works(
    stage: Stage, operator: Operator, tmp_path: Path
) -> None:
    value = f"orders##invoice#i#{uuid.uuid4().int % 10**30}"
    row = {"value": {"S": f"u#{value}"}, "entry": {"S": "lock"}, "item_id": {"S": "0" * 32}}
    stage.aws("dynamodb").put_item(TableName=stage.resources["lookups_table"], Item=row)
    (path,) = tmp_path.glob("*.json")
    before = path.read_text()
    document = json.loads(before)
    for name in ("collections_table", "lookups_table"):
        del document["resources"][name]
    path.write_text(json.dumps(document))
    _, report = audit(operator)
    assert about(report, value) == [], "there it has no table"
    path.write_text(before)
    _, report = audit(operator, "--repair")
    assert about(report, value) == []


def test_the_log_shows_which_jobs_were_answered_202(stage: Stage, operator: Operator) -> None:
    """Two jobs have no trace of a worker, and the log has a 202 for one of them."""
    item_id = str(uuid.uuid4())
    unanswered = uuid.uuid4().hex
    stage.put_job(unanswered, "ab" * 8, item_id)
    answered = stage.client.create({"name": unique("Answered"), "description": "d"})
    stage.client.wait(answered)
    row = {"status": {"S": "queued"}, "attempts": {"N": "0"}, "generation": {"S": "ab" * 8}}
    stage.aws("dynamodb").update_item(
        TableName=stage.resources["jobs_table"],
        Key={"job_id": {"S": answered.id}},
        UpdateExpression="SET "
        + ", ".join(f"#{name} = :{name}" for name in row)
        + " REMOVE #result, result_version",
        ExpressionAttributeNames={f"#{name}": name for name in [*row, "result"]},
        ExpressionAttributeValues={f":{name}": value for name, value in row.items()},
    )
    _, report = audit(operator)
    assert [each["kind"] for each in about(report, unanswered)] == ["never answered 202"]
    assert [each["kind"] for each in about(report, answered.id)] == ["lost"]
    _, report = audit(operator, "--repair")
    for job_id in (unanswered, answered.id):
        assert about(report, job_id) == []
        job = stage.request("GET", f"/jobs/{job_id}").json()
        assert job["status"] == "failed"
        assert job["attempts"] == 0


def test_a_stage_after_normal_requests_is_clean(stage: Stage, operator: Operator) -> None:
    name = unique("Clean")
    created = stage.request("POST", "/items", {"name": name, "description": "d"}, headers=WAIT).json()
    stage.request("PUT", f"/items/{created['id']}", {"name": f"{name} 2"}, headers=WAIT)
    stage.request("POST", "/items", {"name": f"{name} 2", "description": "d"}, headers=WAIT)
    _, report = audit(operator)
    assert [each for each in report["findings"] if created["id"] in str(each)] == []
