"""What emulators cannot do with a REST API, made good: one must be deleted before it can change.

MiniStack replaces an API whose body changes, which fails as the old one still holds the id. LocalStack replaces
the stage whose deployment changes, which fails as the old one still holds the name, and leaves a usage plan behind
that makes the next one fail. The stack of the API holds nothing that would be missed: keys are not in it.
"""

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.stacks.change_sets import Stacks
from infra.stage.names import api_name, app_stack
from infra.targets.target import Target
from infra.templates.sources import Template

_REST_API = "AWS::ApiGateway::RestApi"


def make_way(target: Target, stage: str, template: Template, stacks: Stacks, progress: Progress) -> None:
    """Deletes the stage's API stack if its API differs from the template's."""
    stack = app_stack(stage, "api")
    deployed = stacks.template(stack)
    if deployed is not None and _body(deployed) == _body(template):
        return
    if deployed is not None:
        progress.event(stack, "REPLACING", f"the API has changed, which {target.name} cannot do in place")
        stacks.delete(stack)
    delete_strays(target, stage)


def delete_strays(target: Target, stage: str) -> None:
    """Deletes usage plans of the stage that no stack knows any more."""
    gateway = target.client("apigateway")
    pages = gateway.get_paginator("get_usage_plans").paginate()
    for each in [each for page in pages for each in page.get("items", [])]:
        if each.get("name") == api_name(stage):
            with suppress_gone():
                gateway.delete_usage_plan(usagePlanId=each["id"])


def _body(template: Template) -> object:
    apis = (resource for resource in template["Resources"].values() if resource["Type"] == _REST_API)
    return next((api["Properties"]["Body"] for api in apis), None)
