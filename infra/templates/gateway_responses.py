"""API Gateway's own errors as RFC 9457 problem documents."""

import json
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]

OPENAPI_KEY = "x-amazon-apigateway-gateway-responses"


@dataclass(frozen=True)
class GatewayResponse:
    """One kind of error that never reaches the API Lambda."""

    response_type: str
    status: int | None  # None for the two families, whose members keep their own
    slug: str
    title: str
    detail: str
    retry_after: int | None = None


_NO_KEY = "A valid API key is needed in the x-api-key header."
_NO_ROUTE = "There is no such route, or not with this method."
_SLOW_DOWN = "This key has sent too many requests; try again later."
_GIVEN_UP = (
    "The request was not answered in time. It may still have taken effect; an Idempotency-Key makes a retry safe."
)

# The gateway could not run the function, for instance because Lambda throttled; a time-out has its own response.
_NOT_RUN = (
    "The gateway could not run the request, for instance because no execution was free. An Idempotency-Key makes"
    " a retry safe."
)
# This covers throttling too: AWS documents a 500 if Lambda refuses an invocation.
_FAILED = (
    "The gateway could not run the request, or got no valid answer; try again later. An Idempotency-Key makes a"
    " retry safe."
)

GATEWAY_RESPONSES = (
    GatewayResponse("INVALID_API_KEY", 403, "forbidden", "Forbidden", _NO_KEY),
    GatewayResponse("ACCESS_DENIED", 403, "forbidden", "Forbidden", "This is not allowed."),
    # API Gateway's name for a route that does not exist; it has nothing to do with keys here.
    GatewayResponse("MISSING_AUTHENTICATION_TOKEN", 404, "not-found", "There is no such resource", _NO_ROUTE),
    GatewayResponse("RESOURCE_NOT_FOUND", 404, "not-found", "There is no such resource", _NO_ROUTE),
    GatewayResponse("THROTTLED", 429, "too-many-requests", "Too many requests", _SLOW_DOWN, retry_after=1),
    GatewayResponse("QUOTA_EXCEEDED", 429, "too-many-requests", "Too many requests", _SLOW_DOWN, retry_after=3600),
    GatewayResponse(
        "REQUEST_TOO_LARGE",
        413,
        "too-large",
        "The content is too large",
        "The body exceeds what the gateway takes.",
    ),
    GatewayResponse(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        "unsupported-media-type",
        "The content is not in a supported media type",
        "Send JSON.",
    ),
    GatewayResponse("INTEGRATION_TIMEOUT", 504, "timeout", "Gateway time-out", _GIVEN_UP, retry_after=1),
    GatewayResponse(
        "INTEGRATION_FAILURE", 503, "unavailable", "The service cannot take this now", _NOT_RUN, retry_after=1
    ),
    GatewayResponse("DEFAULT_4XX", None, "bad-request", "Bad request", "The gateway refused the request."),
    GatewayResponse("DEFAULT_5XX", None, "internal-error", "Something went wrong on our side", _FAILED),
)


def logical_id(response: GatewayResponse) -> str:
    """INVALID_API_KEY → GatewayResponseInvalidApiKey."""
    return "GatewayResponse" + "".join(word.capitalize() for word in response.response_type.split("_"))


def openapi_responses() -> dict[str, Resource]:
    """All of them as the value of OPENAPI_KEY in an OpenAPI document."""
    return {response.response_type: _definition(response) for response in GATEWAY_RESPONSES}


def gateway_response_resources(rest_api: str, condition: str) -> dict[str, Resource]:
    """All of them as conditional CloudFormation resources, by logical id."""
    return {
        logical_id(response): {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Condition": condition,
            "Properties": {
                "RestApiId": {"Ref": rest_api},
                "ResponseType": response.response_type,
                **{key[0].upper() + key[1:]: value for key, value in _definition(response).items()},
            },
        }
        for response in GATEWAY_RESPONSES
    }


def _definition(response: GatewayResponse) -> Resource:
    headers = {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if response.retry_after is not None:
        headers["Retry-After"] = str(response.retry_after)
    parameters = {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()}
    definition: Resource = {
        "responseParameters": parameters | {"gatewayresponse.header.X-Request-Id": "context.requestId"},
        # the gateway picks the template by the request's Accept; with only one it is always this one
        "responseTemplates": {"application/json": _problem(response)},
    }
    if response.status is not None:
        definition["statusCode"] = str(response.status)
    return definition


def _problem(response: GatewayResponse) -> str:
    problem: dict[str, str | int] = {"type": f"urn:jobpipe:problem:{response.slug}", "title": response.title}
    if response.status is not None:
        problem["status"] = response.status
    problem["detail"] = response.detail
    problem["request_id"] = "$context.requestId"
    return json.dumps(problem)
