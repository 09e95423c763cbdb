"""What Step Functions gets for an ended job, within its limits, and what its errors mean."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.commands.task_token import MAX_LENGTH
from jobpipe.domain.documents.item import DocumentRef
from jobpipe.domain.errors import AnswerRefused, OperationRefused, TaskEnded, Unavailable
from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.task_answer import MAX_CAUSE_BYTES, MAX_OUTPUT_BYTES, TaskFailure, TaskSuccess, answer_of
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.jobs.job_json import job_json
from tests.helpers.memory.documents import MemoryDocuments
from tests.helpers.stubbed import Stubbed, a_client

TOKEN = "AAAA-token"
DENIED = f"User: arn:aws:sts::1:assumed-role/r is not authorized to perform it with {TOKEN} on resource: shop"
SOURCE = Source("test", MemoryDocuments())


def ended(**members: Any) -> Job:
    command = CreateItem("i", {"name": "n", "description": "d"})
    job = new_job(command, "alice", None, datetime(2026, 11, 22, tzinfo=UTC), timedelta(days=7))
    return replace(job, **{"status": Status.SUCCEEDED, "result": '{"name":"n","n":0.10}', **members})


def output(job: Job) -> str:
    answer = answer_of(job, SOURCE)
    assert isinstance(answer, TaskSuccess)
    return answer.output


def failure(**problem: Any) -> TaskFailure:
    error = {
        "type": "urn:jobpipe:problem:too-late",
        "title": "T",
        "status": 409,
        "detail": "It is late.",
        **problem,
    }
    answer = answer_of(ended(status=Status.FAILED, error=error), SOURCE)
    assert isinstance(answer, TaskFailure)
    return answer


def test_the_output_is_the_job_as_the_api_shows_it() -> None:
    job = ended()
    assert output(job) == job_json(job, MemoryDocuments())
    assert '"n":0.10' in output(job), "numbers are as they were sent"


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_result_that_is_too_large_is_left_out(letter: str) -> None:
    frame = len(output(ended(result='{"name":""}')))
    room = (MAX_OUTPUT_BYTES - frame) // len(letter.encode())
    assert len(json.loads(output(ended(result=f'{{"name":"{letter * room}"}}')))["result"]["name"]) == room
    short = json.loads(output(ended(result=f'{{"name":"{letter * (room + 1)}"}}')))
    assert short["truncated"] is True
    assert "result" not in short
    assert short["links"]["self"] == f"/jobs/{short['id']}"


def test_a_result_that_is_lost_is_left_out() -> None:
    job = ended(
        result=None, result_document=DocumentRef("items/i/j/doc.json", "v"), updated_at="2020-01-01T00:00:00.000Z"
    )
    assert json.loads(output(job))["truncated"] is True


def test_the_error_is_the_short_name_of_the_problem() -> None:
    assert failure().error == "too-late"
    refused = OperationRefused("Only a paid order can be shipped.", "orders", "not-paid").to_problem()
    assert failure(**refused).error == "orders:not-paid"
    assert len(failure(type="urn:jobpipe:problem:" + "x" * 300).error) == 256


@given(
    st.text(max_size=3) | st.just("x" * 40_000) | st.just("\x7f" * 40_000) | st.just("🏕" * 20_000),
    st.sampled_from([0, 1, 500]),
)
def test_the_cause_is_the_problem_and_fits(detail: str, errors: int) -> None:
    listed = [{"pointer": f"#/{n}", "detail": "It is no number, as it must be." * 3} for n in range(errors)]
    cause = failure(detail=detail, **({"errors": listed} if errors else {})).cause
    assert len(cause.encode()) <= MAX_CAUSE_BYTES
    told = json.loads(cause)
    assert len(told["job_id"]) == 32
    assert (told["type"], told["status"]) == ("urn:jobpipe:problem:too-late", 409)
    assert detail.startswith(told["detail"])
    is_short = len(detail) < 10
    assert (told["detail"] == detail) or not is_short
    assert ("truncated" in told) == (not is_short or errors == 500)
    assert told.get("errors", []) == ([] if "truncated" in told else listed)


def test_the_limits_are_those_of_step_functions() -> None:
    model = a_client("stepfunctions").meta.service_model
    success = model.operation_model("SendTaskSuccess").input_shape.members
    failed = model.operation_model("SendTaskFailure").input_shape.members
    assert success["output"].metadata["max"] == MAX_OUTPUT_BYTES
    assert success["taskToken"].metadata["max"] == failed["taskToken"].metadata["max"] == MAX_LENGTH
    assert failed["error"].metadata["max"] == 256
    assert failed["cause"].metadata["max"] == MAX_CAUSE_BYTES


# --- calls --------------------------------------------------------------------------------------------------------


def test_a_success_and_a_failure_are_one_call_each(stubbed: Stubbed) -> None:
    stub = stubbed.stubs["stepfunctions"]
    stub.add_response("send_task_success", {}, {"taskToken": TOKEN, "output": "{}"})
    stub.add_response("send_task_failure", {}, {"taskToken": TOKEN, "error": "e", "cause": "c"})
    stubbed.tasks.answer(TOKEN, TaskSuccess("{}"))
    stubbed.tasks.answer(TOKEN, TaskFailure("e", "c"))
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        *((code, 400, TaskEnded) for code in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")),
        *((code, 400, AnswerRefused) for code in ("AccessDeniedException", "ValidationException", "InvalidOutput")),
        ("AccessDenied", 403, AnswerRefused),
        ("KmsAccessDeniedException", 400, AnswerRefused),
        *((code, 400, Unavailable) for code in ("ThrottlingException", "KmsThrottlingException")),
        *((code, 400, Unavailable) for code in ("ExpiredTokenException", "UnrecognizedClientException")),
        *((code, 500, Unavailable) for code in ("InternalFailure", "ServiceUnavailable", "SomethingNew")),
    ],
)
@pytest.mark.parametrize("answer", [TaskSuccess("{}"), TaskFailure("e", "c")], ids=["success", "failure"])
def test_an_error_is_an_outage_or_says_that_it_stays(
    stubbed: Stubbed, answer: TaskSuccess | TaskFailure, code: str, status: int, raised: type[Exception]
) -> None:
    operation = "send_task_success" if isinstance(answer, TaskSuccess) else "send_task_failure"
    stubbed.stubs["stepfunctions"].add_client_error(operation, code, DENIED, http_status_code=status)
    with pytest.raises(raised) as found:
        stubbed.tasks.answer(TOKEN, answer)
    assert TOKEN not in str(found.value)
    if raised is AnswerRefused:
        assert code in str(found.value)
        assert "on resource: shop" in str(found.value)
        assert found.value.__suppress_context__, "botocore's text would have the token in the log"
