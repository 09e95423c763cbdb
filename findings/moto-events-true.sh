#!/usr/bin/env bash
# moto 5.2.5: an event pattern takes true for the number 1, and false for 0.
#
# Valid input: a rule with the pattern {"detail": {"retries": [0]}}, and events whose `retries` is 0 and false. Expected: the first
# alone, since JSON's false is no number; event-ruler, the library of EventBridge, compares numbers with numbers. Seen: both, and
# true matches {"numeric": [">", 0]} too. Values are compared with Python's ==, for which False is 0. MiniStack 1.5.33 matches the
# numbers only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[events,sqs]==5.2.5' boto3==1.44.8
cat > match.py <<'PYTHON'
import json
import boto3
from moto import mock_aws

with mock_aws():
    account = {"region_name": "eu-west-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    events, queues = boto3.client("events", **account), boto3.client("sqs", **account)
    for name, pattern in (("zero", [0]), ("more", [{"numeric": [">", 0]}])):
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=name, EventPattern=json.dumps({"detail": {"retries": pattern}}))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        for retries in (0, 1, False, True, "1"):
            detail = json.dumps({"retries": retries})
            events.put_events(Entries=[{"Source": "orders", "DetailType": "job", "Detail": detail}])
        messages = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        print(name, [json.loads(message["Body"])["detail"]["retries"] for message in messages])
PYTHON
seen=$(venv/bin/python match.py)
echo "$seen"
[ "$seen" = 'zero [0, False]
more [1, True]' ] || { echo 'this has changed' >&2; exit 1; }
