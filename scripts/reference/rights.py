"""docs/reference/rights.md: what the credentials of a deployment need.

CloudFormation makes, changes and deletes resources with the caller's rights. Each resource type declares in its
schema which ones, for each of its handlers; cfn-lint ships the schemas. To these come the calls of infra itself.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name

from infra.package import package_all
from infra.settings import EMULATOR_REGION, ROOT
from infra.templates import foundation_for, operations, read_template
from scripts.reference.tables import code, table

HANDLERS = ("create", "read", "update", "delete")  # not list, by which nothing is deployed
SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sns",
    "sqs",
    "sts",
)
"""Those that infra may have a client of."""
_S3 = {  # where the action is not called like the call
    "head_bucket": ("ListBucket",),
    "head_object": ("GetObject", "GetObjectVersion", "ListBucket"),
    "get_bucket_encryption": ("GetEncryptionConfiguration",),
    "delete_objects": ("DeleteObject", "DeleteObjectVersion"),
    "list_object_versions": ("ListBucketVersions",),
}
_MEANT = {"delete_alias": "kms"}  # where two services have a call of that name
_WAITERS = {"table_exists": "describe_table", "table_not_exists": "describe_table"}
_RIGHT_TO_NOTHING = {"sts:GetCallerIdentity"}  # everybody has it
_UNUSED = {  # what of a type's declaration is for properties that no template of ours sets
    "ec2": "functions in a VPC",
    "elasticfilesystem": "file systems of functions",
    "firehose": "delivery of logs",
    "kinesis": "streams of tables",
    "s3files": "file systems of functions",
    "s3tables": "metadata tables of buckets",
}
_NO_ACTION = {"s3:REST.PUT.OBJECT"}  # the schema of log groups has it, and IAM knows no such action


def page() -> str:
    """The page."""
    declared, called = by_handlers(), by_infra()
    used = {service for service in {*declared, *called} if service not in _UNUSED}
    rows = [
        (
            code(service),
            _actions(declared.get(service, {})),
            _actions(called.get(service, {}), of=declared.get(service)),
        )
        for service in sorted(used)
    ]
    unused = "; ".join(
        f"{_actions(declared[service])} ({what})" for service, what in _UNUSED.items() if service in declared
    )
    types = sorted({kind for kind, _ in _resources()})
    return f"""\
# What a deployment may have to do

Made by `make reference` from the schemas of the resource types and the calls in `infra/`; a test holds it true.

CloudFormation acts with the rights of whoever deploys. *Declared* is what the create, read, update and delete
handlers of the templates' {len(types)} resource types declare in the schemas that cfn-lint ships. This is more than
any one deployment needs: a handler declares what any property of its type may take. *Called besides* is what the
deployment, `make keys`, `make logs` and `make destroy` call by themselves and no handler declares. The list was
put together from these sources, not tried with a policy of exactly this.

{table(("service", "declared", "called besides"), rows)}
`kms` is needed for `Encryption=customer-managed` only. `apigateway` has the methods of HTTP for actions.

Declared too, for properties that no template sets, and so not needed: {unused}.

The resource types: {", ".join(map(code, types))}.
"""


def by_handlers() -> dict[str, dict[str, set[str]]]:
    """By service and action, the resource types whose handlers declare it."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for kind, schema in _resources():
        for handler in HANDLERS:
            for right in schema["handlers"].get(handler, {}).get("permissions", []):
                if right not in _NO_ACTION:
                    service, _, action = right.partition(":")
                    found[service][action].add(kind)
    return found


def by_infra() -> dict[str, dict[str, set[str]]]:
    """By service and action, the modules of infra that call it."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    modules = [path for path in (ROOT / "infra").rglob("*.py") if path.parent.name != "checks"]  # no clients there
    for path in sorted(modules):
        for name in called_names(ast.parse(path.read_text())):
            for right in _rights_of_call(name):
                if right not in _RIGHT_TO_NOTHING:
                    service, _, action = right.partition(":")
                    found[service][action].add(path.stem)
    return found


def called_names(tree: ast.AST) -> Iterator[str]:
    """The methods that are called in it, those behind paginators and waiters too."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="get_paginator"), args=[ast.Constant(value=str(name))]):
                yield name
            case ast.Call(func=ast.Attribute(attr="get_waiter"), args=[ast.Constant(value=str(name))]):
                yield _WAITERS[name]
            case ast.Attribute(attr=str(name)):
                yield name


def _rights_of_call(name: str) -> Iterator[str]:
    services = _operations().get(name, [])
    services = [each for each in services if each[0] == _MEANT.get(name, each[0])]
    if len(services) > 1:
        raise LookupError(f"{name} may be a call of {', '.join(sorted(service for service, _ in services))}")
    for service, operation in services:
        if service == "apigateway":
            yield f"apigateway:{operation.http['method']}"
        elif service == "s3" and name in _S3:
            yield from (f"s3:{action}" for action in _S3[name])
        else:
            yield f"{service}:{operation.name}"


@cache
def _operations() -> dict[str, list[tuple[str, Any]]]:
    """By the name of boto3's method, the services that have it."""
    session = botocore.session.get_session()
    found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            found[xform_name(name)].append((service, model.operation_model(name)))
    return found


@cache
def _resources() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Each resource type of the templates, with its schema."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - it takes a second

    apps = (read_template(package.template_path) for package in package_all().values())
    templates = (foundation_for("aws"), operations(), *apps)
    kinds = {each["Type"] for template in templates for each in template["Resources"].values()}
    schemas = {kind: PROVIDER_SCHEMA_MANAGER.get_resource_schema(EMULATOR_REGION, kind).schema for kind in kinds}
    return tuple(sorted(schemas.items()))


def _actions(actions: Iterable[str], of: Iterable[str] | None = None) -> str:
    """In order, without those that are declared already."""
    return ", ".join(code(action) for action in sorted(set(actions) - set(of or ())))
