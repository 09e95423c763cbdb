"""API Gateway's own errors (gateway_responses.yaml) as RFC 9457 problem documents."""

import json
from dataclasses import dataclass
from typing import Any

import yaml

from infra.settings import ROOT

Resource = dict[str, Any]

OPENAPI_KEY = "x-amazon-apigateway-gateway-responses"
_HEADERS = {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class GatewayResponse:
    """The response to a kind of error, or to a family of errors that keep their own statuses."""

    response_type: str
    slug: str
    title: str
    detail: str
    status: int | None = None
    retry_after: int | None = None


_TABLE = yaml.safe_load((ROOT / "infra" / "templates" / "gateway_responses.yaml").read_text())
GATEWAY_RESPONSES = tuple(GatewayResponse(**row) for row in _TABLE)


def logical_id(response: GatewayResponse) -> str:
    """INVALID_API_KEY → GatewayResponseInvalidApiKey."""
    return "GatewayResponse" + "".join(word.capitalize() for word in response.response_type.split("_"))


def openapi_responses() -> dict[str, Resource]:
    """Return all responses as the value of OPENAPI_KEY in an OpenAPI document."""
    return {response.response_type: _definition(response) for response in GATEWAY_RESPONSES}


def gateway_response_resources(rest_api: str, condition: str) -> dict[str, Resource]:
    """Return all responses as conditional CloudFormation resources, by logical id."""
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
    headers = _HEADERS | ({} if response.retry_after is None else {"Retry-After": str(response.retry_after)})
    parameters = {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()}
    status = {} if response.status is None else {"status": response.status}
    problem = {
        "type": f"urn:jobpipe:problem:{response.slug}",
        "title": response.title,
        **status,
        "detail": response.detail,
        "request_id": "$context.requestId",
    }
    definition: Resource = {
        "responseParameters": parameters | {"gatewayresponse.header.X-Request-Id": "context.requestId"},
        # The gateway picks the template by the request's Accept header; a single template is always used.
        "responseTemplates": {"application/json": json.dumps(problem)},
    }
    return definition | ({"statusCode": str(response.status)} if status else {})
