#!/usr/bin/env bash
# rich 15.0.0: Console.out, which "will not pretty print, wrap text, or apply markup", makes blanks of tabs.
#
# Valid input: Console().out("a\tb", highlight=False) into a pipe, as a program that writes tab-separated lines would.
# Expected: a, a tab, b. Seen: a, seven blanks, b: whoever cuts the lines at tabs finds one column.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rich==15.0.0
out=$(venv/bin/python -c 'from rich.console import Console; Console().out("a\tb", highlight=False)' | od -An -c | tr -s ' ')
plain=$(venv/bin/python -c 'print("a\tb")' | od -An -c | tr -s ' ')
echo "Console.out:$out"
echo "print:      $plain"
[ "$out" = ' a b \n' ] && [ "$plain" = ' a \t b \n' ] || { echo 'this has changed' >&2; exit 1; }
