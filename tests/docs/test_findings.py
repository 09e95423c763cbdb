"""The scripts of findings/ are listed and can be run; the page on generators names the tested versions."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT

SCRIPTS = sorted((ROOT / "findings").glob("*.sh"))
VERSION = r"\d+(?:\.\d+){1,3}"


def test_the_page_lists_each_script() -> None:
    listed = re.findall(
        rf"^- \[([\w.-]+)\]\(\1\): .+ {VERSION}", (ROOT / "findings" / "README.md").read_text(), re.MULTILINE
    )
    assert SCRIPTS
    assert listed == [script.name for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_describes_a_behaviour_and_fails_when_it_changes(script: Path) -> None:
    text = script.read_text()
    head = re.match(r"(?:#.*\n)+", text)
    assert head is not None
    assert re.search(rf"^# .+ {VERSION}.*: ", head[0], re.MULTILINE), (
        "which tool, in which version, and what it does"
    )
    assert "Seen: " in head[0]
    (version,) = set(re.findall(VERSION, head[0].splitlines()[1]))
    assert version in text.removeprefix(head[0]), "that version is the one that is installed"
    assert "mktemp -d" in text
    assert "exit 1" in text or 'sys.exit("this has changed")' in text
    assert "jobpipe" not in text
    assert os.access(script, os.X_OK)


def test_the_versions_on_the_page_of_generators_are_those_that_are_tried() -> None:
    page = (ROOT / "docs" / "how-to" / "generate-a-client.md").read_text()
    pinned = dict(
        re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests/clients/requirements.in").read_text(), re.MULTILINE)
    )
    pinned |= json.loads((ROOT / "tests/clients/package.json").read_text())["dependencies"]
    named = {
        "openapi-python-client": "openapi-python-client",
        "openapi-generator, `python`": "openapi-generator-cli",
        "openapi-generator, `typescript-fetch`": "openapi-generator-cli",
        "openapi-typescript, with openapi-fetch": "openapi-typescript",
        "@hey-api/openapi-ts": "@hey-api/openapi-ts",
    }
    rows = dict(re.findall(r"^\| (.+?) \| ([\d., ]+?) \| .+\|$", page, re.MULTILINE))
    assert {name: rows[name].split(", ")[0] for name in named} == {name: pinned[of] for name, of in named.items()}
    assert rows.keys() == named.keys()
    assert rows["openapi-typescript, with openapi-fetch"].endswith(pinned["openapi-fetch"])
    for name, of in (
        ("Prism)", "@stoplight/prism-cli"),
        ("Redocly", "@redocly/cli"),
        ("Spectral", "@stoplight/spectral-cli"),
    ):
        assert re.search(
            rf"{re.escape(name)}\S* {re.escape(pinned[of])}",
            page.replace("](https://github.com/stoplightio/prism)", ")"),
        ), of
