#!/usr/bin/env bash
# moto 5.2.5: a FIFO queue forgets a deduplication id as soon as its message is deleted.
#
# Valid input: a message is sent, received and deleted; the sender, which got no answer, sends it again within five minutes.
# Expected, by the reference of SendMessage: SQS "continues to keep track of the message deduplication ID even after the message
# is received and deleted". Seen: the message is delivered a second time. While the message is in the queue, the repetition is ignored.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[sqs]==5.2.5' boto3==1.44.8
cat > twice.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    url = client.create_queue(QueueName="jobs.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]

    def send(name):
        client.send_message(QueueUrl=url, MessageBody=name, MessageGroupId="g", MessageDeduplicationId=name)

    def handled():
        messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    send("waiting"); send("waiting")
    print("sent again while it waits:", handled())
    send("deleted"); first = handled(); send("deleted")
    print("sent again once it is deleted:", first + handled())
PYTHON
seen=$(venv/bin/python twice.py)
echo "$seen"
[ "$seen" = 'sent again while it waits: 1
sent again once it is deleted: 2' ] || { echo 'this has changed' >&2; exit 1; }
