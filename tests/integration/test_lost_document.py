"""P6: if a document is lost, the list continues and names the item, and only a GET of the item itself fails."""

from __future__ import annotations

from tests.helpers.deployed import Stage, lost, problem, unique

LARGE = {"description": "x" * 5_000}  # not in the row


def listed(stage: Stage) -> tuple[set[str], set[str]]:
    """From all pages: the ids of the items, and of those that could not be read."""
    shown: set[str] = set()
    unreadable: set[str] = set()
    target = "/items?limit=7"
    while target:
        answer = stage.request("GET", target)
        assert answer.status_code == 200, answer.text
        shown |= {item["id"] for item in answer.json()}
        unreadable |= set(filter(None, answer.headers.get("Unreadable-Items", "").split(", ")))
        following = answer.links.get("next")
        target = f"/{following['url']}" if following else ""
    return shown, unreadable


def test_a_lost_document_hides_no_other_item(stage: Stage) -> None:
    ids = [stage.client.sync.create({"name": unique("Lost"), **LARGE}).id for _ in range(3)]
    with lost(stage, ids[1]):
        shown, unreadable = listed(stage)
        assert {ids[0], ids[2]} <= shown
        assert ids[1] not in shown
        assert ids[1] in unreadable
        answer = stage.request("GET", f"/items/{ids[1]}")
        # It was written just now, so S3 may yet find it; tests/unit/test_item_pages.py has what was lost long ago.
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
    assert set(ids) <= listed(stage)[0]
