"""`jobpipe` on a deployed stage: import and export, the repair of failed rows, statistics."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tenacity

from infra.stage.stage_file import write_deployment
from jobpipe_client.cli.importing.reading.source import MAX_LINE_BYTES
from tests.helpers import commands
from tests.helpers.deployed import Stage, unique

pytestmark = pytest.mark.slow

JOBPIPE = (sys.executable, "-m", "jobpipe_client.cli")


@pytest.fixture
def environment(stage: Stage, tmp_path: Path) -> dict[str, str]:
    write_deployment(tmp_path / "state", stage.deployment)
    return commands.clean_environment(JOBPIPE_STATE_DIR=str(tmp_path / "state"), COLUMNS="200")


def jobpipe(env: dict[str, str], *arguments: str) -> commands.Done:
    return commands.run(*JOBPIPE, *arguments, env=env)


def report(env: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    done = jobpipe(env, "import", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def items_of(stage: Stage, run: str) -> list[dict[str, Any]]:
    return [item for item in stage.client.iter_items(page_size=100) if str(item["name"]).startswith(run)]


def test_failed_rows_are_repaired_and_imported_and_no_row_is_doubled(
    stage: Stage, environment: dict[str, str], tmp_path: Path
) -> None:
    run = unique("csv")
    digits = "0.1234567890123456789012345678901234567"
    rows = [f"{run} {n},d,{digits},yes,[{n}]" for n in range(120)]
    rows[30] = f"{run} 30,d,a lot,yes,[]"  # not a number
    rows[31] = f"{run} 31,d"  # too few cells
    rows[60] = f"{run} 59,d,1,no,[]"  # a name that is taken
    rows[61] = f"{run} \u202e,d,1,no,[]"  # a name that the service refuses
    path = tmp_path / "items.csv"
    path.write_text(
        "name,description,price:number,active:boolean,tags:json\n" + "".join(f"{row}\n" for row in rows)
    )
    status, result = report(environment, str(path))
    assert (status, result["rows"], result["succeeded"]) == (3, 120, 116)
    assert result["reasons"] == {"unreadable": 2, "name-taken": 1, "invalid-request": 1}
    failed = tmp_path / "items.failed.csv"
    header, *lines = failed.read_text().splitlines()
    assert header.startswith("jobpipe:line,jobpipe:error,name,description,price:number")
    numbers = [int(line.partition(",")[0]) for line in lines]
    assert numbers[:2] == [32, 33]
    assert numbers[2] in {61, 62}, "either of two rows with one name may come first"
    assert numbers[3] == 63
    repaired = [f"9,,{run} {n} repaired,d,{digits},yes,[]" for n in range(4)]
    failed.write_text("\n".join([header, *repaired]) + "\n")
    assert report(environment, str(failed))[:1] == (0,)
    found = items_of(stage, run)
    assert len(found) == len({item["name"] for item in found}) == 120
    assert {item["price"] for item in found} <= {Decimal(digits), 1}
    assert jobpipe(environment, "import", str(path)).returncode == 3, "a finished import reports the same again"
    assert len(items_of(stage, run)) == 120


@tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.05), reraise=True)
def wait_until_a_job_ended(journal: Path) -> None:
    assert '{"done"' in journal.read_text()


def test_an_import_that_was_killed_is_resumed(stage: Stage, environment: dict[str, str], tmp_path: Path) -> None:
    run = unique("killed")
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps({"name": f"{run} {n}", "description": "d"}) + "\n" for n in range(120)))
    command = (*JOBPIPE, "import", str(path), "--batch-size", "10", "--concurrency", "2")
    for number in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(command, cwd=commands.ROOT, env=environment, stderr=subprocess.DEVNULL) as running:
            wait_until_a_job_ended(tmp_path / "items.jsonl.jobpipe-import")
            running.send_signal(number)
    status, result = report(environment, str(path), "--batch-size", "10")
    assert (status, result["succeeded"], result["failed"]) == (0, 120, 0)
    assert len(items_of(stage, run)) == 120


def test_watch_shows_an_import_of_another_process_and_the_throughput(
    stage: Stage, environment: dict[str, str], tmp_path: Path
) -> None:
    run = unique("watched")
    path = tmp_path / "watched.jsonl"
    names = [*(f"{run} {n}" for n in range(59)), f"{run} 0"]
    path.write_text("".join(json.dumps({"name": name, "description": "d"}) + "\n" for name in names))
    watch = (*JOBPIPE, "watch", "--interval", "0.2")
    finished = "watched.jsonl: finished, 60 rows, 1 failed"
    with subprocess.Popen(
        watch, cwd=commands.ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as watching:
        too_late = threading.Timer(120, watching.kill)
        too_late.start()
        assert report(environment, str(path), "--batch-size", "10")[0] == 3
        seen: list[str] = []
        assert watching.stderr is not None
        for line in watching.stderr:
            seen.append(line.rstrip())
            if finished in seen and any("jobs accepted" in each for each in seen):
                break
        too_late.cancel()
        watching.kill()
    assert finished in seen
    assert any(each.startswith("last ") and " accepted, " in each for each in seen), seen


def test_an_export_can_be_imported(stage: Stage, environment: dict[str, str], tmp_path: Path) -> None:
    run = unique("export")
    item = {"name": run, "description": 'a "b",\r\nc', "n": 1.5, "empty": "", "none": None, "deep": {"a": [True]}}
    stage.client.sync.create({**item, "big": Decimal("12345678901234567890.125")})
    for name in ("all.csv", "all.jsonl"):
        done = jobpipe(environment, "export", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
    (one,) = items_of(stage, run)
    stage.client.sync.delete(one.pop("id"))
    lines = [line for line in (tmp_path / "all.jsonl").read_text().splitlines() if run in line]
    (tmp_path / "one.jsonl").write_text(lines[0] + "\n")
    assert report(environment, str(tmp_path / "one.jsonl"), "--ignore", "id")[0] == 0
    (again,) = items_of(stage, run)
    stage.client.sync.delete(again.pop("id"))
    assert again == one
    # Only this row is imported: the others belong to other tests.
    csv.field_size_limit(MAX_LINE_BYTES)
    with (tmp_path / "all.csv").open(newline="") as file:
        header, *records = csv.reader(file)
    with (tmp_path / "one.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *(record for record in records if record[1] == run)])
    assert report(environment, str(tmp_path / "one.csv"), "--ignore", "id")[0] == 0
    (again,) = items_of(stage, run)
    again.pop("id")
    assert again == one


def test_the_queue_and_the_outcomes_of_jobs(stage: Stage, environment: dict[str, str]) -> None:
    done = jobpipe(environment, "items", "get", "none")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    name = unique("stats")
    for _ in range(2):
        jobpipe(environment, "items", "create", f"name={name}", "description=d")

    @tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.5), reraise=True)
    def outcomes() -> None:
        result = json.loads(jobpipe(environment, "stats", "--json").stdout)
        assert result["outcomes_missing"] is None
        assert result["outcomes"]["succeeded"] >= 1
        assert result["outcomes"]["failed"]["name-taken"] >= 1
        assert result["waiting"] >= 0

    outcomes()


def test_operators_commands_are_passed_on(environment: dict[str, str]) -> None:
    done = jobpipe(environment, "--json", "audit", "--older-than", "0")
    assert done.returncode in {0, 3, 4}, done.stderr
    assert "findings" in json.loads(done.stdout)
    parked = jobpipe(environment, "parked")
    assert (parked.returncode, parked.stdout) == (0, "0 parked messages\n"), parked.stderr
    assert json.loads(jobpipe(environment, "parked", "--json").stdout) == {"parked": [], "about": 0}
    counted = jobpipe(environment, "--json", "redrive", "--item", "none", "--dry-run")
    assert json.loads(counted.stdout) == {"would_retry": 0, "by_reason": []}
    assert jobpipe(environment, "redrive").returncode == 1
    assert jobpipe(environment, "--stage", "nowhere", "parked").stderr.count("\n") == 1
