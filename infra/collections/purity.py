"""Tries each operation before a deployment, on generated documents: is it a function of its arguments alone?

Each call is made four times: twice in a row in each of two processes, which have different hash seeds and make the
calls in opposite order. There are no clock, chance, files, environment, processes or network
(infra/collections/taken_away.py). What is found is told with file, line and a small example. What is not found is
in docs/reference/operations.md.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra.collections.folder import CollectionSource
from infra.collections.generated import check_of
from infra.collections.guests import ask_guest, place, shown
from infra.collections.operations import OperationSource
from infra.errors import OperatorError
from infra.settings import ROOT
from jobpipe.domain import json_text
from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.events.emitted_events import encode_emitted
from jobpipe.operation import Event

EXAMPLES = 50  # of each operation
_SEEDS = (1, 2)
_TIMES = ("2024-02-29T23:59:59.999Z", "2026-11-22T20:57:44.123Z")
Call = dict[str, Any]
Outcome = dict[str, Any]
Found = Sequence[tuple[CollectionSource, Sequence[OperationSource]]]


def check_purity(found: Found, verdicts: Path) -> None:
    """Raise OperatorError, with a line for each operation that is not pure; return at once if the verdict is known.

    A schema for which no document is found is an error too.
    """
    digest = _digest(found)
    if not found or _known(verdicts) == digest:
        return
    problems = [problem for source, operations in found for problem in _problems(source, operations)]
    if problems:
        raise OperatorError("\n".join(problems))
    verdicts.parent.mkdir(parents=True, exist_ok=True)
    verdicts.write_text(json.dumps({"passed": digest}) + "\n")


def _known(verdicts: Path) -> str | None:
    try:
        passed: str = json.loads(verdicts.read_text())["passed"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return passed


def _digest(found: Found) -> str:
    """Return a hash of the collections, and of all that decides what is found in them."""
    digest = hashlib.sha256(f"{sys.version}:{EXAMPLES}".encode())
    rules = [ROOT / "jobpipe" / "operation.py", ROOT / "jobpipe" / "domain" / "events" / "emitted_events.py"]
    for path in sorted([*(ROOT / "infra" / "collections").rglob("*.py"), *rules]):
        digest.update(path.read_bytes())
    for source, _ in found:
        digest.update(source.digest().encode())
    return digest.hexdigest()


def _problems(source: CollectionSource, operations: Sequence[OperationSource]) -> Iterator[str]:
    from infra.collections import documents  # noqa: PLC0415 - only a trial needs Hypothesis, which takes a while to import

    check = check_of(source.schema_code)
    given = [each for each in source.schema.get("examples", []) if documents.accepts(check, each)]
    generated = documents.some(documents.documents(source.schema, check), EXAMPLES if operations else 1)
    bodies = [*given, *generated][:EXAMPLES]
    if not bodies:
        yield (
            f"{source.shown}/schema.json: no document was found that it accepts; if there are some,"
            ' give one in its "examples"'
        )
        return
    calls: list[Call] = []
    for operation in operations:
        schema = {
            "type": "object",
            "properties": operation.takes | operation.optional,
            "required": list(operation.takes),
            "additionalProperties": False,
        }
        members = documents.documents(schema, check_of(operation.members_code))
        own = documents.some(members, EXAMPLES)
        if not own:
            yield f"{operation.place}: no members were found that the takes of {operation.name} accept"
            return
        calls += [
            {
                "operation": operation.name,
                "document": body,
                "members": own[number % len(own)],
                "at": _TIMES[number % len(_TIMES)],
            }
            for number, body in enumerate(bodies)
        ]
    yield from _tried(source, calls, check)


def _tried(source: CollectionSource, calls: list[Call], check: Any) -> Iterator[str]:
    """Make the calls; yield the first problem of each operation."""
    if not calls:
        return
    try:
        with ThreadPoolExecutor(len(_SEEDS)) as pool:
            forward = pool.submit(ask_guest, source, calls, hash_seed=_SEEDS[0])
            backward = pool.submit(ask_guest, source, calls[::-1], hash_seed=_SEEDS[1])
            both = list(zip(calls, forward.result(), backward.result()[::-1], strict=True))
    except OperatorError as error:
        yield str(error)
        return
    told: set[str] = set()
    for call, one, other in both:
        name = call["operation"]
        if name in told:
            continue
        problem = _problem(source, call, [*one["outcomes"], *other["outcomes"]], check)
        if problem is not None:
            told.add(name)
            what, line = problem
            yield f"{place(source, line or one['line'])}: {name} {what}, for {shown(call)}"


def _problem(
    source: CollectionSource, call: Call, outcomes: list[Outcome], check: Any
) -> tuple[str, Sequence[Any] | None] | None:
    """Return what is wrong with one call, and the place if it is known."""
    for outcome in outcomes:
        if "problem" in outcome:
            return _words(outcome["problem"]), outcome["line"]
    first = outcomes[0] if outcomes else {"refused": None}
    if any(outcome != first for outcome in outcomes):
        changed = next(outcome for outcome in outcomes if outcome != first)
        return f"answers differently each time ({_difference(first, changed)})", None
    broken = None if "refused" in first else _broken(source, call, first, check)
    return None if broken is None else (broken, None)


def _broken(source: CollectionSource, call: Call, outcome: Outcome, check: Any) -> str | None:
    """Return what is wrong with the document and the events that an operation returns."""
    from infra.collections import documents  # noqa: PLC0415 - as above

    document, answer, key = call["document"], outcome["document"], source.settings.key
    if outcome["keys"] is not None:
        return f"returns a dict with the key {outcome['keys']}, which is no text"
    if "id" in answer and "id" not in document:
        return "returns an id, which is no part of a document"
    broken = documents.violations(check, answer)
    if broken:
        return f"returns a document that breaks the schema: {broken[0]}"
    if key is not None and answer.get(key) != document.get(key):
        return f"changes {key}, which is the key"
    return _broken_events(source, call["operation"], outcome)


def _broken_events(source: CollectionSource, operation: str, outcome: Outcome) -> str | None:
    """Return what is wrong with the events that an operation returns."""
    try:
        encode_emitted([Event(*each) for each in outcome["events"]], source.name, operation)
    except InvalidRequest as refusal:
        return f"returns events that the job fails by: {refusal.detail}"
    return None


def _words(problem: str) -> str:
    """Return the problem as what the operation does."""
    return f"fails with {problem}" if problem.partition(":")[0].isidentifier() else problem


def _difference(one: Outcome, other: Outcome) -> str:
    for part in ("document", "refused", "events", "document_after"):
        left, right = one.get(part), other.get(part)
        if left == right:
            continue
        if isinstance(left, dict) and isinstance(right, dict):
            name = next(
                each
                for each in {**left, **right}
                if (each in left, left.get(each)) != (each in right, right.get(each))
            )
            return f"{name}: {_short(left.get(name))}, {_short(right.get(name))}"
        return f"{_short(left)}, {_short(right)}"
    return "their order"


def _short(value: Any) -> str:
    return json_text.encode(value)[:60]
