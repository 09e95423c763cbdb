"""A byte order mark at the beginning of any input file is ignored."""

from __future__ import annotations

import codecs
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from infra.stage.stage_file import Deployment, read_deployment
from jobpipe_client.settings import find_connection
from scripts.demo.__main__ import SAMPLE
from scripts.demo.script import read_script
from tests.cli.conftest import Jobpipe
from tests.client.service import Service

ITEM = '{"name": "A", "description": "d"}'


def marked(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(codecs.BOM_UTF8 + text.encode())
    return path


def test_the_file_of_a_stage() -> None:
    deployment = Deployment("local", "embedded", "https://x.example", "key", "us-east-1", None, {})
    path = marked(Path(".jobpipe/local.json"), json.dumps(asdict(deployment)))
    assert find_connection("local").base_url == deployment.base_url
    assert read_deployment(path.parent, "local") == deployment


@pytest.mark.parametrize("is_stdin", [False, True])
def test_an_item_in_a_file(jobpipe: Jobpipe, service: Service, is_stdin: bool) -> None:
    path = marked(Path("item.json"), ITEM)
    if is_stdin:
        jobpipe.does("items", "create", "-", said=path.read_bytes())
    else:
        jobpipe.does("items", "create", "item.json")
    assert [each["name"] for each in service.items.values()] == ["A"]


def test_a_command_in_a_file(jobpipe: Jobpipe, service: Service) -> None:
    marked(Path("command.json"), f'{{"operation": "create", "item": {ITEM}}}')
    jobpipe.does("submit", "command.json", "--wait")
    assert service.items


def test_a_body_in_another_encoding_is_recognized(jobpipe: Jobpipe) -> None:
    Path("item.json").write_bytes(ITEM.encode("utf-16"))
    assert "the file is not UTF-8 but UTF-16" in jobpipe.fails(1, "items", "create", "item.json")


def test_the_demos_commands() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    assert read_script(marked(Path("items.jsonl"), text)) == read_script(SAMPLE)
