"""AWS durable functions, on the emulator: the same AWS calls, each as a step that is checkpointed."""

from __future__ import annotations

import importlib.util
import io
import json
import secrets
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.settings import python_runtime
from scripts.load.report import summary
from tests.bench.laboratory.recorder import Recorder, commands, fill
from tests.bench.laboratory.rounds import (
    PERCENTILES,
    Figures,
    Part,
    Row,
    measure_in_turns,
    median,
    percentiles,
    print_figures,
)
from tests.bench.parts.drain import rate_of
from tests.bench.parts.pipeline import QUICK_ITEMS
from tests.helpers.commands import ROOT

CALLERS = 4  # ten were slower on two cores
ITEMS = 40
JOBS, QUICK_JOBS = 10, 3
_SDK = "aws_durable_execution_sdk_python"
_FUNCTION = "bench-durable"
_OWN_FILES = (
    "tests/bench/__init__.py",
    "tests/bench/peers/__init__.py",
    "tests/bench/peers/aws_calls.py",
    "tests/bench/peers/durable_function.py",
)
_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


class Durable(Part):
    """The jobs per second of ten callers, and the latency of one job from invoking it to its result."""

    name = "durable"

    def prepare(self, stack: ExitStack) -> None:
        self._reason = None if importlib.util.find_spec(_SDK) else f"{_SDK} is not installed"
        self._rates: list[float] = []
        self._seconds: list[float] = []
        if self._reason:
            return
        self._recorder = Recorder(self.lab.stage)
        self._lambda: Any = boto3.client(
            "lambda",
            endpoint_url=self.lab.target.endpoint_url,
            region_name=self.lab.target.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(read_timeout=60, retries={"total_max_attempts": 1}, max_pool_connections=CALLERS),
        )
        self._create_function()
        self._drain(QUICK_ITEMS)  # starts ten environments

    def round(self, number: int) -> None:
        if self._reason:
            return
        self._rates.append(self._drain(QUICK_ITEMS if self.lab.quick else ITEMS))
        for calls, _ in self._job_calls(QUICK_JOBS if self.lab.quick else JOBS):
            started = time.perf_counter()
            self._invoke([calls])
            self._seconds.append(time.perf_counter() - started)

    def figures(self) -> Figures:
        if self._reason:
            return {"left_out": self._reason}
        return {"jobs_per_second": median(self._rates), "end_to_end_ms": summary(self._seconds)}

    def _drain(self, items: int) -> float:
        with ThreadPoolExecutor(CALLERS) as threads:
            ends = threads.map(self._invoke, map(list, self._job_calls(items)))
            return rate_of(sorted(end for of_item in ends for end in of_item))

    def _invoke(self, jobs: list[Any]) -> list[float]:
        """Run one execution to its end; return the ends of its jobs."""
        answer = self._lambda.invoke(FunctionName=f"{_FUNCTION}:$LATEST", Payload=json.dumps({"jobs": jobs}))
        result = json.loads(answer["Payload"].read())
        assert result.get("Status") == "SUCCEEDED", result
        ends: list[float] = json.loads(result["Result"])
        return ends

    def _job_calls(self, items: int) -> list[tuple[Any, Any]]:
        """Return the calls of the two jobs of each item."""
        to_run = commands(items, f"durable {secrets.token_hex(4)}")
        jobs = fill(self.lab.stage, self._recorder, to_run, queued=False)
        calls = [self._recorder.apply(command, job) for command, job in zip(to_run, jobs, strict=True)]
        return list(zip(calls[:items], calls[items:], strict=True))

    def _create_function(self) -> None:
        iam = self.lab.stage.aws("iam")
        role = iam.create_role(RoleName=_FUNCTION, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
        iam.put_role_policy(RoleName=_FUNCTION, PolicyName="all", PolicyDocument=json.dumps(_POLICY))
        # MiniStack runs a function durably only with a member Enabled, which boto3 and AWS's API do not have.
        self._lambda.meta.events.register("before-call.lambda.CreateFunction", _enable)
        self._lambda.create_function(
            FunctionName=_FUNCTION,
            Runtime=python_runtime(),
            Role=role,
            Handler="tests.bench.peers.durable_function.handler",
            Code={"ZipFile": _zip()},
            Timeout=60,
            MemorySize=1024,
            Environment={"Variables": {"AWS_ENDPOINT_URL": str(self.lab.target.endpoint_url)}},
            DurableConfig={"ExecutionTimeout": 60, "RetentionPeriodInDays": 1},
        )


def _enable(params: dict[str, Any], **_: object) -> None:
    body = json.loads(params["body"])
    body["DurableConfig"]["Enabled"] = True
    params["body"] = json.dumps(body).encode()


def _zip() -> bytes:
    """Return the function with the SDK. boto3 is that of the emulator's Lambdas."""
    spec = importlib.util.find_spec(_SDK)
    assert spec is not None
    assert spec.origin is not None
    sdk = Path(spec.origin).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _OWN_FILES:
            archive.write(ROOT / name, name)
        for path in sorted(sdk.rglob("*.py")):
            archive.write(path, path.relative_to(sdk.parent).as_posix())
    return content.getvalue()


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "AWS durable functions, on the emulator", "jobs/s", *PERCENTILES
    if "left_out" in figures:
        yield f"not measured: {figures['left_out']}", "", "", "", "", ""
        return
    yield (
        f"{CALLERS} callers, an execution for each item",
        f"{figures['jobs_per_second']['median']:.0f}",
        "",
        "",
        "",
        "",
    )
    yield "end to end", "", *percentiles(figures["end_to_end_ms"])


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    return measure_in_turns([Durable], quick=quick)["durable"]


if __name__ == "__main__":
    print_figures(measure)
