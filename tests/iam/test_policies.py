"""P9, by the templates alone: every grant has a need, and none is wider than necessary."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource

from infra.settings import ROOT
from infra.templates.sources import read_template
from tests.iam import grants_page
from tests.iam.grants import APPS, AmbiguousPolicy, grants_of, policy_without, template_grants
from tests.iam.lab import MACHINES
from tests.iam.untested import ON_EMULATORS, UNTESTED
from tests.infra.rendered import rendered

NARROW = re.compile(
    r"\$\{(Commands|DeadLetters|Parked|Events|Deliveries|DeliveriesLater)QueueArn\}"
    r"|table/\$\{(Jobs|Items|Names|Collections|Lookups|Webhooks)Table\}(/index/[a-z]+)?"
    r"|\$\{DocumentsBucket\}(/(items|collections|claims|scheduled)/\*)?"
    r"|\$\{\w+LogGroup\.Arn\}"
    r"|\$\{(EncryptionKey|EventBus|TaskTokens)\}"
)
WITHOUT_RESOURCE = {"cloudwatch:GetMetricStatistics", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"""


def test_every_grant_has_its_need_and_every_need_its_grant() -> None:
    assert list(grants_page.disagreements(template_grants())) == []


def test_a_grant_without_a_need_and_a_need_without_a_grant_are_reported() -> None:
    first, *others = template_grants()
    assert list(grants_page.disagreements([*template_grants(), replace(first, action="sqs:PurgeQueue")])) == [
        "nothing needs APIRole QueueCommands sqs:PurgeQueue"
    ]
    assert list(grants_page.disagreements(others)) == [
        "APIRole QueueCommands sqs:SendMessage is needed but not granted"
    ]
    assert "Log logs:PutLogEvents is in UNTESTED but not granted" in grants_page.disagreements([first])


def test_the_page_is_current() -> None:
    assert grants_page.PAGE.read_text() == grants_page.page(), "run `make grants`"


@pytest.mark.parametrize("grant", template_grants(), ids=str)
def test_no_grant_is_wider_than_necessary(grant: Any) -> None:
    assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", grant.action), "an action has no wildcard"
    if grant.action in WITHOUT_RESOURCE or grant.sid in ON_EMULATORS:
        assert grant.resource == "*"
    else:
        assert NARROW.fullmatch(grant.resource)


def test_every_action_exists_on_aws() -> None:
    """The list of actions is cfn-lint's, whose check is off in the API's template because of one action."""
    services = load_resource(AdditionalSpecs, "Policies.json")
    unknown = {
        grant.key
        for grant in template_grants()
        for service, _, name in [grant.action.partition(":")]
        if name.lower() not in services[service]["Actions"]
    }
    assert {action for _, _, action in unknown} == {"sqs:SendMessageBatch"}, "only emulators know it"
    on_aws = {
        (role, statement["Sid"])
        for app in APPS
        for role, properties in rendered(app, Events="on", TaskTokens=MACHINES).of_type("AWS::IAM::Role").items()
        for statement in properties["Policies"][0]["PolicyDocument"]["Statement"]
    }
    assert not {key[:2] for key in unknown} & on_aws, "it is not granted on AWS"
    assert not ON_EMULATORS & {sid for _, sid in on_aws}


def test_tasks_of_the_named_state_machines_are_answered_and_of_no_others() -> None:
    """A stage that names none has no grant for it."""
    machines = [MACHINES, MACHINES + "-2"]

    def granted(**parameters: str) -> list[Any]:
        role = rendered("worker", Events="on", **parameters).of_type("AWS::IAM::Role")["TellRole"]
        statements = role["Policies"][0]["PolicyDocument"]["Statement"]
        return [each["Resource"] for each in statements if "states:" in json.dumps(each["Action"])]

    assert granted(TaskTokens=",".join(machines)) == [machines]
    assert granted() == []
    for app in APPS:
        others = rendered(app, Events="on", TaskTokens=MACHINES).of_type("AWS::IAM::Role")
        others.pop("TellRole", None)
        assert "states:" not in json.dumps(others)


