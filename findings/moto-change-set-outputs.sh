#!/usr/bin/env bash
# moto 5.2.5 (server): a stack that a change set has created has no outputs; a stack of CreateStack has.
#
# Valid input: a template of one queue and one output, once by CreateChangeSet (CREATE) and ExecuteChangeSet, once by CreateStack.
# Expected: DescribeStacks shows the output of both. Seen: CREATE_COMPLETE for both, and no Outputs for the first.
set -euo pipefail
folder=$(mktemp -d)
server=
end() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$folder"; }
trap end EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[server]==5.2.5' boto3==1.44.5
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/moto_server -H 127.0.0.1 -p "$port" >server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/moto-api/" >/dev/null && break; sleep 0.2; done

venv/bin/python - "$port" <<'PYTHON'
import json
import sys

import boto3

stacks = boto3.client(
    "cloudformation", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="us-east-1",
    aws_access_key_id="test", aws_secret_access_key="test",
)
template = json.dumps({
    "AWSTemplateFormatVersion": "2010-09-09",
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
})
change = {"StackName": "by-change-set", "ChangeSetName": "first"}
stacks.create_change_set(**change, ChangeSetType="CREATE", TemplateBody=template)
stacks.get_waiter("change_set_create_complete").wait(**change)
stacks.execute_change_set(**change)
stacks.get_waiter("stack_create_complete").wait(StackName="by-change-set")
stacks.create_stack(StackName="directly", TemplateBody=template)
stacks.get_waiter("stack_create_complete").wait(StackName="directly")
found = {}
for name in ("by-change-set", "directly"):
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    found[name] = [output["OutputKey"] for output in stack.get("Outputs", [])]
    print(f"{name}: {stack['StackStatus']}, outputs {found[name]}")
if found != {"by-change-set": [], "directly": ["Url"]}:
    sys.exit("this has changed")
PYTHON
