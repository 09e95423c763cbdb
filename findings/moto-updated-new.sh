#!/usr/bin/env bash
# moto 5.2.5: `UPDATED_NEW` and `UPDATED_OLD` return what differs, and not what the update names.
#
# Valid input: updates with ReturnValues. Expected, by the reference of UpdateItem: "only the updated attributes", as they appear after
# the update or before it. Seen: an update to the value that the attribute has already returns nothing, as if the lease were not
# taken; the first ADD of a counter returns the key too; and UPDATED_OLD of one member returns the whole map. MiniStack 1.5.33 returns
# the named attribute each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > update.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )

    def returned(values, update, value):
        answer = client.update_item(
            TableName="items", Key={"id": {"S": "1"}}, UpdateExpression=update, ExpressionAttributeValues={":value": value},
            ReturnValues=values,
        )
        return answer.get("Attributes", {})

    print("first ADD:", returned("UPDATED_NEW", "ADD jobs :value", {"N": "1"}))
    print("second ADD:", returned("UPDATED_NEW", "ADD jobs :value", {"N": "1"}))
    print("taken:", returned("UPDATED_NEW", "SET holder = :value", {"S": "me"}))
    print("taken again:", returned("UPDATED_NEW", "SET holder = :value", {"S": "me"}))
    client.put_item(TableName="items", Item={"id": {"S": "1"}, "place": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}})
    print("one member:", returned("UPDATED_OLD", "SET place.x = :value", {"N": "9"}))
PYTHON
seen=$(venv/bin/python update.py)
echo "$seen"
[ "$seen" = "first ADD: {'id': {'S': '1'}, 'jobs': {'N': '1'}}
second ADD: {'jobs': {'N': '2'}}
taken: {'holder': {'S': 'me'}}
taken again: {}
one member: {'place': {'M': {'x': {'N': '1'}, 'y': {'N': '2'}}}}" ] || { echo 'this has changed' >&2; exit 1; }
