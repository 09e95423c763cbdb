#!/usr/bin/env bash
# dynamodb-json 1.4.2: an item that has an attribute named S is read as that attribute alone.
#
# Valid input: an item of DynamoDB with the attributes `id` and `S`, as a shop of clothes may name the stock of each size. The text
# is what the package's own dumps() makes of {"id": "order-7", "S": 3}. Expected: that dict. Seen: 3. loads() takes every object
# that has a member S for a typed value, at the top of an item and inside a map (M), where 3 even becomes the text '3'. Other
# names, such as XL, are read correctly.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check dynamodb-json==1.4.2 boto3==1.44.5
cat > read.py <<'PYTHON'
from dynamodb_json import json_util

for item in ({"id": "order-7", "XL": 3}, {"id": "order-7", "S": 3}, {"id": "order-7", "stock": {"S": 3, "L": 4}}):
    text = json_util.dumps(item)
    print(text, "->", json_util.loads(text))
PYTHON
seen=$(venv/bin/python -W ignore read.py)
echo "$seen"
[ "$seen" = '{"id": {"S": "order-7"}, "XL": {"N": "3"}} -> {'"'id': 'order-7', 'XL': 3}"'
{"id": {"S": "order-7"}, "S": {"N": "3"}} -> 3
{"id": {"S": "order-7"}, "stock": {"M": {"S": {"N": "3"}, "L": {"N": "4"}}}} -> {'"'id': 'order-7', 'stock': '3'}"'' ] || { echo 'this has changed' >&2; exit 1; }
