#!/usr/bin/env bash
# flatterer 0.25.0: a long whole number has other digits in the CSV file, and does not look rounded.
#
# Valid input: {"id": 12345678901234567890123}. Expected: the same digits, or an exponent that shows the rounding.
# Seen: 12345678901234568000000, an ordinary whole number. Numbers of up to 64 bits keep their digits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check flatterer==0.25.0
printf '{"id": %s}\n' 18446744073709551615 12345678901234567890123 > items.jsonl
venv/bin/flatterer --ndjson --no-link items.jsonl out >log 2>&1 || { cat log >&2; exit 1; }
cat out/csv/items.csv 2>/dev/null || cat out/csv/*.csv
[ "$(tr -d '\r' < "$(echo out/csv/*.csv)")" = 'id
18446744073709551615
12345678901234568000000' ] || { echo 'this has changed' >&2; exit 1; }
