"""The commands about jobs and items on the service in memory: what they print, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tenacity

from tests.cli.conftest import Jobpipe
from tests.client.service import KEY, Canned, Service, problem
from tests.helpers import commands

TENT = {"name": "Tent", "description": "For two"}
CREATE = json.dumps({"operation": "create", "item": TENT})


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def a_job(jobpipe: Jobpipe, *more: str, command: str = CREATE) -> dict[str, Any]:
    (job,) = documents(jobpipe("submit", command, "--json", *more).stdout)
    return dict(job)


def a_failed_job(jobpipe: Jobpipe) -> dict[str, Any]:
    return a_job(jobpipe, "--wait", command='{"operation": "read", "item_id": "none"}')


def test_submit_queues_one_command(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    service.pause()
    assert a_job(jobpipe, "--idempotency-key", "k")["status"] == "queued"
    Path("command.json").write_text(CREATE)
    assert jobpipe("submit", "command.json", "--idempotency-key", "k").exit_code == 0
    assert jobpipe("submit", "-", said=CREATE).exit_code == 0
    keys = [seen.headers["idempotency-key"] for seen in service.seen]
    assert keys[:2] == ["k", "k"]
    assert [seen.body for seen in service.seen] == [json.loads(CREATE)] * 3


def test_how_a_job_ended_is_the_exit_status(jobpipe: Jobpipe, service: Service) -> None:
    assert jobpipe("submit", CREATE, "--wait").exit_code == 0
    done = jobpipe("submit", CREATE, "--wait")
    assert done.exit_code == 3
    assert "name-taken" in done.stdout
    job = a_failed_job(jobpipe)
    assert jobpipe("status", job["id"]).exit_code == jobpipe("wait", job["id"]).exit_code == 3
    service.pause()
    waiting = a_job(jobpipe)
    assert jobpipe("status", waiting["id"]).exit_code == 0
    assert f"job {waiting['id']} is still queued" in jobpipe.fails(4, "wait", waiting["id"], "--timeout", "0.2")
    assert jobpipe.does("cancel", waiting["id"], "--json").count('"cancelled"') == 1
    assert jobpipe("wait", waiting["id"]).exit_code == 3


def test_jobs_are_waited_for_together(jobpipe: Jobpipe) -> None:
    jobs = [a_job(jobpipe, command=CREATE.replace("Tent", f"T{n}"))["id"] for n in range(3)]
    ended = documents(jobpipe.does("wait", *jobs, "--json"))
    assert sorted(job["id"] for job in ended) == sorted(jobs)
    assert {job["status"] for job in ended} == {"succeeded"}


def test_a_job_that_is_not_there_is_a_line_and_the_others_are_shown(jobpipe: Jobpipe) -> None:
    job = a_job(jobpipe, "--wait")
    for command in ("status", "wait"):
        done = jobpipe(command, "none", job["id"])
        assert done.exit_code == 1
        assert done.stderr == "jobpipe: none: 404 not-found: no\n"
        assert done.stdout.startswith(job["id"])
    assert "job-ended" in jobpipe.fails(1, "cancel", job["id"])
    assert "cannot be an id" in jobpipe.fails(1, "status", "..")


def test_failed_jobs_are_listed_and_retried(jobpipe: Jobpipe) -> None:
    jobs = [a_failed_job(jobpipe)["id"] for _ in range(3)]
    assert [job["id"] for job in documents(jobpipe.does("failed", "--json"))] == jobs[::-1]
    assert len(jobpipe.does("failed", "--limit", "2").splitlines()) == 2
    assert jobpipe.does("retrying") == ""
    assert documents(jobpipe.does("retry", jobs[0], "--json"))[0]["status"] == "queued"
    jobpipe("wait", jobs[0])
    retried = documents(jobpipe.does("retry", "--reason", "not-found", "--json"))
    assert {job["id"] for job in retried} == set(jobs)
    jobpipe.fails(2, "retry")
    jobpipe.fails(2, "retry", jobs[0], "--all-failed")
    jobpipe.fails(2, "retry", jobs[0], "--reason", "not-found")


def with_reasons(jobpipe: Jobpipe, service: Service, *reasons: str) -> list[str]:
    """Failed jobs, one for each reason."""
    statuses = {"name-taken": 409, "not-found": 404, "attempts-spent": 500, "unavailable": 503}
    jobs = [str(a_failed_job(jobpipe)["id"]) for _ in reasons]
    service.pause()
    for job, reason in zip(jobs, reasons, strict=True):
        service.jobs[job]["error"] = problem(statuses[reason], reason)
    return jobs


def test_all_failed_retries_what_was_interrupted_and_counts_the_rest_by_reason(
    jobpipe: Jobpipe, service: Service
) -> None:
    jobs = with_reasons(jobpipe, service, "name-taken", "attempts-spent", "not-found", "unavailable", "name-taken")
    done = jobpipe("retry", "--all-failed", "--json")
    assert done.exit_code == 0
    assert {job["id"] for job in documents(done.stdout)} == {jobs[1], jobs[3]}
    assert [service.jobs[job]["status"] for job in jobs] == ["failed", "queued", "failed", "queued", "failed"]
    assert done.stderr.splitlines() == [
        "2 retried",
        "2 left: name-taken (--reason name-taken retries them)",
        "1 left: not-found (--reason not-found retries them)",
    ]
    assert jobpipe("retry", "--all-failed").stderr.splitlines()[0] == "0 retried"


def test_a_reason_retries_what_a_rule_refused(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "name-taken", "attempts-spent", "not-found")
    done = jobpipe("retry", "--reason", "name-taken", "--reason", "not-found")
    assert (done.exit_code, done.stderr) == (0, "2 retried\n")
    assert [service.jobs[job]["status"] for job in jobs] == ["queued", "failed", "queued"]
    done = jobpipe("retry", "--all-failed", "--reason", "name-tkaen")
    assert "1 left: attempts-spent" in done.stderr, "the existing reasons, if no job has that one"


def test_what_the_service_cannot_retry_is_counted_and_the_others_go_on(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "unavailable", "unavailable", "attempts-spent")
    # In the order in which they are listed, the latest first.
    service.canned.extend(
        [
            Canned(200, {}, [service.jobs[job] for job in reversed(jobs)]),
            Canned(409, {}, problem(409, "job-ended", "There is no command to retry.")),
        ]
    )
    done = jobpipe("retry", "--all-failed")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == ["2 retried", "1 cannot be retried: There is no command to retry."]
    assert [service.jobs[job]["status"] for job in jobs] == ["queued", "queued", "failed"]


def test_retried_jobs_are_reported_if_the_service_fails_meanwhile(jobpipe: Jobpipe, service: Service) -> None:
    jobs = with_reasons(jobpipe, service, "unavailable", "attempts-spent")
    listed = Canned(200, {}, [service.jobs[job] for job in jobs])
    service.canned.extend([listed, Canned(202, {}, service.jobs[jobs[0]]), Canned(403, {}, problem(403))])
    done = jobpipe("retry", "--all-failed")
    assert done.exit_code == 1
    assert "1 retried" in done.stderr.splitlines()
    assert "forbidden" in done.stderr


def test_items_are_written_and_read(jobpipe: Jobpipe) -> None:
    (item,) = documents(
        jobpipe.does("items", "create", "name=Tent", "description=For=two", "price:=12.5", "a:=null", "--json")
    )
    assert (item["description"], item["price"], item["a"]) == ("For=two", 12.5, None)
    one = item["id"]
    jobpipe.does("items", "set", one, '{"price": 11, "size": {"x": 1, "y": 2}}')
    jobpipe.does("items", "merge", one, 'size:={"x": null}')
    (shown,) = documents(jobpipe.does("items", "get", one, "--json"))
    assert (shown["price"], shown["size"]) == (11, {"y": 2})
    assert "(etag)" in jobpipe.does("items", "get", one)
    jobpipe.does("items", "create", json.dumps({**TENT, "name": "Other"}))
    assert len(jobpipe.does("items", "list").splitlines()) == 2
    assert len(documents(jobpipe.does("items", "list", "--json", "--limit", "1"))) == 1
    assert jobpipe.does("items", "delete", one) == "deleted\n"
    assert "404 not-found" in jobpipe.fails(1, "items", "get", one)


def test_how_a_write_of_an_item_ended_is_the_exit_status(jobpipe: Jobpipe, service: Service) -> None:
    jobpipe.does("items", "create", "name=Tent", "description=d")
    assert "409 name-taken" in jobpipe.fails(3, "items", "create", "name=Tent", "description=d")
    assert "404 not-found" in jobpipe.fails(3, "items", "set", "none", "a=b")
    (item_id,) = service.items
    jobpipe.fails(3, "items", "set", item_id, "a=b", "--if-match", '"old"')
    jobpipe.fails(1, "items", "create", "name=x")
    preferred = {"Preference-Applied": "wait=5"}
    for status, slug in ((413, "too-large"), (500, "internal-error")):
        service.canned.append(Canned(status, preferred, problem(status, slug)))
        jobpipe.fails(3, "items", "merge", item_id, "a=b")
    service.canned.append(Canned(404, {}, "<html>No such page</html>"))
    jobpipe.fails(1, "items", "merge", item_id, "a=b")
    jobpipe.fails(2, "items", "set", item_id, "a", "b")
    jobpipe.fails(2, "items", "set", item_id, "a:={")
    service.pause()
    jobpipe.fails(4, "items", "delete", item_id, "--timeout", "0.2")
    assert "queued" in jobpipe.does("items", "delete", item_id, "--no-wait")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1, "a": 2}', "none.json"])
def test_what_is_no_command_is_one_line(jobpipe: Jobpipe, service: Service, text: str) -> None:
    jobpipe.fails(1, "submit", text)
    assert service.seen == []


def test_hostile_text_does_not_steer_the_terminal(jobpipe: Jobpipe, service: Service) -> None:
    name = "\x1b[31mred\u202e\x07\r\n\u009b"
    service.items["i"] = {"id": "i", "name": name, "description": "[bold]d"}
    for arguments in (("items", "list"), ("items", "get", "i"), ("items", "get", "i", "--json"), ("export",)):
        shown = jobpipe.does(*arguments)
        assert all(c.isprintable() or c in "\n\t" for c in shown), shown
    assert json.loads(jobpipe.does("items", "get", "i", "--json"))["name"] == name
    assert json.loads(jobpipe.does("export"))["name"] == name
    service.canned.append(Canned(404, {}, problem(404, detail=name)))
    assert jobpipe.fails(1, "items", "get", "i").isprintable()


@pytest.mark.parametrize(
    "environment",
    [
        {"JOBPIPE_URL": "http://127.0.0.1:9"},
        {"JOBPIPE_URL": "nonsense"},
        {"JOBPIPE_URL": ""},
        {"JOBPIPE_API_KEY": "wrong"},
        {"JOBPIPE_API_KEY": "\n"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "arguments", [("submit", CREATE), ("status", "j"), ("failed",), ("export",), ("items", "list")], ids=str
)
def test_a_stage_that_cannot_be_reached_is_one_line(
    jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("jobpipe_client.transport._BACKOFF", lambda _: 0)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    jobpipe.fails(1, *arguments)


def test_a_stage_that_is_not_deployed_is_one_line(jobpipe: Jobpipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBPIPE_URL")
    monkeypatch.delenv("JOBPIPE_API_KEY")
    for arguments in (("--stage", "nowhere", "failed"), ("failed", "--stage", "nowhere")):
        assert "deploy the stage 'nowhere' first" in jobpipe.fails(1, *arguments)


@pytest.mark.parametrize("interval", ["inf", "nan", "1e10", "0.1"])
@pytest.mark.parametrize("command", ["watch", "stats"])
def test_an_interval_is_between_a_moment_and_a_day(jobpipe: Jobpipe, command: str, interval: str) -> None:
    jobpipe.fails(2, command, "--interval", interval)


def test_a_timeout_is_a_number(jobpipe: Jobpipe) -> None:
    jobpipe.fails(2, "wait", "some", "--timeout", "nan")


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252"])
def test_what_goes_to_a_program_is_utf_8(service: Service, encoding: str) -> None:
    service.items["i"] = {"id": "i", "name": "Zelt für \U0001f3d5", "description": "d"}
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, PYTHONIOENCODING=encoding)
    for arguments in (["items", "list", "--json"], ["export", "--format", "jsonl"]):
        command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
        done = subprocess.run(command, cwd=commands.ROOT, env=env, check=True, capture_output=True)
        assert json.loads(done.stdout.decode("utf-8")) == service.items["i"]


def test_the_console_is_named(jobpipe: Jobpipe, service: Service) -> None:
    assert jobpipe.does("open", "--print") == f"{service.url}/console\n"
    assert json.loads(jobpipe.does("open", "--print", "--json")) == {"url": f"{service.url}/console"}


def test_stats_in_both_forms(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    a_job(jobpipe)
    done = jobpipe("stats")
    assert done.exit_code == 0
    assert "waiting\t1\n" in done.stdout
    assert "oldest\tunknown\n" in done.stdout
    assert done.stderr.startswith("no outcomes: ")
    told = json.loads(jobpipe.does("stats", "--json"))
    assert (told["waiting"], told["parked"], told["outcomes"]) == (1, 0, None)
    assert told["outcomes_missing"]


def test_watch_tells_each_change_until_the_jobs_have_ended(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    job = a_job(jobpipe)["id"]
    with started(service, "watch", job, "--interval", "0.2", "--json") as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["status"] == "queued"
        service.resume()
        said, complained = watching.communicate(timeout=30)
    assert watching.returncode == 0, complained
    assert [each["status"] for each in documents(said)] == ["succeeded"]
    assert jobpipe("watch", a_failed_job(jobpipe)["id"]).exit_code == 3
    assert jobpipe.fails(1, "watch", "none")


@pytest.mark.parametrize(("by", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_watching(jobpipe: Jobpipe, service: Service, by: signal.Signals, status: int) -> None:
    a_failed_job(jobpipe)
    with started(service, "watch", "--interval", "0.2") as watching:
        assert watching.stdout is not None
        assert "failed" in watching.stdout.readline()
        watching.send_signal(by)
        _, complained = watching.communicate(timeout=30)
    assert (watching.returncode, complained) == (status, "jobpipe: interrupted\n")


@contextmanager
def started(service: Service, *arguments: str, **how: Any) -> Iterator[subprocess.Popen[str]]:
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
    with subprocess.Popen(command, cwd=commands.ROOT, env=env, text=True, **pipes) as running:
        try:
            yield running
        finally:  # whatever failed meanwhile, it does not stay
            running.kill()


def test_a_reader_who_has_seen_enough_is_no_error(service: Service) -> None:
    service.items = {str(n): {"id": str(n), "name": f"N{n}", "description": "x" * 1000} for n in range(2000)}
    with started(service, "export") as exporting:
        assert exporting.stdout is not None
        exporting.stdout.readline()
        exporting.stdout.close()
        assert exporting.stderr is not None
        assert exporting.stderr.read() == ""
        assert exporting.wait(30) == 0


@pytest.mark.parametrize("arguments", [("export",), ("items", "list"), ("failed", "--help")], ids=str)
def test_a_full_disk_is_one_line(service: Service, arguments: tuple[str, ...]) -> None:
    service.items["i"] = {"id": "i", **TENT}
    with Path("/dev/full").open("w") as full, started(service, *arguments, stdout=full) as running:
        _, complained = running.communicate(timeout=30)
    assert (running.returncode, complained) == (1, "jobpipe: No space left on device\n")


def test_a_terminal_gets_tables_and_without_colour_no_colour(service: Service) -> None:
    service.items["i"] = {"id": "i", **TENT}
    plain = on_a_terminal(service, {"NO_COLOR": "1"}, "items", "list")
    assert "│" in plain
    assert "\x1b[3" not in plain
    assert "│" in on_a_terminal(service, {"TERM": "dumb"}, "items", "list")
    assert "│" in on_a_terminal(service, {}, "items", "list", "--no-color")


def on_a_terminal(service: Service, more: dict[str, str], *arguments: str, status: int = 0) -> str:
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, TERM="xterm", COLUMNS="100")
    ours, theirs = os.openpty()
    command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
    with subprocess.Popen(command, cwd=commands.ROOT, env=env | more, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                some = os.read(ours, 4096)
            except OSError:  # Linux's end of a terminal
                break
            if not some:
                break
            shown += some
    os.close(ours)
    assert running.returncode == status, shown
    return shown.decode()


@pytest.mark.parametrize("arguments", [(), ("items",)], ids=str)
def test_nothing_asked_for_is_answered_with_the_help_as_it_is(service: Service, arguments: tuple[str, ...]) -> None:
    with started(service, *arguments) as running:
        _, complained = running.communicate(timeout=30)
    assert running.returncode == 2
    assert complained.startswith("Usage: jobpipe")
    assert len(complained.splitlines()) > 10


def test_an_export_into_a_pipe_or_a_device_leaves_it_what_it_is(service: Service, tmp_path: Path) -> None:
    service.items["i"] = {"id": "i", **TENT}
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(service, "export", str(pipe), "--format", "jsonl") as running:
        assert json.loads(pipe.read_text())["id"] == "i"
        running.communicate(timeout=30)
    assert running.returncode == 0
    assert pipe.is_fifo()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(jobpipe: Jobpipe, shell: str) -> None:
    assert "_JOBPIPE_COMPLETE" in jobpipe.does("completion", shell)


def test_operators_commands_need_a_checkout(service: Service, tmp_path: Path) -> None:
    """The client alone, as an installed one is."""
    (tmp_path / "jobpipe_client").symlink_to(commands.ROOT / "jobpipe_client")
    # Without `site` the checkout, which is installed here as it stands, is not on the path.
    path = [str(tmp_path), sysconfig.get_paths()["purelib"]]
    start = f"import sys; sys.path += {path}; from jobpipe_client.cli import main; sys.exit(main())"
    for name in ("audit", "redrive", "parked"):
        done = subprocess.run(
            (sys.executable, "-S", "-c", start, name, "--limit", "3"),
            cwd=tmp_path,
            env=commands.clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "jobpipe: this needs a checkout of jobpipe: run it there\n")


def test_operators_commands_take_their_own_options(jobpipe: Jobpipe) -> None:
    for name in ("audit", "redrive", "parked"):
        done = commands.run(
            sys.executable, "-m", "jobpipe_client.cli", name, "--help", env=commands.clean_environment()
        )
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: python -m scripts.{name}")
        wrong = commands.run(
            sys.executable, "-m", "jobpipe_client.cli", name, "--wrong", env=commands.clean_environment()
        )
        assert wrong.returncode == 2
        assert len(wrong.stderr.splitlines()) == 1


def test_every_command_has_examples_and_the_global_options(jobpipe: Jobpipe) -> None:
    shown = jobpipe.does("--help")
    for status in ("0", "1", "2", "3", "4", "130", "143"):
        assert f"\n  {status} " in shown
    for name in [line.split()[0] for line in shown.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]:
        if name not in {"items", "audit", "redrive", "parked"}:
            told = jobpipe.does(name, "--help")
            assert "Examples:\n" in told, name
            assert "--json" in told, name
    assert jobpipe.does("--version").startswith("jobpipe, version ")


@tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.05), reraise=True)
def until(condition: Any) -> None:
    assert condition()


def test_stats_are_watched_until_ctrl_c(service: Service) -> None:
    with started(service, "stats", "--watch", "--interval", "0.2", "--json") as watching:
        until(lambda: len([seen for seen in service.seen if seen.path == "/stats"]) >= 3)
        watching.send_signal(signal.SIGINT)
        said, complained = watching.communicate(timeout=30)
    assert watching.returncode == 130, complained
    assert len(documents(said)) >= 2


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra_the_command_says_so(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from jobpipe_client.cli import main; sys.exit(main([]))"
    done = commands.run(sys.executable, "-c", code, env=commands.clean_environment())
    assert done.returncode == 1
    assert done.stderr == "jobpipe: the command line needs more: pip install 'jobpipe-client[cli]'\n"


def test_a_number_beyond_any_exponent_is_one_line(jobpipe: Jobpipe, service: Service) -> None:
    huge = "1e" + "9" * 20
    assert "exponent" in jobpipe.fails(2, "items", "create", "name=A", "description=d", f"p:={huge}")
    assert "exponent" in jobpipe.fails(1, "submit", f'{{"operation": "create", "item": {{"p": {huge}}}}}')
    assert service.seen == []


def test_where_files_cannot_be_locked_all_but_an_import_works(jobpipe: Jobpipe, tmp_path: Path) -> None:
    """As on Windows, where Python has no fcntl."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(TENT))
    code = (
        "import sys; sys.modules['fcntl'] = None; from jobpipe_client.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    env = commands.clean_environment(JOBPIPE_URL="http://127.0.0.1:9", JOBPIPE_API_KEY=KEY)
    done = commands.run(sys.executable, "-c", code, "--version", env=env)
    assert (done.returncode, done.stdout[:17], done.stderr) == (0, "jobpipe, version ", "")
    done = commands.run(sys.executable, "-c", code, "import", str(path), env=env)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "POSIX" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]


def test_stats_run_no_code_of_the_folder_they_are_asked_in(service: Service, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "folder"
    shutil.copytree(commands.ROOT / "jobpipe_client", site / "jobpipe_client")
    for name in (
        "scripts/audit/__main__.py",
        "infra/targets/target.py",
        "jobpipe/domain/job.py",
        "scripts/stage/outcomes.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    # Without `site` the checkout, which is installed here as it stands, is not on the path.
    path = [str(site), sysconfig.get_paths()["purelib"]]
    start = f"import sys; sys.path[:1] = {path}; from jobpipe_client.cli import main; sys.exit(main())"
    done = subprocess.run(
        (sys.executable, "-S", "-c", start, "stats"),
        cwd=folder,
        env=commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "no outcomes: this needs the jobpipe of a checkout\n")
    assert not (tmp_path / "ran").exists()
