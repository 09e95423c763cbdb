"""Start tests/bench/peers/bare_loop.py in a process, and send it calls to make."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from tests.bench.laboratory.environment import Laboratory
from tests.bench.peers.aws_calls import Call
from tests.helpers.deployed import Stage


class BareLoop:
    """A process that runs the Lambdas' Python under the role of one of them."""

    def __init__(self, lab: Laboratory, stage: Stage, function: str, stack: ExitStack) -> None:
        command = (lab.lambda_python(), "-m", "tests.bench.peers.bare_loop")
        self._process = stack.enter_context(lab.process(*command, env=lab.environment(stage, function)))

    def run(self, items: list[list[list[Call]]], threads: int, batch: int = 0) -> tuple[float, list[float]]:
        """Make the calls; return the seconds of all jobs together, and of each. See bare_loop.py."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        pipe_in.write(json.dumps({"threads": threads, "batch": batch, "items": items}) + "\n")
        pipe_in.flush()
        answer: dict[str, Any] = json.loads(pipe_out.readline())
        return answer["seconds"], answer["latencies"]
