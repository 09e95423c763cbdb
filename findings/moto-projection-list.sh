#!/usr/bin/env bash
# moto 5.2.5: a projection of two elements of a list returns the last of them alone.
#
# Valid input: GetItem with the ProjectionExpression `lines[0], lines[1]`. Expected: both elements, since by the reference of GetItem
# the attributes to retrieve are separated by commas and "can include scalars, sets, or elements of a JSON document". Seen: the one
# that is named last, and so for a member of each element. MiniStack 1.5.33 returns both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8
cat > project.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    client.create_table(
        TableName="items", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )
    line = lambda sku: {"M": {"sku": {"S": sku}, "count": {"N": "1"}}}
    client.put_item(TableName="items", Item={"id": {"S": "1"}, "lines": {"L": [line("peg"), line("nail")]}})
    for projection in ("lines[0], lines[1]", "lines[1], lines[0]", "lines[0].sku, lines[1].sku"):
        item = client.get_item(TableName="items", Key={"id": {"S": "1"}}, ProjectionExpression=projection)["Item"]
        print(projection, "=", [element["M"]["sku"]["S"] for element in item["lines"]["L"]])
PYTHON
seen=$(venv/bin/python project.py)
echo "$seen"
[ "$seen" = "lines[0], lines[1] = ['nail']
lines[1], lines[0] = ['peg']
lines[0].sku, lines[1].sku = ['nail']" ] || { echo 'this has changed' >&2; exit 1; }
