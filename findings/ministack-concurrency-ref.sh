#!/usr/bin/env bash
# MiniStack 1.5.33: a mapping from a queue whose MaximumConcurrency is a parameter of the template gets no messages.
#
# Valid input: two stacks with a queue, a function and a mapping; MaximumConcurrency is 2, and !Ref of a Number.
# Expected: the same. DescribeEventSourceMapping shows 2 in both.
# Seen: the function of the first gets its messages; those of the second stay on their queue.
set -euo pipefail
folder=$(mktemp -d)
server=
end() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$folder"; }
trap end EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" IOT_MTLS_ENABLED=0 PERSIST_STATE=0 S3_PERSIST=0 \
    venv/bin/python -m ministack >server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/_ministack/health" >/dev/null && break; sleep 0.1; done

venv/bin/python - "$port" <<'PYTHON'
import json
import sys
import time

import boto3


def client(service):
    return boto3.client(
        service, endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )


sqs = client("sqs")


def queue(name):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, attributes["QueueArn"]


def received(url, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        messages = sqs.receive_message(QueueUrl=url).get("Messages", [])
        if messages:
            return json.loads(messages[0]["Body"])
        time.sleep(0.2)
    return None

TEMPLATE = """
Parameters: {Most: {Type: Number, Default: 2}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: NAME, VisibilityTimeout: 60}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: NAME
      Runtime: python3.11
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code: {ZipFile: "def handler(event, context): pass"}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Queue.Arn, FunctionName: !Ref Function, ScalingConfig: {MaximumConcurrency: MOST}}
"""
cloudformation = client("cloudformation")
found = {}
for name, most in (("number", "2"), ("parameter", "!Ref Most")):
    body = TEMPLATE.replace("NAME", name).replace("MOST", most)
    cloudformation.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    left = None
    for _ in range(30):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        left = int(attributes["ApproximateNumberOfMessages"])
        if left + int(attributes["ApproximateNumberOfMessagesNotVisible"]) == 0:
            break
        time.sleep(0.5)
    found[name] = left
print(f"messages left on the queue after 15 s: {found}")
if found != {"number": 0, "parameter": 3}:
    sys.exit("this has changed")
PYTHON
