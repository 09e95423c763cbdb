#!/usr/bin/env bash
# click 8.5.1: with standalone_mode=False a closed pipe ends the program by sys.exit(1).
#
# Valid input: main(["--help"], standalone_mode=False) of a command whose standard output nobody reads, in a try.
# Expected, by the documentation of standalone_mode: "If set to False, errors will be propagated to the caller".
# Seen: SystemExit(1). Neither BrokenPipeError nor a return value reaches the caller; other errors, such as of usage, do.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check click==8.5.1
cat >program.py <<'PYTHON'
import os
import sys

import click


@click.command()
def command() -> None:
    """A help of one line."""


try:
    command.main(sys.argv[1:], standalone_mode=False)
    seen = "it returned"
except BaseException as error:
    seen = type(error).__name__ + (f"({error.code})" if isinstance(error, SystemExit) else "")
os.write(2, f"{seen}\n".encode())
os._exit(0)
PYTHON
unread() { # what the caller sees where the reader of standard output is gone before a word is written
    venv/bin/python - "$@" 2>&1 <<'PYTHON'
import os
import subprocess
import sys

reader, writer = os.pipe()
os.close(reader)
command = ["venv/bin/python", "program.py", *sys.argv[1:]]
print(subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False).stderr.strip())
PYTHON
}
help=$(unread --help)
usage=$(unread --no-such-option)
echo "a closed pipe:    $help"
echo "a wrong option:   $usage"
[ "$help" = 'SystemExit(1)' ] && [ "$usage" = NoSuchOption ] || { echo 'this has changed' >&2; exit 1; }
