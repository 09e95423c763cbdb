"""A client that was used before a fork: gunicorn --preload, Celery's prefork, multiprocessing.

Each test forks in a process of its own, which has no thread but those of the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.counted_server import CountedServer, counted_server
from tests.client.service import KEY, Service

ROOT = Path(__file__).parents[2]
PRELUDE = """
import os, signal, sys, threading
from jobpipe_client import Client

client = Client(sys.argv[1], sys.argv[2], request_timeout=10, retries=0)

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a child that waits for ever ends
        try:
            work()
        except SystemExit:
            raise
        except BaseException as error:
            print(f"the child failed: {type(error).__name__}: {error}", flush=True)
            os._exit(1)
        sys.exit(0)  # not os._exit, so that the end of the process frees its objects
    ended = os.waitpid(pid, 0)[1]
    assert ended == 0, f"the child ended with {ended}"
"""


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CountedServer]:
    with counted_server(tmp_path if request.param == "https" else None) as server:
        yield server


def run(url: str, script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + textwrap.dedent(script), url, KEY],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def run_against(server: CountedServer, script: str) -> str:
    trusted = {} if server.certificates is None else {"REQUESTS_CA_BUNDLE": str(server.certificates)}
    return run(server.url, script, **trusted)


def test_a_child_has_its_own_connections_and_leaves_its_parents_open(server: CountedServer) -> None:
    run_against(
        server,
        """
        def look(name):
            client.transport.get("/health", {"by": name})

        look("parent")
        in_child(lambda: (look("child"), in_child(lambda: look("grandchild")), look("child"), client.close()))
        look("parent")
        in_child(lambda: look("second child"))
        look("parent")
        """,
    )
    paths = [[path.rpartition("=")[2] for path in connection] for connection in server.seen]
    assert paths == [["parent"] * 3, ["child"] * 2, ["grandchild"], ["second+child"]]


def test_the_connections_of_other_threads_are_left_open_too(server: CountedServer) -> None:
    run_against(
        server,
        """
        seen, forked = threading.Event(), threading.Event()

        def other():
            client.transport.get("/health", {"by": "thread"})
            seen.set()
            forked.wait(20)
            client.transport.get("/health", {"by": "thread"})

        thread = threading.Thread(target=other)
        thread.start()
        seen.wait(20)
        in_child(lambda: (client.transport.get("/health", {"by": "child"}), client.close()))
        forked.set()
        thread.join()
        """,
    )
    paths = [[path.rpartition("=")[2] for path in connection] for connection in server.seen]
    assert paths == [["thread"] * 2, ["child"]]


def test_locks_that_another_thread_had_at_the_fork_are_not_waited_for() -> None:
    with counted_server() as server:
        run_against(
            server,
            """
            client.health()
            sessions = client.transport._sessions
            (pool,) = sessions.current().get_adapter("http://")._pools
            taken, forked = threading.Event(), threading.Event()

            def hold():
                with sessions._lock, pool.pool.mutex:
                    taken.set()
                    forked.wait(30)

            thread = threading.Thread(target=hold)
            thread.start()
            taken.wait(20)
            in_child(lambda: (client.health(), client.close()))
            forked.set()
            thread.join()
            client.health()
            """,
        )
        assert [len(connection) for connection in server.seen] == [2, 1]


def test_submissions_continue_only_in_the_process_that_began_them(service: Service) -> None:
    output = run(
        service.url,
        """
        commands = [{"operation": "create", "item": {"name": f"Peg {n}", "description": "d"}} for n in range(30)]
        submissions = client.submit_many(commands, batch_size=5, concurrency=2, key="pegs")
        first = next(submissions)

        def go_on():
            try:
                list(submissions)
            except RuntimeError as error:
                print(error, flush=True)

        in_child(go_on)
        in_child(lambda: submissions.close())
        print(len([first, *submissions]), flush=True)
        """,
    )
    assert output.splitlines() == [
        "only the process that began these submissions can continue them",
        "30",
    ]
    assert len(service.jobs) == 30
    assert len([seen for seen in service.seen if seen.path == "/batches"]) == 6
