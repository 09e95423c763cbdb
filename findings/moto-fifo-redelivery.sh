#!/usr/bin/env bash
# moto 5.2.5: after the visibility timeout, a FIFO queue delivers the last message of a group, and not those before it.
#
# Valid input: three messages of one group are received together, and their visibility timeout ends without a deletion. Expected:
# the same three in their order, since messages of a group "are always processed one at a time, in strict order". Seen: the third
# alone, so that a consumer which deletes it has passed over two. MiniStack 1.5.33 delivers the three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[sqs]==5.2.5' boto3==1.44.8
cat > again.py <<'PYTHON'
import time
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    url = client.create_queue(QueueName="jobs.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "1"})["QueueUrl"]
    for name in ("create", "pay", "ship"):
        client.send_message(QueueUrl=url, MessageBody=name, MessageGroupId="order 1", MessageDeduplicationId=name)

    def received():
        return [message["Body"] for message in client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]

    print("first:", received())
    time.sleep(2)
    print("after the timeout:", received())
PYTHON
seen=$(venv/bin/python again.py)
echo "$seen"
[ "$seen" = "first: ['create', 'pay', 'ship']
after the timeout: ['ship']" ] || { echo 'this has changed' >&2; exit 1; }
