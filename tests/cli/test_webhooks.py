"""jobpipe webhooks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import documents
from tests.client.service import Canned, Service
from tests.client.service_state import problem

URL = "https://receiver.example/in"


def created(jobpipe: Jobpipe, *more: str) -> dict[str, Any]:
    (made,) = documents(jobpipe.does("webhooks", "create", URL, "--event", "job.ended", "--json", *more))
    return dict(made)


def test_a_webhook_is_created_with_its_secret_and_shown_without(jobpipe: Jobpipe, service: Service) -> None:
    done = jobpipe(
        "webhooks", "create", URL, "--event", "job.ended", "--event", "item.changed", "--collection", "a"
    )
    assert done.exit_code == 0
    assert service.seen[-1].body == {"url": URL, "events": ["job.ended", "item.changed"], "collections": ["a"]}
    rows = dict(line.split("\t") for line in done.stdout.splitlines())
    assert rows["secret"].startswith("whsec_")
    assert (rows["url"], rows["events"], rows["collections"]) == (URL, "job.ended, item.changed", "a")
    assert done.stderr == "keep the secret: no other command shows it\n"
    shown = jobpipe.does("webhooks", "show", rows["webhook"])
    assert "whsec_" not in shown
    assert "state\ton\n" in shown
    assert jobpipe.does("webhooks", "list").split("\t")[0] == rows["webhook"]
    assert "whsec_" not in jobpipe.does("webhooks", "list", "--json")


def test_the_same_key_is_the_same_webhook(jobpipe: Jobpipe) -> None:
    first, second = (created(jobpipe, "--idempotency-key", "k") for _ in range(2))
    assert first == second
    assert len(documents(jobpipe.does("webhooks", "list", "--json"))) == 1


def test_a_webhook_is_changed_paused_and_resumed(jobpipe: Jobpipe, service: Service) -> None:
    webhook_id = created(jobpipe)["id"]
    jobpipe.does("webhooks", "change", webhook_id, "--url", f"{URL}2", "--event", "item.changed")
    assert service.seen[-1].body == {"url": f"{URL}2", "events": ["item.changed"]}
    jobpipe.does("webhooks", "change", webhook_id, "--all-collections")
    assert service.seen[-1].body == {"collections": []}
    jobpipe.does("webhooks", "change", webhook_id, "--collection", "items", "--collection", "orders")
    assert service.seen[-1].body == {"collections": ["items", "orders"]}
    assert "state\tpaused\n" in jobpipe.does("webhooks", "pause", webhook_id)
    assert "state\ton\n" in jobpipe.does("webhooks", "resume", webhook_id)
    assert service.seen[-1].body == {"paused": False}
    before = len(service.seen)
    jobpipe.fails(2, "webhooks", "change", webhook_id)
    jobpipe.fails(2, "webhooks", "change", webhook_id, "--all-collections", "--collection", "items")
    assert len(service.seen) == before


def test_why_a_webhook_is_paused_is_shown(jobpipe: Jobpipe, service: Service) -> None:
    webhook_id = created(jobpipe)["id"]
    assert service.webhooks is not None
    service.webhooks.rows[webhook_id] |= {
        "paused": True,
        "paused_by_failures": True,
        "failing_since": "2026-11-22T20:57:44.123Z",
    }
    state = "paused because its receiver failed, failing since 2026-11-22 20:57:44"
    assert f"state\t{state}\n" in jobpipe.does("webhooks", "show", webhook_id)
    assert f"\t{state}\t" in jobpipe.does("webhooks", "list")


def test_a_secret_is_rotated(jobpipe: Jobpipe) -> None:
    made = created(jobpipe)
    done = jobpipe("webhooks", "rotate", made["id"])
    assert done.stderr == "keep the secret: no other command shows it\n"
    secret = re.search("^secret\t(.*)$", done.stdout, re.MULTILINE)
    assert secret is not None
    assert secret[1] != made["secret"]
    assert "old secret until\t2100-" in done.stdout
    keyed = ("webhooks", "rotate", made["id"], "--idempotency-key", "k", "--json")
    assert jobpipe.does(*keyed) == jobpipe.does(*keyed)


def test_a_test_is_sent_and_deliveries_are_listed(jobpipe: Jobpipe) -> None:
    webhook_id = created(jobpipe)["id"]
    events = [jobpipe.does("webhooks", "test", webhook_id).strip() for _ in range(3)]
    lines = [line.split("\t") for line in jobpipe.does("webhooks", "deliveries", webhook_id).splitlines()]
    assert [cells[0] for cells in lines] == events[::-1]
    assert lines[0][1:] == ["webhook.test", "delivered", "1", "204, 3 ms", "", f"webhooks/{webhook_id}"]
    listed = documents(jobpipe.does("webhooks", "deliveries", webhook_id, "--limit", "2", "--json"))
    assert [each["event"] for each in listed] == events[:0:-1]
    assert documents(jobpipe.does("webhooks", "test", webhook_id, "--json"))[0]["event"]


def test_the_deliveries_of_a_job_are_listed_for_one_webhook_or_for_all(jobpipe: Jobpipe) -> None:
    first, second = (created(jobpipe)["id"] for _ in range(2))
    event, _ = (jobpipe.does("webhooks", "test", webhook_id).strip() for webhook_id in (first, second))
    job_id = event.split("-")[1]
    of_one = jobpipe.does("webhooks", "deliveries", first, "--job", job_id).splitlines()
    assert [line.split("\t")[0] for line in of_one] == [event]
    of_all = jobpipe.does("webhooks", "deliveries", "--job", job_id).splitlines()
    assert [line.split("\t")[:3] for line in of_all] == [[first, event, "webhook.test"]]
    (document,) = documents(jobpipe.does("webhooks", "deliveries", "--job", job_id, "--json"))
    assert (document["webhook"], document["event"]) == (first, event)
    assert jobpipe.does("webhooks", "deliveries", second, "--job", job_id) == ""
    assert "Name a webhook, or say --job" in jobpipe.fails(2, "webhooks", "deliveries")


def test_a_failed_attempt_says_why_and_when_it_is_repeated(jobpipe: Jobpipe, service: Service) -> None:
    webhook_id = created(jobpipe)["id"]
    jobpipe.does("webhooks", "test", webhook_id)
    assert service.webhooks is not None
    delivery = service.webhooks.deliveries[webhook_id][0]
    delivery["attempts"].append(
        {"at": delivery["created_at"], "milliseconds": 10000, "status": None, "error": "no answer", "replay": False}
    )
    delivery |= {"state": "pending", "due": "2026-11-22T20:57:49.000Z"}
    cells = jobpipe.does("webhooks", "deliveries", webhook_id).split("\t")
    assert cells[2:6] == ["pending", "2", "no answer, 10000 ms", "2026-11-22 20:57:49"]


def test_events_are_replayed(jobpipe: Jobpipe, service: Service) -> None:
    webhook_id = created(jobpipe)["id"]
    event = jobpipe.does("webhooks", "test", webhook_id).strip()
    since = "2026-11-22T00:00:00Z"
    assert jobpipe.does("webhooks", "replay", webhook_id, event) == f"{event} is delivered again\n"
    assert documents(jobpipe.does("webhooks", "replay", webhook_id, "--since", since, "--json")) == [
        {"since": since}
    ]
    assert service.webhooks is not None
    assert service.webhooks.replayed == [{"event": event}, {"since": since}]
    assert "404" in jobpipe.fails(1, "webhooks", "replay", webhook_id, "20261122205744123-x-ended")
    jobpipe.fails(2, "webhooks", "replay", webhook_id)
    jobpipe.fails(2, "webhooks", "replay", webhook_id, event, "--since", since)


def test_a_webhook_is_deleted(jobpipe: Jobpipe) -> None:
    webhook_id = created(jobpipe)["id"]
    assert jobpipe.does("webhooks", "delete", webhook_id) == f"{webhook_id} is deleted\n"
    assert "404" in jobpipe.fails(1, "webhooks", "delete", webhook_id)
    webhook_id = created(jobpipe)["id"]
    assert documents(jobpipe.does("webhooks", "delete", webhook_id, "--json")) == [{"deleted": webhook_id}]


def test_mistakes_and_refusals_are_one_line(jobpipe: Jobpipe, service: Service) -> None:
    jobpipe.fails(2, "webhooks", "create", URL)
    assert service.seen == []
    service.canned.append(Canned(400, {}, problem(400, detail="The URL of a webhook must begin with https://.")))
    assert "must begin with https://" in jobpipe.fails(1, "webhooks", "create", "http://x/", "--event", "job.ended")
    assert "cannot be an id" in jobpipe.fails(1, "webhooks", "show", "..")
    service.webhooks = None
    for command in (("list",), ("test", "w"), ("deliveries", "w")):
        assert jobpipe.fails(1, "webhooks", *command) == "jobpipe: 409 events-off: It needs Events=on."


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\tb\nc"])
def test_control_characters_of_a_url_are_escaped(jobpipe: Jobpipe, service: Service, text: str) -> None:
    webhook_id = created(jobpipe)["id"]
    assert service.webhooks is not None
    service.webhooks.rows[webhook_id]["url"] = text
    for command in (("list",), ("show", webhook_id), ("show", webhook_id, "--json")):
        shown = jobpipe.does("webhooks", *command)
        assert text not in shown
        assert "\x1b" not in shown