@pytest.mark.parametrize("app", APPS)
def test_each_policy_is_within_the_limit_of_iam_with_the_longest_names(app: str) -> None:
    """IAM counts the inline policies of a role together, without white space, and refuses more than 10,240."""
    longest = {"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1", "AWS::AccountId": "1" * 12}
    template = read_template(ROOT / f"infra/templates/{app}.merge.yaml")
    for resource in template["Resources"].values():
        if resource.get("Type") == "AWS::IAM::Role":
            # A parameter's value has 4,096 bytes at most. On AWS no role has the statements of emulators too.
            text = json.dumps(resource["Properties"]["Policies"], separators=(",", ":"))
            text = re.sub(r"\$\{([^}]+)\}", lambda name: longest.get(name[1], "x" * 80), text)
            text = text.replace('{"Fn::Split":[",",{"Ref":"TaskTokens"}]}', "x" * 4_300)
            text = re.sub(r'\{"(?:Ref|Fn::GetAtt)":[^}]+\}', '"' + "x" * 120 + '"', text)
            assert len(text) < 10_240


def test_each_untested_grant_describes_the_effect_of_its_removal() -> None:
    assert [key for key, text in UNTESTED.items() if "ithout it" not in text] == []


@pytest.mark.parametrize("app", APPS)
def test_each_wildcard_resource_has_a_comment_with_its_reason(app: str) -> None:
    text = (ROOT / f"infra/templates/{app}.merge.yaml").read_text()
    wildcards = re.findall(r"- Sid: (?:(?!- Sid: )[\s\S])*?Resource: [\"']?\*.*", text)
    assert all(" # " in statement for statement in wildcards), (
        "the comment says why AWS accepts no narrower resource"
    )


STATEMENT: dict[str, Any] = {"Sid": "S", "Effect": "Allow", "Action": ["s3:A", "s3:B"], "Resource": {"Ref": "R"}}


def template_of(*statements: Any, **properties: Any) -> dict[str, Any]:
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy], **properties}}
    return {"Resources": {"Role": role, "Queue": {"Type": "AWS::SQS::Queue"}, "Merged": {"Properties": {}}}}


def test_each_action_of_a_statement_is_one_grant() -> None:
    conditional = {"Fn::If": ["HasKey", {**STATEMENT, "Sid": "K", "Action": "kms:C"}, {"Ref": "AWS::NoValue"}]}
    found = [
        (str(grant), grant.resource, grant.conditional)
        for grant in grants_of(template_of(STATEMENT, conditional), "api")
    ]
    assert found == [
        ("Role S s3:A", "${R}", False),
        ("Role S s3:B", "${R}", False),
        ("Role K kms:C", "${R}", True),
    ]


@pytest.mark.parametrize(
    "template",
    [
        template_of({**STATEMENT, "Effect": "Deny"}),
        template_of({**STATEMENT, "NotAction": "s3:C"}),
        template_of({"Sid": "S", "Effect": "Allow", "Action": "s3:A", "NotResource": "*"}),
        template_of({**STATEMENT, "Resource": [{"Ref": "R"}, {"Ref": "T"}]}),
        template_of({**STATEMENT, "Resource": {"Fn::Join": ["", ["arn", "*"]]}}),
        template_of(STATEMENT, ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ],
)
def test_an_ambiguous_policy_is_an_error(template: dict[str, Any]) -> None:
    with pytest.raises(AmbiguousPolicy):
        list(grants_of(template, "api"))


def test_one_action_is_removed_from_a_policy() -> None:
    other = {**STATEMENT, "Sid": "T", "Action": "s3:A"}
    document = {"Version": "2012-10-17", "Statement": [STATEMENT, other]}
    assert policy_without(document, "S", "s3:A")["Statement"] == [
        {**STATEMENT, "Action": ["s3:B"]},
        {**other, "Action": ["s3:A"]},
    ]
    assert policy_without(document, "T", "s3:A")["Statement"] == [STATEMENT]
    with pytest.raises(KeyError):
        policy_without(document, "S", "s3:C")
