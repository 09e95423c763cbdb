"""P9, as far as the templates alone tell: every grant has its need, and none is wider than it must be."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource

from infra.settings import ROOT
from tests.iam import table
from tests.iam.grants import APPS, Unclear, grants_of, template_grants, without
from tests.iam.needs import UNSEEN
from tests.infra.rendered import rendered

NARROW = re.compile(
    r"\$\{(Commands|DeadLetters|Parked)QueueArn\}"
    r"|table/\$\{(Jobs|Items|Names)Table\}(/index/[a-z]+)?"
    r"|\$\{DocumentsBucket\}(/(items|claims)/\*)?"
    r"|\$\{\w+LogGroup\.Arn\}"
    r"|\$\{EncryptionKey\}"
)
TAKES_NO_RESOURCE = {"cloudwatch:GetMetricStatistics", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"""


def test_every_grant_has_its_need_and_every_need_its_grant() -> None:
    assert list(table.disagreements(template_grants())) == []


def test_a_grant_without_a_need_and_a_need_without_a_grant_are_told() -> None:
    first, *others = template_grants()
    assert list(table.disagreements([*template_grants(), replace(first, action="sqs:PurgeQueue")])) == [
        "nothing needs APIRole QueueCommands sqs:PurgeQueue"
    ]
    assert list(table.disagreements(others)) == ["APIRole QueueCommands sqs:SendMessage is needed and not granted"]
    assert "Log logs:PutLogEvents is said not to be seen, and not granted" in table.disagreements([first])


def test_the_page_is_what_make_grants_makes() -> None:
    assert table.PAGE.read_text() == table.page(), "run make grants"


@pytest.mark.parametrize("grant", template_grants(), ids=str)
def test_no_grant_is_wider_than_it_must_be(grant: Any) -> None:
    assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", grant.action), "an action is named in full"
    if grant.action in TAKES_NO_RESOURCE:
        assert grant.resource == "*"
    else:
        assert NARROW.fullmatch(grant.resource)


def test_every_action_is_one_that_aws_has() -> None:
    """By cfn-lint's own list: in the template of the API its check of them is off, for the one that AWS has not."""
    services = load_resource(AdditionalSpecs, "Policies.json")
    unknown = {
        grant.key
        for grant in template_grants()
        for service, _, name in [grant.action.partition(":")]
        if name.lower() not in services[service]["Actions"]
    }
    assert unknown == {("APIRole", "QueueBatches", "sqs:SendMessageBatch")}, "an emulator's, not granted on AWS"
    sent = rendered("api").resources["APIRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert "QueueBatches" not in {statement["Sid"] for statement in sent}


def test_what_is_not_seen_says_what_breaks_all_the_same() -> None:
    assert [key for key, text in UNSEEN.items() if "ithout it" not in text] == []


@pytest.mark.parametrize("app", APPS)
def test_a_star_has_its_reason_beside_it(app: str) -> None:
    text = (ROOT / f"infra/templates/{app}.merge.yaml").read_text()
    stars = re.findall(r"- Sid: (?:(?!- Sid: )[\s\S])*?Resource: [\"']?\*.*", text)
    assert all(" # " in statement for statement in stars), "say why AWS takes nothing narrower"


STATEMENT: dict[str, Any] = {"Sid": "S", "Effect": "Allow", "Action": ["s3:A", "s3:B"], "Resource": {"Ref": "R"}}


def a_template(*statements: Any, **properties: Any) -> dict[str, Any]:
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy], **properties}}
    return {"Resources": {"Role": role, "Queue": {"Type": "AWS::SQS::Queue"}, "Merged": {"Properties": {}}}}


def test_grants_are_read_one_by_one() -> None:
    sometimes = {"Fn::If": ["HasKey", {**STATEMENT, "Sid": "K", "Action": "kms:C"}, {"Ref": "AWS::NoValue"}]}
    found = [
        (str(grant), grant.resource, grant.conditional)
        for grant in grants_of(a_template(STATEMENT, sometimes), "api")
    ]
    assert found == [
        ("Role S s3:A", "${R}", False),
        ("Role S s3:B", "${R}", False),
        ("Role K kms:C", "${R}", True),
    ]


@pytest.mark.parametrize(
    "template",
    [
        a_template({**STATEMENT, "Effect": "Deny"}),
        a_template({**STATEMENT, "NotAction": "s3:C"}),
        a_template({"Sid": "S", "Effect": "Allow", "Action": "s3:A", "NotResource": "*"}),
        a_template({**STATEMENT, "Resource": [{"Ref": "R"}, {"Ref": "T"}]}),
        a_template({**STATEMENT, "Resource": {"Fn::Join": ["", ["arn", "*"]]}}),
        a_template(STATEMENT, ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ],
)
def test_a_policy_that_could_hide_a_grant_is_refused(template: dict[str, Any]) -> None:
    with pytest.raises(Unclear):
        list(grants_of(template, "api"))


def test_one_action_is_taken_out_of_a_policy() -> None:
    other = {**STATEMENT, "Sid": "T", "Action": "s3:A"}
    document = {"Version": "2012-10-17", "Statement": [STATEMENT, other]}
    assert without(document, "S", "s3:A")["Statement"] == [
        {**STATEMENT, "Action": ["s3:B"]},
        {**other, "Action": ["s3:A"]},
    ]
    assert without(document, "T", "s3:A")["Statement"] == [STATEMENT]
    with pytest.raises(KeyError):
        without(document, "S", "s3:C")
