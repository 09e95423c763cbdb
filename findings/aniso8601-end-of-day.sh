#!/usr/bin/env bash
# aniso8601 10.0.1: the end of a day, `24:00`, is read as its beginning.
#
# Valid input: 2026-12-31T24:00:00Z, which by ISO 8601 (2004, and again since its amendment of 2022) is the same instant as
# 2027-01-01T00:00:00Z. Expected: that instant, as ciso8601 2.4.1 reads it, or an error, as from isodate 0.7.2. Seen: the
# midnight 24 hours before, so that an interval from noon to the end of its day ends before it begins.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aniso8601==10.0.1 ciso8601==2.4.1
cat > midnight.py <<'PYTHON'
import aniso8601, ciso8601

print("aniso8601:", aniso8601.parse_datetime("2026-12-31T24:00:00Z"))
print("ciso8601: ", ciso8601.parse_datetime("2026-12-31T24:00:00Z"))
begin, end = aniso8601.parse_interval("2026-12-31T12:00:00Z/2026-12-31T24:00:00Z")
print("interval: ", end - begin)
PYTHON
seen=$(venv/bin/python midnight.py)
echo "$seen"
[ "$seen" = 'aniso8601: 2026-12-31 00:00:00+00:00
ciso8601:  2027-01-01 00:00:00+00:00
interval:  -1 day, 12:00:00' ] || { echo 'this has changed' >&2; exit 1; }
