"""The benchmark itself: its recorded calls, its computations, and the files that it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from typing import Any

import pytest

from infra.errors import OperatorError
from infra.stage.stage_file import Deployment
from tests.bench import __main__ as bench
from tests.bench.laboratory.lambda_child import covered
from tests.bench.laboratory.recorder import Recorder, commands
from tests.bench.laboratory.rounds import Seconds, in_rounds, timed
from tests.bench.parts import profile_own_code
from tests.bench.parts.drain import batches_of, gb_seconds_of, rate_of
from tests.bench.parts.waiting import in_equal_parts
from tests.bench.report import pages
from tests.bench.report.targets import Target, rows, targets
from tests.helpers.commands import ROOT, clean_environment
from tests.helpers.deployed import Stage

NAMES = (
    *("jobs_table", "items_table", "names_table", "collections_table", "lookups_table", "documents_bucket"),
    *("commands_queue_url", "parked_queue_url", "dead_letters_queue_url"),
)


@pytest.fixture
def recorder() -> Recorder:
    resources = {name: name for name in NAMES}
    return Recorder(Stage(Deployment("local", "embedded", "http://x", "key", "us-east-1", None, resources)))


def names_of(calls: list[list[Any]]) -> list[str]:
    return [f"{service}.{operation}" for service, operation, _ in calls]


def test_the_recorded_calls_are_those_of_the_design(recorder: Recorder) -> None:
    created, updated = commands(1, "test")
    (first, accepted), (second, _) = recorder.accept(created), recorder.accept(updated)
    assert names_of(accepted) == ["dynamodb.put_item", "sqs.send_message"]
    applied = recorder.apply(created, first)
    assert names_of(applied) == ["s3.put_object", "dynamodb.transact_write_items"]
    row = applied[1][2]["TransactItems"][1]["Put"]["Item"]
    changed = recorder.apply(updated, second)
    assert names_of(changed) == [
        *("dynamodb.get_item", "s3.put_object", "dynamodb.transact_write_items", "s3.delete_object")
    ]
    condition = changed[2][2]["TransactItems"][1]["Put"]["ExpressionAttributeValues"]
    assert condition == {":read": row["version"]}, "the update expects the version that the creation wrote"
    assert names_of([recorder.page(50)]) == ["dynamodb.scan"]
    json.dumps([applied, changed])  # the calls are sent to other processes as JSON


def test_all_creates_are_queued_before_all_updates() -> None:
    queued = commands(3, "test")
    assert [command.operation for command in queued] == ["create"] * 3 + ["update"] * 3
    assert [c.item_id for c in queued[:3]] == [c.item_id for c in queued[3:]]


LOOP = """
import sys, types
boto3 = types.ModuleType("boto3")
class Client:
    def __getattr__(self, operation):
        return lambda **parameters: sys.stderr.write(f"{operation} {sorted(parameters.items())}\\n")
