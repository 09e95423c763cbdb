"""The stage of a run, on a separate emulator, with a proxy between Lambdas and AWS and between callers and API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.readiness import wait_until_healthy
from infra.emulator.server import running_emulator
from infra.settings import COLLECTIONS, LOCAL_STAGE, Settings
from infra.targets.target import EMBEDDED, find_target
from tests.chaos.faults import Call, Fault, Faults
from tests.chaos.lambda_processes import LambdaProcesses
from tests.chaos.poison import kill_on_poison
from tests.chaos.proxy import Proxy, running_proxy
from tests.chaos.tally import Tally
from tests.helpers.deployed import Stage

WORKER = {"WorkerTimeout": "10"}
"""The five seconds of emulators are too short for ten commands in sequence with faults."""

VISIBILITY = 3
"""The visibility timeout in seconds, which is 30 on a deployed stage. Less than the worker's timeout is safe only
on MiniStack, which delivers the next batch of a FIFO queue when the one before has ended."""

FUNCTIONS = ("api_function", "worker_function", "dead_letters_function", "tell_function", "deliver_function")


@dataclass(frozen=True)
class ChaosStage:
    """A stage with injected faults."""

    state_dir: Path  # the folder of the stage file
    stage: Stage
    proxy: Proxy
    processes: LambdaProcesses
    faults: Faults
    injected: Tally  # faults by kind
    kills: Tally  # kills by function and reason

    @property
    def base_url(self) -> str:
        """The URL at which callers reach the API through the proxy."""
        return self.stage.deployment.base_url.replace(str(self.stage.deployment.endpoint_url), self.proxy.url)

    @property
    def worker(self) -> str:
        return self.stage.resources["worker_function"]

    def queue(self, name: str) -> str | None:
        """Return the URL of the queue; None if the stage has no queue of this name."""
        return self.stage.resources.get(f"{name}_queue_url")


@contextmanager
def chaos_stage(
    state_dir: Path, faults: Faults, progress: Progress | None = None, collections: Path = COLLECTIONS
) -> Iterator[ChaosStage]:
    """Yield a new stage with a folder of collections, which is deleted at the end of the block."""
    with ExitStack() as stack:
        emulator = stack.enter_context(running_emulator(state_dir))
        settings = Settings(
            stage=LOCAL_STAGE,
            port=emulator.port,
            endpoint_url=None,
            state_dir=state_dir,
            collections=collections,
        )
        target = find_target(EMBEDDED, LOCAL_STAGE, settings, start=False)
        running = emulator.status()
        if target is None or running is None:
            raise RuntimeError("the emulator ended right after its start")
        stage = Stage(Deployer(target, LOCAL_STAGE, settings, progress or Progress(), WORKER).deploy())
        proxy = stack.enter_context(running_proxy(emulator.port))
        functions = [stage.resources[name] for name in FUNCTIONS if name in stage.resources]
        injected, kills = Tally(), Tally()
        processes = LambdaProcesses(running.pid, functions, kills)
        _connect_through(proxy.url, stage, functions)
        proxy.counted = injected.add
        proxy.kill = lambda call, fault: _kill(processes, call, fault, proxy)
        proxy.decide = lambda call: kill_on_poison(call) or faults.draw(call)
        yield ChaosStage(state_dir, stage, proxy, processes, faults, injected, kills)


def _kill(processes: LambdaProcesses, call: Call, fault: Fault, proxy: Proxy) -> None:
    victim = processes.owner(call.client_port, proxy.port)
    if victim is None:
        return
    reason = fault.kind.removeprefix("killed ")
    if not fault.kill_after:
        processes.kill(victim, reason)
        return
    later = threading.Timer(fault.kill_after, processes.kill, (victim, reason))
    later.daemon = True
    later.start()


def _connect_through(proxy_url: str, stage: Stage, functions: list[str]) -> None:
    """Make the functions call AWS through the proxy; the emulator's poller does not use it."""
    client: Any = stage.aws("lambda")
    for function in functions:
        configuration = client.get_function_configuration(FunctionName=function)
        variables = {**configuration["Environment"]["Variables"], "AWS_ENDPOINT_URL": proxy_url}
        client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    for name in ("commands", "dead_letters", "events", "deliveries"):
        if url := stage.resources.get(f"{name}_queue_url"):
            stage.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY)})
    wait_until_healthy(stage.deployment.base_url)
    stage.client.wait(stage.client.read("warm-up"), timeout=120)
