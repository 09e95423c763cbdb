#!/usr/bin/env bash
# frictionless 5.21.0: a column of names such as 1_000 is read as whole numbers, without the underscores.
#
# Valid input: a CSV file with one column, `code`. Expected: text; an integer of Table Schema is written as in XML Schema, with
# digits and a sign, and other characters between the digits need a groupChar. Seen: type integer, values 1000 and 2000, and the
# file is valid under {"type": "integer"}: the text goes through Python's int(), which skips underscores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check frictionless==5.21.0
printf 'code\n1_000\n2_000\n' > codes.csv
cat > read.py <<'PYTHON'
from frictionless import Resource, Schema

with Resource("codes.csv") as resource:
    print(resource.schema.get_field("code").type, [row["code"] for row in resource.row_stream])
schema = Schema.from_descriptor({"fields": [{"name": "code", "type": "integer"}]})
print("valid:", Resource("codes.csv", schema=schema).validate().valid)
PYTHON
seen=$(venv/bin/python read.py)
echo "$seen"
[ "$seen" = 'integer [1000, 2000]
valid: True' ] || { echo 'this has changed' >&2; exit 1; }
