"""Audit the stage after a run: the audit finds only what the run may leave, and its repair removes it."""

from __future__ import annotations

from datetime import timedelta

from scripts.audit.findings import Finding, NeverAnswered, NeverStored, OrphanClaim, OrphanDocument
from scripts.audit.repair import repair
from scripts.audit.resources import Resources
from scripts.audit.search import audit
from tests.faults.stage.world import World

_MOST_REPAIRS = 3  # the first ends a job that was never answered, the second deletes its claim check


def check_audit(world: World, unfinished: set[str], left: set[str]) -> list[str]:
    """Return unexpected and missing findings, and repair the expected ones.

    `unfinished` are jobs that were never answered 202; `left` are keys of the bucket that no row refers to.
    """
    resources = _resources(world)
    expected = {**{job_id: _stuck(world, job_id) for job_id in unfinished}, **{key: _orphan(key) for key in left}}
    findings = audit(resources)
    if bool(findings) != bool(expected):
        return [_text(finding) for finding in findings] or [f"the audit does not find {sorted(expected)}"]
    for _ in range(_MOST_REPAIRS):
        wrong = [_text(finding) for finding in findings if type(finding) is not expected.get(finding.subject)]
        if wrong or not findings:
            return wrong
        repair(findings, resources)
        findings = audit(resources)
    return [_text(finding) for finding in findings]


def _stuck(world: World, job_id: str) -> type[Finding]:
    waits = any(command.job_id == job_id and command.not_before is not None for command in world.history.commands)
    return NeverStored if waits else NeverAnswered


def _orphan(key: str) -> type[Finding]:
    return OrphanClaim if key.startswith("claims/") else OrphanDocument


def _text(finding: Finding) -> str:
    return f"{finding.kind}: {finding.subject}: {finding.detail}"


def _resources(world: World) -> Resources:
    answered = {command.job_id for command in world.history.commands if command.accepted}
    return Resources(
        clients=world.audit_clients,
        jobs_table=world.outputs["JobsTable"],
        items_table=world.outputs["ItemsTable"],
        names_table=world.outputs["NamesTable"],
        documents_bucket=world.outputs["DocumentsBucket"],
        collections_table=world.outputs["CollectionsTable"],
        lookups_table=world.outputs["LookupsTable"],
        queue_urls=(world.outputs["CommandsQueueUrl"], world.outputs["DeadLettersQueueUrl"]),
        job_retention=timedelta(days=7),
        was_answered=lambda job, _: job.job_id in answered,
        queue_looks=1,
    )
