#!/usr/bin/env bash
# taskiq 0.13.0: a task whose cron expression has 7 as the day of the week never runs.
#
# Valid input: the crontab string `0 9 * * 7` and each minute of a week. Expected: Sunday, as crontab(5) has it, "0-7 (where 0 or 7
# is Sunday)", or an error, as for `0 9 * * x`. Seen: no minute, no error and no warning; `6-7` is Saturday alone. The scheduler asks
# pycron 3.3.0, which knows 0 only (https://github.com/kipe/pycron/issues/26). croniter 7.0.0 and cronsim 2.8 take both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check taskiq==0.13.0 pycron==3.3.0
cat > week.py <<'PYTHON'
from datetime import datetime, timedelta, timezone
from taskiq.cli.scheduler.run import is_cron_task_now

start = datetime(2026, 11, 2, tzinfo=timezone.utc)
for cron in ("0 9 * * 0", "0 9 * * 7", "0 9 * * 6-7", "0 9 * * 5-6"):
    minutes = (start + timedelta(minutes=n) for n in range(7 * 24 * 60))
    print(cron, "=", [f"{minute:%a %H:%M}" for minute in minutes if is_cron_task_now(cron, minute)])
PYTHON
seen=$(venv/bin/python week.py)
echo "$seen"
[ "$seen" = "0 9 * * 0 = ['Sun 09:00']
0 9 * * 7 = []
0 9 * * 6-7 = ['Sat 09:00']
0 9 * * 5-6 = ['Fri 09:00', 'Sat 09:00']" ] || { echo 'this has changed' >&2; exit 1; }
