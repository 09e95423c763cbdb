#!/usr/bin/env bash
# huey 3.5.4: in immediate mode, which is for tests, a task changes the caller's own list; through a queue it has a copy.
#
# Valid input: a task that appends to the list it is given, called with a list. Expected: the same in both modes, since a storage
# is used in both. Seen: the result is [1] in both, and the caller's list is [1] in immediate mode and [] through a queue: only
# the result, not the arguments, is written and read. A test passes that relies on the change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check huey==3.5.4
cat > call.py <<'PYTHON'
from huey import MemoryHuey

for immediate in (True, False):
    huey = MemoryHuey(immediate=immediate)

    @huey.task()
    def add(names):
        names.append(1)
        return names

    names = []
    result = add(names)
    if not immediate:
        huey.execute(huey.dequeue())
    print(f"immediate {immediate}: result {result.get()}, caller's list {names}")
PYTHON
seen=$(venv/bin/python call.py 2>/dev/null)
echo "$seen"
[ "$seen" = "immediate True: result [1], caller's list [1]
immediate False: result [1], caller's list []" ] || { echo 'this has changed' >&2; exit 1; }
