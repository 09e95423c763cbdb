import json

import pytest

from infra.templates.gateway_responses import (
    GATEWAY_RESPONSES,
    GatewayResponse,
    gateway_response_resources,
    logical_id,
    openapi_responses,
)
from jobpipe.domain.errors import ProblemError

BY_TYPE = {response.response_type: response for response in GATEWAY_RESPONSES}


@pytest.mark.parametrize("response", GATEWAY_RESPONSES, ids=lambda response: response.response_type)
def test_every_gateway_error_is_a_problem_document(response: GatewayResponse) -> None:
    definition = openapi_responses()[response.response_type]

    problem = json.loads(definition["responseTemplates"]["application/json"])
    assert problem["type"].startswith("urn:jobpipe:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == "$context.requestId"
    assert problem.get("status") == response.status
    assert definition.get("statusCode") == (str(response.status) if response.status else None)
    headers = definition["responseParameters"]
    assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"
    assert headers["gatewayresponse.header.X-Content-Type-Options"] == "'nosniff'"


@pytest.mark.parametrize(
    ("response_type", "status"),
    [
        ("INVALID_API_KEY", 403),
        ("MISSING_AUTHENTICATION_TOKEN", 404),
        ("RESOURCE_NOT_FOUND", 404),
        ("REQUEST_TOO_LARGE", 413),
        ("UNSUPPORTED_MEDIA_TYPE", 415),
        ("THROTTLED", 429),
        ("QUOTA_EXCEEDED", 429),
        ("INTEGRATION_TIMEOUT", 504),
        ("INTEGRATION_FAILURE", 503),
    ],
)
def test_status_of_each_error(response_type: str, status: int) -> None:
    assert BY_TYPE[response_type].status == status


@pytest.mark.parametrize("response_type", ["THROTTLED", "QUOTA_EXCEEDED"])
def test_a_throttled_caller_gets_the_time_of_a_retry(response_type: str) -> None:
    headers = openapi_responses()[response_type]["responseParameters"]

    assert int(headers["gatewayresponse.header.Retry-After"].strip("'")) > 0


def test_a_request_that_was_not_run_is_distinguished_from_a_time_out() -> None:
    """A Lambda throttle gets either type; neither is a time-out."""
    for response_type in ("INTEGRATION_FAILURE", "DEFAULT_5XX"):
        response = BY_TYPE[response_type]
        assert response.slug != "timeout"
        assert "could not run the request" in response.detail
        assert "in time" not in response.detail
        assert "Idempotency-Key" in response.detail
        assert response.retry_after  # so the client repeats the request, also after a 500
    assert "not answered in time" in BY_TYPE["INTEGRATION_TIMEOUT"].detail


def test_resources_equal_the_openapi_body() -> None:
    resources = gateway_response_resources("Api", condition="Emulated")

    assert len(resources) == len(GATEWAY_RESPONSES)
    for response in GATEWAY_RESPONSES:
        resource = resources[logical_id(response)]
        assert resource["Condition"] == "Emulated"
        assert resource["Properties"]["RestApiId"] == {"Ref": "Api"}
        for key, value in openapi_responses()[response.response_type].items():
            assert resource["Properties"][key[0].upper() + key[1:]] == value


def test_one_type_has_one_title() -> None:
    """RFC 9457, section 3.1.3: the title does not change from one occurrence of a problem to the next."""
    titles = {problem.slug: problem.title for problem in _problems(ProblemError)}
    shared = [response for response in GATEWAY_RESPONSES if response.slug in titles]
    assert shared
    assert all(response.title == titles[response.slug] for response in shared)


def _problems(base: type[ProblemError]) -> list[type[ProblemError]]:
    below = [each for sub in base.__subclasses__() for each in _problems(sub)]
    return ([base] if hasattr(base, "slug") else []) + below
