"""P7 and P9: the stage describes itself, and refuses bad requests with problem documents without storing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobpipe.domain.jobs.batch import MAX_COMMANDS
from scripts.prove.bench import Bench
from scripts.prove.callers import ACCEPTED, OK, THROTTLED, Answer, Json, new_key
from scripts.prove.expenses import GET, LIST, REFUSED, STATS
from scripts.prove.findings import Finding, judge

_PROBLEM = "application/problem+json"
_FORBIDDEN = 403
_FIRST_CLIENT_ERROR = 400


@dataclass(frozen=True)
class Refused:
    """The response to a request that must be refused, and to a valid command with the same Idempotency-Key."""

    what: str
    answer: Answer
    afterwards: Answer | None = None


def run(bench: Bench) -> list[Finding]:
    """Send valid and invalid requests with the key of a new owner."""
    open_to_all = bench.caller(None)
    answers = {path: open_to_all.send("GET", path, kind=STATS) for path in ("/health", "/openapi.json")}
    [item_id] = bench.create(1)
    bad = _bad_requests(item_id)
    keys = {what: new_key() for what in bad}
    refused = {
        what: bench.writer.send("POST", path, document, raw=raw, key=keys[what], kind=REFUSED)
        for what, (path, document, raw) in bad.items()
    }
    lists = [bench.writer.ask("GET", f"/jobs?status={each}", kind=LIST) for each in ("failed", "scheduled")]
    valid = {"operation": "read", "item_id": item_id}
    afterwards = {
        what: bench.writer.ask("POST", "/jobs", valid, key=key, kind=REFUSED) for what, key in keys.items()
    }
    bench.wait_for(answer.document for answer in afterwards.values() if answer.status == ACCEPTED)
    found = [Refused(what, answer, afterwards[what]) for what, answer in refused.items()]
    wrong_key = bench.caller(f"{bench.name}aW{'0' * 32}")
    strangers = {
        "without a key": open_to_all.send("GET", "/items?limit=1", kind=GET),
        "with a key that does not exist": wrong_key.send("GET", "/items?limit=1", kind=GET),
        "a write without a key": open_to_all.send("POST", "/jobs", valid, kind=REFUSED),
    }
    return [
        judge(
            "the stage describes itself",
            "",
            "GET /health and GET /openapi.json without a key",
            "200, with a version and an OpenAPI 3.1 document",
            find_bad_descriptions(answers["/health"], answers["/openapi.json"]),
        ),
        judge(
            "bad requests are refused with a problem document",
            "P7",
            f"sent {len(found)} invalid requests: {', '.join(bad)}",
            "each was refused with a 4xx and a problem document",
            unclear_refusals(found),
        ),
        judge(
            "a refused request stores nothing",
            "P7",
            "listed the jobs of the new owner, and sent a valid command with the Idempotency-Key of each refusal",
            "the owner had no jobs, and each key was still unused",
            find_stored(found, lists),
        ),
        judge(
            "every request needs a key",
            "P9",
            f"sent requests {', '.join(strangers)}",
            "each was refused with 403",
            find_admitted(strangers),
        ),
    ]


def _bad_requests(item_id: str) -> Mapping[str, tuple[str, Any, bytes | None]]:
    read = {"operation": "read", "item_id": item_id}
    return {
        "no JSON": ("/items", None, b"{"),
        "no description": ("/items", {"name": "prove"}, None),
        "an unknown operation": ("/jobs", {"operation": "fly"}, None),
        "an unknown member": ("/jobs", {**read, "colour": "red"}, None),
        "a time in a thousand years": ("/jobs", {**read, "not_before": "2999-01-01T00:00:00Z"}, None),
        "a batch of 101": ("/batches", {"commands": [read] * (MAX_COMMANDS + 1)}, None),
    }


def find_bad_descriptions(health: Answer, contract: Answer) -> list[str]:
    """Return what is wrong with the descriptions that every stage serves."""
    wrong = []
    if health.status != OK or _member(health, "status") != "ok" or not _member(health, "version"):
        wrong.append(f"GET /health returned {health}")
    if contract.status != OK or not str(_member(contract, "openapi")).startswith("3.1"):
        wrong.append(f"GET /openapi.json returned {contract}")
    return wrong


def unclear_refusals(found: Sequence[Refused]) -> list[str]:
    """Return the requests that were not refused with a problem document."""
    return [f"{each.what}: {why}" for each in found if (why := _unclear(each.answer))]


def _unclear(answer: Answer) -> str:
    if not _FIRST_CLIENT_ERROR <= answer.status < 500 or answer.status == THROTTLED:  # noqa: PLR2004
        return f"returned {answer}"
    if answer.headers.get("Content-Type", "").split(";")[0] != _PROBLEM:
        return f"{answer.status} without a problem document"
    complete = answer.problem and all(_member(answer, name) for name in ("title", "detail"))
    return "" if complete and _member(answer, "status") == answer.status else f"an incomplete problem: {answer}"


def find_stored(found: Sequence[Refused], lists: Sequence[Answer]) -> list[str]:
    """Return signs that a refused request was stored: a job of the owner, or a key that is in use."""
    wrong = [f"the list of the new owner's jobs is {_short(each)}" for each in lists if each.document != []]
    return wrong + [
        f"{each.what}: its key was in use afterwards ({each.afterwards})"
        for each in found
        if each.afterwards is not None and each.afterwards.status != ACCEPTED
    ]


def find_admitted(answers: Mapping[str, Answer]) -> list[str]:
    """Return the requests that were not refused although they have no valid key."""
    return [f"{what}: {answer}" for what, answer in answers.items() if answer.status != _FORBIDDEN]


def _short(answer: Answer) -> str:
    return f"of {len(answer.document)} jobs" if isinstance(answer.document, list) else str(answer)


def _member(answer: Answer, name: str) -> Any:
    document: Json = answer.document if isinstance(answer.document, dict) else {}
    return document.get(name)