boto3.client = lambda *_, **__: Client()
sys.modules["boto3"] = boto3
from tests.bench.peers.bare_loop import main
main()
"""


@pytest.mark.parametrize("batch", [0, 1])
def test_a_bare_loop_makes_the_calls_of_an_item_in_order(batch: int) -> None:
    def calls(text: str) -> list[Any]:
        return [["s3", "put_object", {"Body": text}], ["dynamodb", "get_item", {"Key": text}]]

    request = {"threads": 2, "batch": batch, "items": [[calls("a"), calls("b")], [calls("c")]]}
    completed = subprocess.run(
        [sys.executable, "-c", LOOP],
        cwd=ROOT,
        env=clean_environment(AWS_ENDPOINT_URL="http://127.0.0.1:1"),
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(completed.stdout)
    assert len(answer["latencies"]) == 3
    assert answer["seconds"] >= max(answer["latencies"])
    calls_of_first = [line for line in completed.stderr.splitlines() if "'c'" not in line and "b'c'" not in line]
    assert calls_of_first == [
        "put_object [('Body', b'a')]",
        "get_item [('Key', 'a')]",
        "put_object [('Body', b'b')]",
        "get_item [('Key', 'b')]",
    ]


def test_a_rate_is_computed_from_the_end_of_the_first_batch() -> None:
    ends = [100.0 + n // 10 for n in range(50)]  # ten per second
    assert rate_of(ends) == 10
    assert batches_of(ends) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rounds", "at_most", "verdict"),
    [
        ([1.2, 1.0], True, "met"),
        ([1.21, 1.3], True, "missed"),
        ([1.2, 1.3], False, "met"),
        ([1.19, 1.0], False, "missed"),
        ([1.0, 1.1, 1.3], True, "met, but not in all rounds"),
        ([0.9, 1.1, 1.4], False, "missed, but not in all rounds"),
    ],
)
def test_a_verdict_is_that_of_the_median_and_says_if_a_round_disagrees(
    rounds: list[float], at_most: bool, verdict: str
) -> None:
    target = Target("t", rounds, 1.2, at_most)
    assert target.verdict == verdict
    assert verdict in list(rows([target]))[1][-1]


def test_ratios_are_computed_within_a_round() -> None:
    """The ratio of the medians is above 1.7, but in most rounds the ratio is below it."""
    figures = {
        "pipeline": {
            "jobs_per_second": {"drain": {"rounds": [40, 48, 45]}},
            "accept_ratio": {"rounds": [1.0]},
        },
        "celery_redis": {"jobs_per_second": {"rounds": [25, 24, 41]}},
    }
    against_celery = next(each for each in targets(figures) if "Celery" in each.name)
    assert against_celery.figure == 40 / 25
    assert against_celery.verdict == "missed, but not in all rounds"


def test_the_release_before_is_compared_within_a_round() -> None:
    compared = {
        "drain_before": {"rounds": [100, 200, 100]},
        "gb_seconds_per_1000_jobs_before": {"rounds": [10, 20, 10]},
        "ratio": {"alone": {"rounds": [1, 1.04, 1]}, "hot_item": {"rounds": [5, 7, 8]}},
    }
    pipeline = {
        "jobs_per_second": {"drain": {"rounds": [160, 330, 170]}},
        "gb_seconds_per_1000_jobs": {"rounds": [6, 11, 6]},
        "accept_ratio": {"rounds": [1.0]},
        "wait_ratio": {"rounds": [1.3]},
    }
    figures = {"compared": compared, "pipeline": pipeline}
    found = {each.name: (each.rounds, each.verdict) for each in targets(figures)}
    assert found == {
        "accept / (an empty route + the two AWS calls)": ([1.0], "met"),
        "end to end, `Prefer: wait` / polled every 5 ms": ([1.3], "missed"),
        "drain rate, 1,000 jobs of 500 items / the release before": (pytest.approx([1.6, 1.65, 1.7]), "met"),
        "drain rate, 500 updates of one item / the release before": ([5, 7, 8], "met, but not in all rounds"),
        "GB-seconds of the worker per job, busy load / the release before": (
            pytest.approx([0.6, 0.55, 0.6]),
            "missed",
        ),
        "one job alone, end to end / the release before": ([1, 1.04, 1], "met"),
    }


def test_only_the_release_before_without_the_pipeline_has_fewer_targets() -> None:
    compared = {"ratio": {"import": {"rounds": [1.9]}}}
    assert [each.name for each in targets({"compared": compared})] == [
        "`jobpipe import`, rows a second / the release before"
    ]


def test_gb_seconds_are_those_of_the_report_lines() -> None:
    lines = [
        "START RequestId: 1 Version: $LATEST",
        "REPORT RequestId: 1\tDuration: 500 ms\tBilled Duration: 500 ms\tMemory Size: 1024 MB",
        '{"message": "REPORT Billed Duration: 900 ms"}',
        "REPORT RequestId: 2\tDuration: 99.5 ms\tBilled Duration: 100 ms\tMemory Size: 512 MB",
    ]
    assert gb_seconds_of(lines) == pytest.approx(0.5 + 0.05)


def test_the_time_of_calls_at_the_same_time_counts_once() -> None:
    assert covered([]) == 0
    assert covered([(5, 6), (1, 3), (2, 4), (2, 2.5)]) == 3 + 1


def test_each_round_has_a_third_of_each_kind_of_waiting() -> None:
    mixed = in_equal_parts([[1, 2, 3], [10, 20, 30, 40, 50, 60, 70]])
    assert in_rounds(mixed) == [[1, 10, 20], [2, 30, 40], [3, 50, 60]]


def test_tables_are_written_between_their_markers_only() -> None:
    page = "a\n<!-- figures: one -->\nold\n<!-- end -->\nb\n<!-- figures: two -->\n<!-- end -->\nc\n"
    once = pages.rewritten(page, {"one": "new | 1"})
    assert once == page.replace("old", "new | 1")
    assert pages.rewritten(once, {"one": "new | 1"}) == once
    assert pages.names(page) == {"one", "two"}


def test_an_unknown_part_is_an_error() -> None:
    with pytest.raises(OperatorError, match="nosuch"):
        bench.chosen(["ceiling", "nosuch"])


def test_only_the_named_parts_are_run() -> None:
    groups, others = bench.chosen(["growth", "ceiling"])
    assert [[part.name for part in group] for group in groups] == [["ceiling"], ["growth"]]
    assert others == []


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(bench.DATA.read_text())


def test_the_page_shows_the_committed_figures(document: Any) -> None:
    page = bench.PAGE.read_text()
    assert pages.rewritten(page, bench.page_tables(document)) == page
    assert set(bench.page_tables(document)) <= pages.names(page), "every table has markers on the page"


def test_the_committed_targets_are_those_of_the_figures(document: Any) -> None:
    found = list(targets(document))
    assert document["targets"] == bench.summary_of(found)
    assert len(found) >= 10


def test_the_page_shows_all_plots() -> None:
    for name in ("rates", "latencies", "growth"):
        assert (bench.PLOTS / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"plots/{name}.png" in bench.PAGE.read_text()


def test_the_parts_of_the_profile_add_up_to_the_total() -> None:
    figures = profile_own_code.measure(quick=True)
    assert set(figures) == {"poll", "accept_create", "get_item"}
    for each in figures.values():
        assert set(each) == {*profile_own_code.PARTS, "total"}
        assert min(each.values()) > 0
        assert sum(each[part] for part in profile_own_code.PARTS) == pytest.approx(each["total"], rel=0.2)


@pytest.mark.parametrize(
    ("samples", "rounds"),
    [
        ([1, 2, 3, 4, 5, 6], [[1, 2], [3, 4], [5, 6]]),
        ([1, 2, 3, 4, 5], [[1], [2], [3]]),
        ([1, 2], [[1], [2]]),
        ([], []),
    ],
)
def test_consecutive_samples_are_divided_into_rounds(samples: list[int], rounds: list[list[int]]) -> None:
    assert in_rounds(samples) == rounds


def test_each_kind_of_figure_has_a_target() -> None:
    figures = {
        "seconds": 361,
        "waiting": {
            "ordinary": {},
            "ends_after": {"0.15": {"p50": 49, "rounds": [48, 49, 60]}},
            "all_kinds": {"p50": 46, "rounds": [46, 47, 46]},
        },
        "telling": {"from_the_request": {"p95": 2100, "rounds": [1900, 2100, 2200]}},
        "fairness": {"ratio": {"median": 1.2, "rounds": [1.1, 1.2, 1.3]}},
        "own_code": {"api": {"poll": {"own_to_aws": 0.09, "rounds": [0.08, 0.09, 0.09]}}},
        "batches": {"ratio": {"10": 5.5, "100": 31}, "rounds": {"10": [4.0, 4.5, 4.9], "100": [30, 31, 32]}},
        "full_batches": {"this": {name: {"rounds": [0.4]} for name in ("create", "update", "delete", "read")}},
        "peak_memory": {"rounds": [1.1, 1.2, 1.3]},
    }
    found = {each.name: each.verdict for each in targets(figures)}
    assert found == {
        "own code / AWS calls: api poll": "met",
        "calls per job in a full batch: create": "met",
        "calls per job in a full batch: update": "met",
        "calls per job in a full batch: delete": "met",
        "calls per job in a full batch: read": "missed",
        "most memory, ten updates of 1 MB in one batch / the release before": "met, but not in all rounds",
        "accept rate in batches of 10 / alone": "missed",
        "accept rate in batches of 100 / alone": "met",
        "ms from a job's end to its answer, all kinds of waiting": "missed",
        "ms from a job's end to its answer, `?wait=20`, a job of 0.15 s": "met, but not in all rounds",
        "ms from a request until a receiver is notified of its job's end, p95": "missed, but not in all rounds",
        "a polite caller's job beside a flooding caller / alone, p95": "met",
        "`make bench`, minutes": "missed",
    }


def test_the_seconds_of_a_part_are_added_up() -> None:
    spent: Seconds = defaultdict(float)
    for _ in range(2):
        with timed(spent, "growth"):
            pass
    assert list(spent) == ["growth"]
    about = {"seconds_by_part": {"growth": 2.0, "memory": 61.2}}
    assert pages.seconds_by_part(about) == "memory 61 s, growth 2 s"


def test_the_module_can_be_imported_without_the_packages_of_the_benchmark() -> None:
    packages = ["aws_durable_execution_sdk_python", "celery", "redis", "flask", "matplotlib"]
    missing = f"import sys; sys.modules.update(dict.fromkeys({packages}))"
    command = (sys.executable, "-c", f"{missing}; import tests.bench.__main__")
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert completed.returncode == 0, completed.stderr
