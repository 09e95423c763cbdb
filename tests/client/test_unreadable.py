"""A list with an unreadable item shows all other items, and does not seem complete."""

import json
from pathlib import Path

import pytest

from jobpipe_client import Client, ItemsUnreadable
from jobpipe_client.cli import main
from tests.client.service import KEY, Service


@pytest.fixture
def ids(client: Client) -> list[str]:
    return [client.sync.create({"name": f"Tent {n}", "description": "d"}).id for n in range(7)]


@pytest.fixture(autouse=True)
def _stage(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBPIPE_URL", service.url)
    monkeypatch.setenv("JOBPIPE_API_KEY", KEY)


LOST = [{0}, {3}, {6}, {0, 1, 2}, set(range(7))]


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_all_readable_items_are_yielded_before_the_error(
    client: Client, service: Service, ids: list[str], lost: set[int]
) -> None:
    service.lost = {ids[place] for place in lost}
    found: list[str] = []
    with pytest.raises(ItemsUnreadable) as caught:
        found.extend(item.id for item in client.iter_items(page_size=2))
    assert found == [item_id for place, item_id in enumerate(ids) if place not in lost]
    assert caught.value.item_ids == tuple(ids[place] for place in sorted(lost))


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_a_callback_gets_each_id(client: Client, service: Service, ids: list[str], lost: set[int]) -> None:
    service.lost = {ids[place] for place in lost}
    told: list[str] = []
    assert len(list(client.iter_items(page_size=3, on_unreadable=told.append))) == 7 - len(lost)
    assert told == [ids[place] for place in sorted(lost)]


def test_the_message_names_some_of_many() -> None:
    assert str(ItemsUnreadable(["a", "b"])) == "unreadable items were left out: a, b"
    assert str(ItemsUnreadable([str(n) for n in range(1, 1013)])).endswith(
        ": 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,002 more"
    )


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("into", ["file", "pipe"])
def test_an_export_has_all_others_and_is_an_error(
    form: str, into: str, service: Service, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.lost = {ids[2], ids[5]}
    file = tmp_path / f"items.{form}"
    assert main(["export", str(file)] if into == "file" else ["export", "--format", form]) == 1
    said = capsys.readouterr()
    exported = file.read_text() if into == "file" else said.out
    assert [item_id in exported for item_id in ids] == [True, True, False, True, True, False, True]
    assert said.err.splitlines() == [
        f"item {ids[2]} cannot be read",
        f"item {ids[5]} cannot be read",
        (
            "jobpipe: 2 items are left out, since their documents are missing; `jobpipe audit` reports details (if "
            "one was written in the last half hour, try again)"
        ),
    ]


def test_an_export_says_in_json_what_is_missing(
    service: Service, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.lost = {ids[2]}
    assert main(["export", str(tmp_path / "items.csv"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["items"], told["unreadable"]) == (6, [ids[2]])


@pytest.mark.parametrize("options", [[], ["--json"], ["--limit", "6"]], ids=str)
def test_a_list_shows_all_others_and_is_an_error(
    options: list[str], service: Service, ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    service.lost = {ids[0]}
    assert main(["items", "list", *options]) == 1
    said = capsys.readouterr()
    assert [item_id in said.out for item_id in ids] == [False] + [True] * 6
    assert f"item {ids[0]} cannot be read" in said.err


def test_a_complete_list_raises_nothing(ids: list[str], tmp_path: Path) -> None:
    assert main(["export", str(tmp_path / "items.csv")]) == 0
    assert main(["items", "list"]) == 0
