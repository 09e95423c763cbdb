"""The tasks of Step Functions that wait for jobs, as far as the product uses them.

MiniStack's own tasks belong to executions, which run in threads. Here each token has a task, which takes one
answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX

DENIED = "denied"
"""What the token of a task begins with whose state machine the stage may not answer."""

Row = Mapping[str, Any]


class StepFunctions:
    """A service of the emulator. Its state is in `_data`, as that of MiniStack's modules."""

    def __init__(self, row_of: Callable[[str], Row | None]) -> None:
        """`row_of` returns the row of a job."""
        self._row_of = row_of
        self._data: dict[str, Any] = {}  # the answers by token; what is wrong with an answer beside "wrong"

    @property
    def answers(self) -> dict[str, str]:
        """Return the id of the job in the first answer, by token."""
        return {token: job_id for token, job_id in self._data.items() if token != "wrong"}

    @property
    def wrong(self) -> list[str]:
        """Return what was wrong with the answers that were given."""
        return list(self._data.get("wrong", []))

    async def handle_request(
        self, _method: str, _path: str, headers: Mapping[str, str], body: bytes, _query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        request = json.loads(body)
        token = request["taskToken"]
        if token.startswith(DENIED):
            return _error("AccessDeniedException")
        job_id, problem = self._judged(headers["x-amz-target"].partition(".")[2], request)
        if problem:
            self._data.setdefault("wrong", []).append(problem)
        if token in self._data:
            return _error("TaskTimedOut")
        self._data[token] = job_id
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, b"{}"

    def _judged(self, operation: str, request: Any) -> tuple[str, str]:
        """Return the job of an answer, and what is wrong with it: it must be what is committed at this moment."""
        if operation == "SendTaskSuccess":
            output = json_text.decode(request["output"])
            job_id, status = output["id"], output["status"]
            is_valid = status == "succeeded" and ("result" in output) != ("truncated" in output)
        else:
            cause = json_text.decode(request["cause"])
            job_id, name = cause["job_id"], request["error"]
            status = "cancelled" if name == "job-cancelled" else "failed"
            is_valid = cause["type"] == PROBLEM_TYPE_PREFIX + name
        row = self._row_of(job_id)
        stored = None if row is None else row["status"]["S"]
        if stored != status or not is_valid:
            return job_id, f"a task was answered that its job has {status} while it was {stored}: {request}"
        if row is not None and status == "failed":
            error = json_text.decode(row["error"]["S"])
            error.pop("label", None)  # it names the job, and is no member of the problem
            if {**error, "job_id": job_id} != json_text.decode(request["cause"]):
                return job_id, f"a task was answered with another problem than {error}"
        return job_id, ""


def _error(code: str) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected"}).encode()
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, body
