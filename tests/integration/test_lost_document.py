"""P6: if a document is lost, the list continues and names the item, and only a GET of the item itself fails."""

from __future__ import annotations

from tests.helpers.deployed import Stage, lost, problem, unique

LARGE = {"description": "x" * 5_000}  # not in the row


def listed(stage: Stage) -> tuple[set[str], set[str]]:
    """Return the ids of the items on all pages, and the ids of the unreadable ones."""
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
        # S3 may still find a document that was just written; tests/unit/api/test_item_pages.py tests later losses.
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
    assert set(ids) <= listed(stage)[0]
