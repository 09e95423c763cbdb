#!/usr/bin/env bash
# aws-croniter 2.1.1: an expression with `L` as the day of the week is valid and has no occurrence.
#
# Valid input: `0 12 ? * L *`. Expected, by EventBridge's page on cron expressions: L "in the Day-of-month or Day-of-week fields
# specifies the last day of the month or week", so every Saturday, as `7` does. Seen: the expression is accepted, and get_next
# returns None; the list of a year is empty. `L` as the day of the month and `7L`, the last Saturday of a month, work.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aws-croniter==2.1.1
cat > next.py <<'PYTHON'
from datetime import datetime, timezone
from aws_croniter import AwsCroniter

start, end = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc)
for expression in ("0 12 ? * 7 *", "0 12 ? * L *", "0 12 ? * 7L *", "0 12 L * ? *"):
    cron = AwsCroniter(expression)
    [following] = cron.get_next(start, 1)
    year = cron.get_all_schedule_bw_dates(start, end)
    print(f"{expression}: {following and following.strftime('%a %d %b')}, {len(year)} in 2026")
PYTHON
seen=$(venv/bin/python next.py)
echo "$seen"
[ "$seen" = '0 12 ? * 7 *: Sat 03 Jan, 52 in 2026
0 12 ? * L *: None, 0 in 2026
0 12 ? * 7L *: Sat 31 Jan, 12 in 2026
0 12 L * ? *: Sat 31 Jan, 12 in 2026' ] || { echo 'this has changed' >&2; exit 1; }
