"""The worker's concurrency is compared with the account's limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.checks import MIN_CONCURRENCY, MIN_UNRESERVED, concurrency_problem
from infra.deployment.plan import Deployer, Plan
from infra.errors import OperatorError
from infra.packaging.package import package_all
from infra.settings import COLLECTIONS, ROOT, Settings
from infra.stacks.change_sets import Stacks
from infra.stacks.stage_stacks import PlannedStack
from infra.stage.names import app_stack, foundation_stack
from infra.targets.target import AWS, Target
from infra.templates.sources import foundation_template
from tests.helpers.stubbed import a_client
from tests.infra.rendered import rendered, template

WORKER = "jobpipe-prod-worker"


@pytest.fixture
def account() -> Iterator[tuple[Any, Stubber]]:
    client = a_client("lambda")
    with Stubber(client) as stub:
        yield client, stub


def add_limits(stub: Stubber, total: int, *, unreserved: int | None = None, own: int | None = None) -> None:
    """Add the answers for an account with this limit, and these executions reserved for the worker."""
    limit = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": unreserved or total}
    stub.add_response("get_account_settings", {"AccountLimit": limit}, {})
    answer = {} if own is None else {"ReservedConcurrentExecutions": own}
    stub.add_response("get_function_concurrency", answer, {"FunctionName": WORKER})


def worker_parameters(concurrency: int, reserve: str = "false") -> dict[str, str]:
    return {"WorkerConcurrency": str(concurrency), "ReserveConcurrency": reserve}


@pytest.mark.parametrize(("total", "fits"), [(10, False), (50, False), (51, True), (1000, True)])
def test_a_worker_that_leaves_nothing_for_the_api_gets_a_warning(
    account: tuple[Any, Stubber], total: int, *, fits: bool
) -> None:
    client, stub = account
    add_limits(stub, total)

    warning = concurrency_problem(client, WORKER, worker_parameters(50))

    assert (warning is None) is fits
    if warning:
        assert f"may run {total} at once" in warning
        assert f"Give WorkerConcurrency={total // 2}" in warning


def test_the_lowest_advised_concurrency_is_the_lowest_possible(account: tuple[Any, Stubber]) -> None:
    client, stub = account
    add_limits(stub, 3)
    assert "Give WorkerConcurrency=2," in str(concurrency_problem(client, WORKER, worker_parameters(50)))
    shape = client.meta.service_model.shape_for("ScalingConfig").members["MaximumConcurrency"].metadata
    parameter = template("worker")["Parameters"]["WorkerConcurrency"]
    assert (parameter["MinValue"], parameter["MaxValue"]) == (shape["min"], shape["max"])
    assert shape["min"] == MIN_CONCURRENCY
    mappings = rendered("worker").of_type("AWS::Lambda::EventSourceMapping").values()
    assert {str(each["ScalingConfig"]["MaximumConcurrency"]) for each in mappings} == {"50", str(MIN_CONCURRENCY)}


def test_the_queues_of_deliveries_have_limits_of_their_own() -> None:
    """On MiniStack that of the later queue is a number: with a reference it would poll no queue."""
    chosen = {"Events": "on", "DeliveryConcurrency": "30", "LaterConcurrency": "7"}
    for emulator, later in (({}, "7"), ({"RestApiId": "local"}, 2)):
        worker = rendered("worker", **chosen, **emulator)
        mappings = worker.of_type("AWS::Lambda::EventSourceMapping")
        limits = {name: each["ScalingConfig"]["MaximumConcurrency"] for name, each in mappings.items()}
        assert limits["DeliverDeliverSqsEventSource"] == "30"
        assert limits["DeliverLaterSqsEventSource"] == later


@pytest.mark.parametrize(("unreserved", "own", "fits"), [(149, None, False), (150, None, True), (100, 50, True)])
def test_a_reservation_that_lambda_would_refuse_is_refused(
    account: tuple[Any, Stubber], unreserved: int, own: int | None, *, fits: bool
) -> None:
    client, stub = account
    add_limits(stub, 1000, unreserved=unreserved, own=own)

    if fits:
        assert concurrency_problem(client, WORKER, worker_parameters(50, "true")) is None
    else:
        with pytest.raises(
            OperatorError, match=r"Lambda requires 100 unreserved of the 149 .*ReserveConcurrency=false"
        ):
            concurrency_problem(client, WORKER, worker_parameters(50, "true"))


def test_the_required_remainder_is_the_one_that_aws_documents() -> None:
    documentation = a_client("lambda").meta.service_model.operation_model("PutFunctionConcurrency").documentation
    assert f"leave at least {MIN_UNRESERVED} simultaneous executions unreserved" in documentation


def test_nothing_is_reserved_before_the_worker_exists(account: tuple[Any, Stubber]) -> None:
    client, stub = account
    limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 150}
    stub.add_response("get_account_settings", {"AccountLimit": limit}, {})
    stub.add_client_error("get_function_concurrency", "ResourceNotFoundException", "no function", 404)
    assert concurrency_problem(client, WORKER, worker_parameters(50, "true")) is None


def test_without_permission_the_limit_is_reported_as_unknown(account: tuple[Any, Stubber]) -> None:
    client, stub = account
    stub.add_client_error("get_account_settings", "AccessDeniedException", "no", 403)
    assert "may not do lambda:GetAccountSettings" in str(concurrency_problem(client, WORKER, worker_parameters(50)))


def test_a_deployment_to_aws_checks_the_concurrency_that_its_worker_will_have(
    account: tuple[Any, Stubber], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, stub = account
    console = Console(record=True, width=400, file=(tmp_path / "out").open("w"))
    target = Target(AWS, "eu-west-1", None, "", boto3.Session(region_name="eu-west-1"))
    settings = Settings(stage="prod", port=1, endpoint_url=None, state_dir=tmp_path)
    monkeypatch.setattr(Target, "client", lambda _, service: client if service == "lambda" else None)
    monkeypatch.setattr(Target, "default_parameters", lambda *_: {})
    monkeypatch.setattr(Stacks, "_describe", lambda *_: None)
    monkeypatch.setattr(Stacks, "outputs", lambda *_: {})
    foundation = PlannedStack(foundation_stack("prod"), foundation_template("prod"))
    worker = PlannedStack(app_stack("prod", "worker"), package_all()["worker"].template())
    for overrides, reported in (({}, "WorkerConcurrency is 50"), ({"WorkerConcurrency": "9"}, "")):
        add_limits(stub, 10)
        deployer = Deployer(target, "prod", settings, Progress(console), overrides)
        updates = deployer.create_executor()
        plan = Plan(target, "prod", overrides, updates.stage_stacks, updates, COLLECTIONS)
        plan.check_parameters({"Stage": "prod"} | overrides, foundation, worker)
        assert (reported in console.export_text()) if reported else not console.export_text()


def test_the_page_states_what_a_deployment_compares() -> None:
    page = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    assert "`make deploy` and `make diff` compare `WorkerConcurrency` with the account's limit" in page
