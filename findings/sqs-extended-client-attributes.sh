#!/usr/bin/env bash
# amazon-sqs-extended-client 1.0.1, Python: a large message cannot be sent with the attributes of the one before.
#
# Valid input: two messages of 300 kB, sent with the same dictionary as MessageAttributes. Expected: both are sent, as the README
# shows it for one, and as boto3 does without the library, which leaves the arguments of the caller as they are. Seen: the first
# call adds ExtendedPayloadSize to the caller's dictionary, and the second is refused because that name is reserved. A list
# given as MessageAttributeNames to receive_message grows in the same way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check amazon-sqs-extended-client==1.0.1 'moto[sqs,s3]==5.2.5' boto3==1.43.106 setuptools==80.9.0
cat > twice.py <<'PYTHON'
import os
import boto3
import sqs_extended_client
from moto import mock_aws

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
with mock_aws():
    boto3.client("s3").create_bucket(Bucket="large-messages")
    client = boto3.client("sqs")
    client.large_payload_support = "large-messages"
    client.use_legacy_attribute = False
    url = client.create_queue(QueueName="jobs")["QueueUrl"]
    attributes = {"kind": {"DataType": "String", "StringValue": "import"}}
    for name in ("first", "second"):
        try:
            client.send_message(QueueUrl=url, MessageBody="x" * 300_000, MessageAttributes=attributes)
            print(f"{name} is sent, the attributes are now", *attributes)
        except sqs_extended_client.client.SQSExtendedClientException as error:
            print(f"{name}:", str(error).strip())
    names = ["kind"]
    client.receive_message(QueueUrl=url, MessageAttributeNames=names)
    print("the names are now", *names)
PYTHON
seen=$(venv/bin/python twice.py)
echo "$seen"
[ "$seen" = 'first is sent, the attributes are now kind ExtendedPayloadSize
second: Message attribute name ExtendedPayloadSize is reserved for use by the SQS extended client.
the names are now kind ExtendedPayloadSize' ] || { echo 'this has changed' >&2; exit 1; }
