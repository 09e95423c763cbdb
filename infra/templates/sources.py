"""Reads CloudFormation templates from YAML, and makes them from SAM."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor

from infra.errors import OperatorError
from infra.settings import EMULATOR_REGION, LOCAL_STAGE, ROOT
from infra.templates.gateway_responses import OPENAPI_KEY, gateway_response_resources, openapi_responses

Template = dict[str, Any]

FOUNDATION = ROOT / "infra" / "templates" / "foundation.yaml"
OPERATIONS = ROOT / "infra" / "templates" / "operations.yaml"
DASHBOARD = ROOT / "infra" / "templates" / "dashboard.yaml"
AWS_OWNED = "aws-owned"  # the value of EncryptionKey and of Encryption for a stage without its own key
CUSTOMER_MANAGED = "customer-managed"  # the value of Encryption for a stage with its own key
INLINE_LIMIT = 51_200  # bytes that CloudFormation takes without a bucket
_LINTERS = {"cfn-lint", "checkov"}  # notes for linters are not deployed
_REST_API = "RestAPI"  # the logical id that Chalice gives
_STAGE_SKIPS = {  # checkov checks that the API's stage fails, and why; SAM has no place for such notes
    "CKV_AWS_76": "a parameter decides: AWS refuses access logs if the account has no role for them",
    "CKV_AWS_120": "a cache would return one caller's jobs to another, and outdated states to polls",
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is ten times as fast
    """YAML with CloudFormation's short tags."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    names = [key.value for key, _ in node.value]
    twice = {name for name in names if names.count(name) > 1}
    if twice:  # YAML would silently keep the last value
        raise yaml.constructor.ConstructorError(None, None, f"{twice} is given twice", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def read_template(path: Path) -> Template:
    """Read a YAML file, with CloudFormation's short tags written out.

    Raise OperatorError if the file is not YAML, or if a name is given twice.
    """
    try:
        template: Template = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader with more tags
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise OperatorError(f"{path}{line}: {error.problem}") from None
    return template


def foundation_template(stage: str) -> Template:
    """Return the foundation's template. Only in the local stage are resources deleted with their stack."""
    template = read_template(FOUNDATION)
    if stage == LOCAL_STAGE:
        for resource in template["Resources"].values():
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if policy in resource:
                    resource[policy] = "Delete"
    return template


def operations_template() -> Template:
    """Return the template of the topic, the alarms and the dashboard, whose body CloudFormation takes as text."""
    template = read_template(OPERATIONS)
    body = json.dumps(read_template(DASHBOARD), separators=(",", ":"))
    template["Resources"]["Dashboard"]["Properties"]["DashboardBody"] = {"Fn::Sub": body}
    return template


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by logical id."""
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def to_json(template: Template) -> str:
    """Return the template as JSON without white space, since CloudFormation limits its size."""
    return json.dumps(template, separators=(",", ":"))


def without_notes(template: Template) -> Template:
    """Return the template without the metadata that only linters read.

    This is for the stacks of the Lambdas. The foundation's template keeps its notes, since CloudFormation imports
    resources only if the template otherwise equals the one that an earlier release has deployed.
    """
    resources = {name: _without_notes(each) for name, each in template["Resources"].items()}
    return _without_notes({**template, "Resources": resources})


def _without_notes(part: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: each for name, each in part.get("Metadata", {}).items() if name not in _LINTERS}
    others = {name: each for name, each in part.items() if name != "Metadata"}
    return {**others, "Metadata": metadata} if metadata else others


def from_sam(sam: Template) -> Template:
    """Return plain CloudFormation for Chalice's SAM template, with additions that SAM cannot express."""
    # Only a build needs these, and they take a second to import.
    from boto3 import Session  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    # The translator warns about metrics, which are not collected here.
    logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)
    # No role here has managed policies, which would have to be looked up in an account.
    translator = Translator({}, Parser(), boto_session=Session(region_name=EMULATOR_REGION))
    sam = copy.deepcopy(sam)
    if _REST_API in sam["Resources"]:
        body = sam["Resources"][_REST_API]["Properties"]["DefinitionBody"]
        body[OPENAPI_KEY] = openapi_responses()
        # The project's OpenAPI document describes the routes; here that would take 4 KB of the limit. A response of
        # the Lambda has its own content type, and `produces` defaults to application/json.
        for route in body["paths"].values():
            for method in route.values():
                method.pop("summary", None)
                method.pop("produces", None)
    template: Template = translator.translate(sam, parameter_values={})
    template.pop("Transform", None)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"].pop("Tags", None)  # the tags name an unused stage of Chalice
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            resource["Metadata"] = _lint_ignores("W1031")  # as below
    # With Events=off the ARNs of the event queues are empty, but only conditional resources use them.
    template["Metadata"] = _lint_ignores("W1030")
    if _REST_API in template["Resources"]:
        _finish_api(template)
    return template


def _finish_api(template: Template) -> None:
    resources: Template = template["Resources"]
    # Emulators take the API's id from this tag. On AWS the tag does not exist.
    tags = [{"Key": key, "Value": {"Ref": "RestApiId"}} for key in ("ms-custom-id", "_custom_id_")]
    resources[_REST_API]["Properties"]["Tags"] = {"Fn::If": ["HasRestApiId", tags, {"Ref": "AWS::NoValue"}]}

    # AWS reads the gateway's responses from the OpenAPI body, whose next update would delete separate resources.
    # MiniStack reads them only from resources.
    responses = gateway_response_resources(_REST_API, condition="HasRestApiId")
    resources |= responses
    for resource in resources.values():
        if resource["Type"] == "AWS::ApiGateway::Deployment":
            # A deployment is a copy of the API at its creation. SAM gives it a new name when the body changes, and
            # the body has the same responses.
            _after(resource, sorted(responses), condition="HasRestApiId")
            del resource["Properties"]["StageName"]  # would create a second stage, called Stage
        if resource["Type"] == "AWS::ApiGateway::Stage":
            skips = [{"id": check, "comment": reason} for check, reason in _STAGE_SKIPS.items()]
            resource["Metadata"] = {"checkov": {"skip": skips}}
    resources[_REST_API]["Metadata"] = _lint_ignores("W3660")  # body and resources are never both used


def _after(deployment: Template, others: list[str], condition: str) -> None:
    """Make the deployment depend on resources that exist only under a condition.

    A DependsOn cannot be conditional, and AWS's validator rejects a DependsOn on a conditional resource. A
    reference can be conditional, and creates a dependency in CloudFormation and in the emulators.
    """
    described = deployment["Properties"]["Description"]
    names = [{"Ref": each} for each in others]
    after = {"Fn::Join": [" ", [described, "after", *names]]}
    deployment["Properties"]["Description"] = {"Fn::If": [condition, after, described]}


def _lint_ignores(*rules: str) -> Template:
    return {"cfn-lint": {"config": {"ignore_checks": list(rules)}}}
