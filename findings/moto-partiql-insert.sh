#!/usr/bin/env bash
# moto 5.2.5: a PartiQL `INSERT` with the key of an existing item replaces that item.
#
# Valid input: an item with two attributes, and INSERT of an item with the same key and another attribute. Expected, by
# DynamoDB's page on PartiQL's insert: "DuplicateItemException is returned", and the first item stays. Seen: no error, and the first item
# is gone; in ExecuteTransaction too, where the other statement should not take effect. MiniStack 1.5.33 answers
# DuplicateItemException.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > insert.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )

    def item(key):
        return client.get_item(TableName="items", Key={"id": {"S": key}}).get("Item")

    client.put_item(TableName="items", Item={"id": {"S": "1"}, "state": {"S": "paid"}})
    insert = """INSERT INTO "items" VALUE {'id': '%s', 'by': 'insert'}"""
    client.execute_statement(Statement=insert % "1")
    print("one statement:", item("1"))
    client.put_item(TableName="items", Item={"id": {"S": "1"}, "state": {"S": "paid"}})
    client.execute_transaction(TransactStatements=[{"Statement": insert % "2"}, {"Statement": insert % "1"}])
    print("transaction:", item("1"), item("2"))
PYTHON
seen=$(venv/bin/python insert.py)
echo "$seen"
[ "$seen" = "one statement: {'id': {'S': '1'}, 'by': {'S': 'insert'}}
transaction: {'id': {'S': '1'}, 'by': {'S': 'insert'}} {'id': {'S': '2'}, 'by': {'S': 'insert'}}" ] || { echo 'this has changed' >&2; exit 1; }
