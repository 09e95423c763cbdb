"""The permissions of CI, and the checks that it runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.checks.dependency_audit import NO_ANSWER, VULNERABLE
from infra.packaging.release import DIST
from infra.settings import ROOT
from infra.targets import compose

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(path: Path) -> dict[str, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {
        "on" if key is True else str(key): value for key, value in document.items()
    }  # YAML 1.1 reads `on` as true


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


def jobs(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return list(workflow["jobs"].values())


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in jobs(workflow) for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_and_names_its_release(path: Path) -> None:
    uses = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]

    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []


def test_a_job_may_read_the_sources_and_nothing_else(workflow: dict[str, Any]) -> None:
    """Only the job that publishes has other rights, and it runs nothing of the sources."""
    assert workflow["permissions"] == {}
    found = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    if found.pop("publish", None) is not None:
        publish = workflow["jobs"]["publish"]
        assert publish["permissions"] == {"id-token": "write", "attestations": "write"}
        assert publish["environment"] == "pypi"
        assert [step for step in publish["steps"] if "run" in step] == []
        assert set(workflow["on"]) == {"push"}
        assert set(workflow["on"]["push"]) == {"tags"}
    assert all(permissions == {"contents": "read"} for permissions in found.values())


def test_no_credentials_stay_in_the_checkout(workflow: dict[str, Any]) -> None:
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs(workflow)) - ("publish" in workflow["jobs"])
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_release_publishes_what_was_built_from_its_tag_after_the_tests() -> None:
    release = read(GITHUB / "workflows" / "release.yml")
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]

    commands = [step["run"] for step in build["steps"] if "run" in step]
    dist = 'make dist TAG="$GITHUB_REF_NAME"'
    assert [command for command in commands if command in (dist, "make test")] == [dist, "make test", dist]
    uploaded = build["steps"][-1]["with"]
    assert ROOT / uploaded["path"] == DIST
    assert publish["needs"] == "build"
    download, attest, upload = publish["steps"]
    assert (download["with"]["name"], attest["with"]["subject-path"]) == (uploaded["name"], "dist/*")
    assert upload["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert upload["with"] == {"attestations": True}


def test_every_job_ends_and_runs_on_a_named_system(workflow: dict[str, Any]) -> None:
    assert all(0 < job["timeout-minutes"] <= 90 for job in jobs(workflow))
    assert not any("latest" in str(job["runs-on"]) for job in jobs(workflow))
    assert "group" in workflow["concurrency"]


def test_forks_never_run_with_the_rights_of_the_repository(workflow: dict[str, Any]) -> None:
    assert not {"pull_request_target", "workflow_run"} & set(workflow["on"])


def test_no_text_of_an_event_becomes_part_of_a_script(workflow: dict[str, Any]) -> None:
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_the_only_secret_is_one_that_may_be_missing() -> None:
    secrets = {name for path in WORKFLOWS for name in re.findall(r"secrets\.(\w+)", path.read_text())}
    assert secrets == {"LOCALSTACK_AUTH_TOKEN"}


def test_the_checks_of_every_push() -> None:
    ci = read(GITHUB / "workflows" / "ci.yml")

    commands = {step["run"] for step in steps(ci) if "run" in step}
    assert commands >= {
        *("make lint", "make types"),
        *(
            "make test",
            "make test-slow",
            "make test-deployments",
            "make test-browser",
            "make test-tutorial",
            "make test-clients",
            "make demo",
            "make stop",
            "make test-compose",
        ),
        *("make faults FAULTS=--singles", 'make chaos CHAOS_ARGS="--jobs 510 --callers 6 --seconds 300"'),
    }
    assert ci["on"]["push"] is None, "on every branch"
    matrix = ci["jobs"]["embedded"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert "ubuntu-24.04-arm" in {each["os"] for each in matrix["include"]}


def test_a_branch_with_a_pull_request_runs_once() -> None:
    ci = read(GITHUB / "workflows" / "ci.yml")

    of_forks = (
        "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name != github.repository"
    )
    assert {job["if"] for job in jobs(ci)} == {of_forks}


def test_compose_ends_by_its_own_limits_before_the_job_is_ended() -> None:
    """Otherwise nothing is taken down and no log is shown."""
    job = read(GITHUB / "workflows" / "ci.yml")["jobs"]["localstack"]

    longest = compose._BUILD_SECONDS + compose._SUITE_SECONDS + compose._START_SECONDS
    assert job["timeout-minutes"] * 60 >= longest + 600, "with time for the checkout and the removal"


def test_locked_versions_are_audited_every_week() -> None:
    weekly = read(GITHUB / "workflows" / "dependencies.yml")

    assert [each["cron"].split()[2:4] for each in weekly["on"]["schedule"]] == [["*", "*"]]
    assert weekly["on"]["schedule"][0]["cron"].split()[4].isdigit()
    assert "make audit-dependencies" in {step.get("run") for step in steps(weekly)}


def test_an_unanswered_audit_does_not_fail_a_push(tmp_path: Path) -> None:
    static = read(GITHUB / "workflows" / "ci.yml")["jobs"]["static"]
    (script,) = [step["run"] for step in static["steps"] if "infra.checks.dependency_audit" in step.get("run", "")]
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)

    ends = {}
    for status in (0, VULNERABLE, NO_ANSWER):
        python.write_text(f"#!/bin/sh\nexit {status}\n")
        python.chmod(0o755)
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        ends[status] = (done.returncode, "::warning::" in done.stdout)

    assert ends == {0: (0, False), VULNERABLE: (VULNERABLE, False), NO_ANSWER: (0, True)}
    cached = next(
        step["with"]["cache-dependency-path"] for step in static["steps"] if "cache" in str(step.get("with"))
    )
    assert "infra/checks/requirements.lock" in cached.split()


def test_dependabot_covers_every_lock() -> None:
    updates = read(GITHUB / "dependabot.yml")["updates"]

    covered = {each["package-ecosystem"]: each.get("directories", [each.get("directory")]) for each in updates}
    requirements = [*ROOT.glob("*_lambda/requirements.txt"), *ROOT.glob("*/*/requirements.in")]
    assert {f"/{path.parent.relative_to(ROOT)}" for path in requirements} | {"/"} == set(covered["pip"])
    assert set(covered["npm"]) == {
        f"/{path.parent.relative_to(ROOT)}" for path in ROOT.glob("tests/*/package.json")
    }
    assert set(covered) == {"pip", "npm", "github-actions", "docker", "docker-compose"}
    assert all(each["cooldown"]["default-days"] >= 7 for each in updates)
