"""submit_many: it fills batches, limits its memory and requests, and keeps the order of each item's commands."""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES
from jobpipe.domain.jobs.batch import MAX_COMMANDS as SERVICE_COMMANDS
from jobpipe_client import Client, Submission
from jobpipe_client.many import LONGEST_KEY, MAX_BODY, MAX_COMMANDS
from tests.client.many import Command, batches, create, eventually, keys, merge, senders
from tests.client.service import Service


def test_submissions_come_in_the_order_of_the_commands(client: Client, service: Service) -> None:
    commands = [create() for _ in range(25)]
    submissions = list(client.submit_many(commands, batch_size=10))
    assert [each.place for each in submissions] == list(range(25))
    assert [each.command for each in submissions] == commands
    assert all(each.accepted and each.item_id and each.batch_id for each in submissions)
    assert sorted(len(batch) for batch in batches(service)) == [5, 10, 10]
    assert len({each.job_id for each in submissions}) == len(service.jobs) == 25
    assert len({each.batch_id for each in submissions}) == len(set(keys(service))) == 3
    assert {each.retry_after for each in submissions} == {0.05}


def test_no_commands_need_no_request(client: Client, service: Service) -> None:
    assert list(client.submit_many([])) == []
    assert service.seen == []


def test_the_limits_equal_those_of_the_service() -> None:
    assert (MAX_COMMANDS, MAX_BODY) == (SERVICE_COMMANDS, MAX_DOCUMENT_BYTES)


def test_commands_are_read_while_others_are_sent(client: Client, service: Service) -> None:
    read: list[int] = []

    def commands() -> Iterator[Command]:
        for n in itertools.count():
            read.append(n)
            yield create()

    many = client.submit_many(commands(), concurrency=2, batch_size=5)
    assert read == [], "not before somebody asks"
    assert next(many).place == 0
    assert len(read) <= 2 * 2 * 5
    for _ in range(50):
        submission = next(many)
        assert len(read) <= submission.place - submission.place % 5 + (2 * 2 + 1) * 5
    many.close()


def test_no_more_requests_than_allowed_are_under_way(client: Client, service: Service) -> None:
    service.batches.open.clear()
    submissions: list[Submission] = []
    reader = threading.Thread(
        target=lambda: submissions.extend(
            client.submit_many((create() for _ in range(40)), concurrency=3, batch_size=2)
        )
    )
    reader.start()
    eventually(lambda: service.batches.under_way == 3)
    service.batches.open.set()
    reader.join()
    assert len(submissions) == 40
    assert service.batches.most_under_way == 3


def test_a_batch_closes_before_its_body_is_too_large(client: Client, service: Service) -> None:
    """Commands fill a body to the byte, exceed it by one byte, or exceed any body."""
    overhead = len('{"commands":[]}')
    bare = len('{"operation":"update","item_id":"a","merge":{"t":""}}')
    half = (MAX_BODY - overhead - 1) // 2
    sizes = [half, MAX_BODY - overhead - 1 - half, half, half + 1, MAX_BODY + 1, 100]
    commands = [merge("a", t="x" * (size - bare)) for size in sizes]
    submissions = list(client.submit_many(commands))
    assert [len(batch) for batch in batches(service)] == [2, 1, 1, 1, 1]
    lengths = [int(s.headers["content-length"]) for s in service.seen]
    assert lengths[0] == MAX_BODY
    assert [each.accepted for each in submissions] == [True] * 4 + [False, True]
    refused = submissions[4].problem
    assert refused is not None
    assert refused.slug == "too-large"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_each_invalid_command_has_its_problem(client: Client, service: Service, batch_size: int) -> None:
    """If all commands of a batch are invalid, the service refuses the whole batch with one problem."""
    commands: list[Command] = [{"operation": "fly"}, create(), {"operation": "update"}, {"operation": "read"}]
    commands += [{"operation": "fly"}] * 3
    submissions = list(client.submit_many(commands, batch_size=batch_size))
    assert [each.accepted for each in submissions] == [False, True, False, False, False, False, False]
    details = [each.problem.errors[0]["detail"] for each in submissions if each.problem]
    fly, missing = "There is no such operation.", "item_id is needed."
    assert details == [fly, missing, missing, fly, fly, fly]
    assert all(each.problem.status == 400 for each in submissions if each.problem)


