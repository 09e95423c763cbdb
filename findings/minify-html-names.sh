#!/usr/bin/env bash
# minify-html 0.18.1: `minify_js=True` leaves local names as long as they are; an earlier release shortens them.
#
# Valid input: a page with one small script, whose names are all local to a function.
# Expected: a newer release of a minifier makes the script no longer than the one before.
# Seen: 0.16.4 replaces `counter`, `increase` and `amount` by one letter each; 0.18.1 keeps them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >page.py <<'PYTHON'
import minify_html

PAGE = (
    "<!doctype html><title>t</title><body><script>(() => { let counter = 0;"
    " function increase(amount) { counter += amount; return counter; }"
    " document.title = increase(2) + increase(3); })();</script></body>"
)
print(minify_html.minify(PAGE, minify_js=True))
PYTHON
for version in 0.16.4 0.18.1; do
    python3 -m venv "$version"
    "$version/bin/pip" install --quiet --disable-pip-version-check "minify-html==$version"
    "$version/bin/python" page.py >"$version.txt"
    echo "minify-html $version: $(cat "$version.txt")"
done
names='counter|increase|amount'
if ! grep -Eq "$names" 0.16.4.txt && [ "$(grep -Eo "$names" 0.18.1.txt | sort -u | wc -l)" = 3 ]; then
    echo "seen as described"
else
    echo "the behaviour has changed"
    exit 1
fi
