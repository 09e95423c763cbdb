#!/usr/bin/env bash
# moto 5.2.5: the sequence numbers of a FIFO queue do not grow, and a message without a deduplication id has none.
#
# Valid input: 20 messages of one group with deduplication ids, and one message on a queue with ContentBasedDeduplication. Expected, by
# the reference of SendMessage: the number "continues to increase for a particular MessageGroupId", and each message of a FIFO queue
# has one. Seen: random numbers, so that a consumer that passes over lower numbers drops messages, and no number for the second
# queue. MiniStack 1.5.33 counts in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[sqs]==5.2.5' boto3==1.44.8
cat > sequence.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    url = client.create_queue(QueueName="ids.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    sent = [
        client.send_message(QueueUrl=url, MessageBody="job", MessageGroupId="g", MessageDeduplicationId=str(n))["SequenceNumber"]
        for n in range(20)
    ]
    print("20 numbers grow:", sent == sorted(sent, key=int))
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = client.create_queue(QueueName="content.fifo", Attributes=attributes)["QueueUrl"]
    print("by content:", client.send_message(QueueUrl=url, MessageBody="job", MessageGroupId="g").get("SequenceNumber"))
PYTHON
seen=$(venv/bin/python sequence.py)
echo "$seen"
[ "$seen" = '20 numbers grow: False
by content: None' ] || { echo 'this has changed' >&2; exit 1; }
