#!/usr/bin/env bash
# cloudevents 2.2.0, Python: an event whose data is JSON's `false` has the body `False` in binary mode, which is not JSON.
#
# Valid input: data False and a datacontenttype of application/json. Expected: the body `false`, as in structured mode.
# Seen: `False`, which the same SDK reads back as the text "False". In binary mode only objects and lists are
# written as JSON, and other values by str().
#     to_binary: False    to_structured: {…, "data": false}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cloudevents==2.2.0
cat > send.py <<'PYTHON'
import json
from cloudevents.core.bindings.http import from_binary, from_structured, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

attributes = {"id": "1", "source": "/jobs", "type": "done", "datacontenttype": "application/json"}
for data in (False, {"done": False}):
    binary = to_binary(CloudEvent(attributes=dict(attributes), data=data), JSONFormat())
    structured = to_structured(CloudEvent(attributes=dict(attributes), data=data), JSONFormat())
    print("binary:", binary.body.decode(), "read as", repr(from_binary(binary, JSONFormat()).get_data()))
    sent = json.dumps(json.loads(structured.body)["data"])
    print("structured:", sent, "read as", repr(from_structured(structured, JSONFormat()).get_data()))
PYTHON
seen=$(venv/bin/python send.py)
echo "$seen"
[ "$seen" = "binary: False read as 'False'
structured: false read as False
binary: {\"done\": false} read as {'done': False}
structured: {\"done\": false} read as {'done': False}" ] || { echo 'this has changed' >&2; exit 1; }
