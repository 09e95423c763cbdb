#!/usr/bin/env bash
# moto 5.2.5: `DeduplicationScope` of a FIFO queue has no effect.
#
# Valid input: a queue with DeduplicationScope messageGroup and FifoThroughputLimit perMessageGroupId, as SQS's page on high
# throughput has it, and the same deduplication id in two message groups. Expected: both messages, since the attribute
# "specifies whether message deduplication occurs at the message group or queue level". Seen: only the first, although
# GetQueueAttributes answers messageGroup. MiniStack 1.5.33 delivers both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[sqs]==5.2.5' boto3==1.44.8
cat > groups.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    url = client.create_queue(QueueName="jobs.fifo", Attributes=attributes)["QueueUrl"]
    for group in ("first", "second"):
        client.send_message(QueueUrl=url, MessageBody=group, MessageGroupId=group, MessageDeduplicationId="1")
    print("scope:", client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["DeduplicationScope"])
    messages = []
    for _ in range(2):
        messages += client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    print("received:", *(message["Body"] for message in messages))
PYTHON
seen=$(venv/bin/python groups.py)
echo "$seen"
[ "$seen" = 'scope: messageGroup
received: first' ] || { echo 'this has changed' >&2; exit 1; }
