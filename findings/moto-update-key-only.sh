#!/usr/bin/env bash
# moto 5.2.5: UpdateItem that names only a key raises an error, and the item is there.
#
# Valid input: UpdateItem with TableName and Key, the two parameters that are required. Expected: an item that has its key alone, since
# UpdateItem "adds a new item to the table if it does not already exist". Seen: an AttributeError, and after it the item is in the table; the
# same for an item that exists. With an update expression there is no error. MiniStack 1.5.33 answers without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > touch.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )
    for _ in range(2):
        try:
            client.update_item(TableName="items", Key={"id": {"S": "1"}})
            print("updated")
        except Exception as error:
            print(type(error).__name__, client.get_item(TableName="items", Key={"id": {"S": "1"}}).get("Item"))
PYTHON
seen=$(venv/bin/python touch.py)
echo "$seen"
[ "$seen" = "AttributeError {'id': {'S': '1'}}
AttributeError {'id': {'S': '1'}}" ] || { echo 'this has changed' >&2; exit 1; }
