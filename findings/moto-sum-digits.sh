#!/usr/bin/env bash
# moto 5.2.5: a sum in an update expression is rounded to 28 digits, where DynamoDB keeps 38.
#
# Valid input: a number of 38 digits with a fraction, which is stored exactly, and `SET n = n + :one`. Expected: the 38 digits of
# the sum. Seen: 28 of them and an exponent, the default precision of Python's decimal module. ADD does
# the same. The sum of whole numbers is exact.
#     1234567890123456789012345678901234567.5 + 1 = 1.234567890123456789012345679E+36
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > sums.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )
    for update in ("SET n = n + :one", "ADD n :one"):
        item = {"id": {"S": "1"}, "n": {"N": "1234567890123456789012345678901234567.5"}}
        client.put_item(TableName="items", Item=item)
        print("stored:", client.get_item(TableName="items", Key={"id": {"S": "1"}})["Item"]["n"]["N"])
        client.update_item(
            TableName="items", Key={"id": {"S": "1"}}, UpdateExpression=update,
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        print(f"{update}:", client.get_item(TableName="items", Key={"id": {"S": "1"}})["Item"]["n"]["N"])
PYTHON
seen=$(venv/bin/python sums.py)
echo "$seen"
[ "$seen" = 'stored: 1234567890123456789012345678901234567.5
SET n = n + :one: 1.234567890123456789012345679E+36
stored: 1234567890123456789012345678901234567.5
ADD n :one: 1.234567890123456789012345679E+36' ] || { echo 'this has changed' >&2; exit 1; }
