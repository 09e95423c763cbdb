"""A bare loop that runs, and can be asked to do calls."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from tests.bench.aws_calls import Call
from tests.bench.laboratory import Laboratory
from tests.helpers.deployed import Stage


class BareLoop:
    """A process of the Lambdas' Python, under the role of one of them."""

    def __init__(self, lab: Laboratory, stage: Stage, function: str, stack: ExitStack) -> None:
        command = (lab.lambda_python(), "-m", "tests.bench.bare_loop")
        self._process = stack.enter_context(lab.process(*command, env=lab.environment(stage, function)))

    def do(self, lines: list[list[list[Call]]], threads: int, batch: int = 0) -> tuple[float, list[float]]:
        """Seconds for all jobs of all lines, and of each job; with a batch, so many lines before the next."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        pipe_in.write(json.dumps({"threads": threads, "batch": batch, "lines": lines}) + "\n")
        pipe_in.flush()
        answer: dict[str, Any] = json.loads(pipe_out.readline())
        return answer["seconds"], answer["latencies"]
