#!/usr/bin/env bash
# moto 5.2.5: a filter with `size` is an error as soon as one item lacks the attribute.
#
# Valid input: a scan with the filter `size(parts) > :n` over two items, one with the list and one without. Expected, by
# DynamoDB's page on scans: the item with the list, since a filter discards the other results. Seen: ValidationException, "Invalid
# attribute name parts". With the first item alone, the same scan works. MiniStack 1.5.33 finds the item in both cases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > size.py <<'PYTHON'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="jobs", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    for item in ({"id": {"S": "1"}, "parts": {"L": [{"S": "saw"}]}}, {"id": {"S": "2"}}):
        client.put_item(TableName="jobs", Item=item)
        try:
            found = client.scan(TableName="jobs", FilterExpression="size(parts) > :n", ExpressionAttributeValues={":n": {"N": "0"}})
            print("found:", found["Count"])
        except ClientError as error:
            print(error.response["Error"]["Code"], error.response["Error"]["Message"])
PYTHON
seen=$(venv/bin/python size.py)
echo "$seen"
[ "$seen" = 'found: 1
ValidationException Bad Filter Expression: Invalid attribute name parts' ] || { echo 'this has changed' >&2; exit 1; }
