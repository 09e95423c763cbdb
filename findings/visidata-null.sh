#!/usr/bin/env bash
# VisiData 3.4: saved JSON lines lose their nulls, except the first line, whose missing keys become null.
#
# Valid input: three objects. Expected: the same three. Seen: the first has every key of the file, with null for those that it
# did not have; the others lack the keys whose value was null. In a JSON merge patch null removes a member and a missing key
# keeps it, so the meaning of both has changed.
#     {"id": 1, "note": null}            {"id": 1, "note": null, "tag": null}
#     {"id": 2, "note": null}       ->   {"id": 2}
#     {"id": 3, "tag": "new"}            {"id": 3, "tag": "new"}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check visidata==3.4
printf '%s\n' '{"id": 1, "note": null}' '{"id": 2, "note": null}' '{"id": 3, "tag": "new"}' > patches.jsonl
HOME="$folder" venv/bin/vd --batch patches.jsonl --output saved.jsonl >log 2>&1 </dev/null || { cat log >&2; exit 1; }
cat saved.jsonl
[ "$(cat saved.jsonl)" = '{"id": 1, "note": null, "tag": null}
{"id": 2}
{"id": 3, "tag": "new"}' ] || { echo 'this has changed' >&2; exit 1; }
