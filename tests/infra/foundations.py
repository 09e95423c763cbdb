"""The foundation of a stage on AWS, and resources that remain of it."""

from infra.deployment.remaining import RemainingResource
from infra.stage.names import foundation_stack
from infra.targets.target import Target
from infra.templates.sources import foundation_template

PROD = "prod"
TEMPLATE = foundation_template(PROD)
STACK = foundation_stack(PROD)
ALIAS = "alias/jobpipe-prod"
KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
OTHER = "arn:aws:kms:us-east-1:000000000000:key/99999999-2222-3333-4444-555555555555"


def remaining_resource(logical_id: str, key: str | None = None) -> RemainingResource:
    resource = TEMPLATE["Resources"][logical_id]
    kind, name = resource["Type"], logical_id.lower()
    identifiers = {
        "AWS::DynamoDB::Table": {"TableName": name},
        "AWS::S3::Bucket": {"BucketName": name},
        "AWS::SQS::Queue": {"QueueUrl": f"https://sqs/{name}"},
    }
    return RemainingResource(logical_id, kind, name, identifiers[kind], {}, key)


def stack_resources(target: Target, stack: str) -> list[tuple[str, str]]:
    """Return type and physical id of each resource of a stack."""
    pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    found = (summary for page in pages for summary in page["StackResourceSummaries"])
    return [(each["ResourceType"], each.get("PhysicalResourceId", "")) for each in found]
