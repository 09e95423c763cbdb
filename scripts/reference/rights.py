"""The tables of docs/reference/rights.md: the permissions that the credentials of a deployment need.

CloudFormation creates, changes and deletes resources with the caller's permissions. The schema of a resource type,
which cfn-lint ships, declares them for each handler. The AWS calls of infra itself are added.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name

from infra.packaging.package import package_all
from infra.settings import EMULATOR_REGION, ROOT
from infra.templates.sources import foundation_template, operations_template, read_template
from scripts.markdown import code, table

HANDLERS = ("create", "read", "update", "delete")  # a deployment does not use `list`
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
"""The services for which infra may have a client."""
_S3 = {  # calls whose actions have other names
    "head_bucket": ("ListBucket",),
    "head_object": ("GetObject", "GetObjectVersion", "ListBucket"),
    "get_bucket_encryption": ("GetEncryptionConfiguration",),
    "delete_objects": ("DeleteObject", "DeleteObjectVersion"),
    "list_object_versions": ("ListBucketVersions",),
}
_SERVICE_OF = {"delete_alias": "kms"}  # for calls that several services have
_WAITERS = {
    "function_updated_v2": "get_function",
    "table_exists": "describe_table",
    "table_not_exists": "describe_table",
}
_ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
_UNUSED = {  # services declared for properties that our templates do not set
    "ec2": "functions in a VPC",
    "elasticfilesystem": "file systems of functions",
    "firehose": "delivery of logs",
    "kinesis": "streams of tables",
    "s3files": "file systems of functions",
    "s3tables": "metadata tables of buckets",
}
_NO_ACTION = {"s3:REST.PUT.OBJECT"}  # the schema of log groups declares it, but IAM has no such action

Rights = dict[str, dict[str, set[str]]]
"""Who needs an action, by service and action."""


def tables() -> dict[str, str]:
    """Return the tables and lists of the page by name."""
    declared, called = by_handlers(), by_infra()
    services = sorted({*declared, *called} - {*_UNUSED})
    rows = (
        (
            code(each),
            _actions(declared.get(each, ())),
            _actions({*called.get(each, ())} - {*declared.get(each, ())}),
        )
        for each in services
    )
    unused = (f"{_actions(declared[each])} ({what})" for each, what in _UNUSED.items() if each in declared)
    return {
        "actions": table(("service", "declared", "called besides"), rows),
        "unused": f"{'; '.join(unused)}.\n",
        "types": f"{', '.join(code(kind) for kind, _ in _resources())}.\n",
    }


def by_handlers() -> Rights:
    """Return the resource types whose handlers declare each action."""
    found: Rights = defaultdict(lambda: defaultdict(set))
    for kind, schema in _resources():
        for handler in HANDLERS:
            for right in schema["handlers"].get(handler, {}).get("permissions", []):
                if right not in _NO_ACTION:
                    service, _, action = right.partition(":")
                    found[service][action].add(kind)
    return found


def by_infra() -> Rights:
    """Return the modules of infra that call each action."""
    found: Rights = defaultdict(lambda: defaultdict(set))
    modules = [path for path in (ROOT / "infra").rglob("*.py") if path.parent.name != "checks"]  # no clients there
    for path in sorted(modules):
        for name in called_names(ast.parse(path.read_text())):
            for right in _rights_of_call(name):
                if right not in _ALWAYS_ALLOWED:
                    service, _, action = right.partition(":")
                    found[service][action].add(path.stem)
    return found


def called_names(tree: ast.AST) -> Iterator[str]:
    """Yield the methods that a module calls, including calls through paginators and waiters."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="get_paginator"), args=[ast.Constant(value=str(name))]):
                yield name
            case ast.Call(func=ast.Attribute(attr="get_waiter"), args=[ast.Constant(value=str(name))]):
                yield _WAITERS[name]
            case ast.Attribute(attr=str(name)):
                yield name


def _rights_of_call(name: str) -> Iterator[str]:
    services = [each for each in _operations().get(name, []) if each[0] == _SERVICE_OF.get(name, each[0])]
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
    """Return the services of each boto3 method, by name."""
    session = botocore.session.get_session()
    found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            found[xform_name(name)].append((service, model.operation_model(name)))
    return found


@cache
def _resources() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the resource types of the templates, each with its schema."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - it takes a second

    apps = (read_template(package.template_path) for package in package_all().values())
    templates = (foundation_template("aws"), operations_template(), *apps)
    kinds = {each["Type"] for template in templates for each in template["Resources"].values()}
    schemas = {kind: PROVIDER_SCHEMA_MANAGER.get_resource_schema(EMULATOR_REGION, kind).schema for kind in kinds}
    return tuple(sorted(schemas.items()))


def _actions(actions: Iterable[str]) -> str:
    return ", ".join(map(code, sorted(actions)))