def test_a_command_that_makes_the_body_unreadable_is_refused_alone(client: Client, service: Service) -> None:
    commands = [create() for _ in range(20)]
    commands[13] = create(price=10**40)
    submissions = list(client.submit_many(commands, key="k"))
    assert [each.place for each in submissions if not each.accepted] == [13]
    assert submissions[13].problem is not None
    assert "38 significant digits" in submissions[13].problem.detail
    assert [each.place for each in submissions] == list(range(20))
    again = list(client.submit_many(commands, key="k"))
    assert [each.job_id for each in again] == [each.job_id for each in submissions]
    assert len(service.jobs) == 19


def test_a_batch_waits_for_an_unanswered_one_with_a_command_for_the_same_item(
    client: Client, service: Service
) -> None:
    service.batches.open.clear()
    commands = [merge("a", n=1), merge("a", n=2), merge("b", n=1), create(), merge("b", n=2), merge("a", n=3)]
    submissions: list[Submission] = []
    reader = threading.Thread(
        target=lambda: submissions.extend(client.submit_many(commands, batch_size=1, concurrency=6))
    )
    reader.start()
    eventually(lambda: service.batches.under_way == 3)
    assert sorted(batches(service), key=str) == sorted([[commands[0]], [commands[2]], [commands[3]]], key=str)
    service.batches.open.set()
    reader.join()
    assert [each.place for each in submissions] == list(range(6))
    sent = [batch[0] for batch in batches(service)]
    assert [c for c in sent if c.get("item_id") == "a"] == [commands[0], commands[1], commands[5]]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.lists(st.sampled_from("abcdef-"), max_size=60),
    batch_size=st.integers(1, 8),
    concurrency=st.integers(1, 5),
    failing=st.sets(st.integers(0, 60), max_size=5),
)
def test_each_items_commands_take_effect_in_their_order(
    client: Client, service: Service, items: list[str], batch_size: int, concurrency: int, failing: set[int]
) -> None:
    """This holds for any batch size and concurrency, and if any commands are not queued at first."""
    commands = [create(n=n) if item == "-" else merge(item, n=n) for n, item in enumerate(items)]
    once = set(failing)

    def cannot_queue(command: Command) -> bool:
        n = (command.get("merge") or command["item"])["n"]
        if n in once:
            once.discard(n)
            return True
        return False

    service.batches.cannot_queue = cannot_queue
    service.applied.clear()
    submissions = list(client.submit_many(commands, batch_size=batch_size, concurrency=concurrency))
    assert [each.command for each in submissions] == commands
    assert all(each.accepted for each in submissions)
    eventually(lambda: len(service.applied) == len(commands))
    for item in "abcdef":
        effects = [command for command in service.applied if command.get("item_id") == item]
        assert effects == [command for command in commands if command.get("item_id") == item]


def test_a_command_that_has_no_json_form_raises_value_error(client: Client) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        list(client.submit_many([create(price=float("nan"))]))


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"batch_size": 0}, {"batch_size": 101}, {"key": "a b"}])
def test_unusable_arguments_raise_value_error_at_once(client: Client, wrong: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        client.submit_many([], **wrong)


def test_the_longest_key_leaves_room_for_numbers_and_halves(client: Client, service: Service) -> None:
    commands = [create() for _ in range(99)] + [create(price=10**40)]
    submissions = list(client.submit_many(commands, key="k" * LONGEST_KEY))
    assert [each.place for each in submissions if not each.accepted] == [99]
    with pytest.raises(ValueError, match="1 to 200"):
        client.submit_many([], key="k" * (LONGEST_KEY + 1))


def test_closing_early_ends_the_sending(client: Client, service: Service) -> None:
    many = client.submit_many((create() for _ in itertools.count()), batch_size=5)
    next(many)
    many.close()
    assert senders() == []
    sent = len(service.seen)
    assert list(many) == []
    assert len(service.seen) == sent
