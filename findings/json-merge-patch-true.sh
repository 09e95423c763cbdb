#!/usr/bin/env bash
# json-merge-patch 0.3.0: the patch from 1 to true is empty.
#
# Valid input: create_patch({"paid": 1}, {"paid": True}). Expected: {"paid": true}, since JSON's true is not a number (RFC
# 7396 leaves out equal members). Seen: {}. Members are compared with Python's ==, for which True is 1. A member that changes from
# 1 to 2 is in the patch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check json-merge-patch==0.3.0
cat > patch.py <<'PYTHON'
import json
import json_merge_patch

for before, after in (({"paid": 1}, {"paid": True}), ({"paid": False}, {"paid": 0}), ({"paid": 1}, {"paid": 2})):
    patch = json_merge_patch.create_patch(before, after)
    print(json.dumps([before, after, patch, json_merge_patch.merge(dict(before), patch)]))
PYTHON
seen=$(venv/bin/python patch.py)
echo "$seen"
[ "$seen" = '[{"paid": 1}, {"paid": true}, {}, {"paid": 1}]
[{"paid": false}, {"paid": 0}, {}, {"paid": false}]
[{"paid": 1}, {"paid": 2}, {"paid": 2}, {"paid": 2}]' ] || { echo 'this has changed' >&2; exit 1; }
