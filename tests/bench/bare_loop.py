"""A process that does nothing but AWS calls: what the machine and the emulator can give.

One line of JSON asks: {"threads": n, "batch": n, "lines": [[[call, …] of a job, …] of an item, …]}. The jobs of an
item are done in order, so many items in parallel; with a batch, each batch of items ends before the next begins.
One line answers: {"seconds": …, "latencies": [… of each job]}.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.aws_calls import open_clients, perform


def main() -> None:
    clients = open_clients()

    def line(jobs: list[Any]) -> list[float]:
        latencies = []
        for calls in jobs:
            began = time.perf_counter()
            perform(clients, calls)
            latencies.append(time.perf_counter() - began)
        return latencies

    for request in sys.stdin:
        asked = json.loads(request)
        with ThreadPoolExecutor(asked["threads"]) as threads:
            began = time.perf_counter()
            lines = asked["lines"]
            batch = asked["batch"] or len(lines)
            done = [
                each for at in range(0, len(lines), batch) for each in threads.map(line, lines[at : at + batch])
            ]
            seconds = time.perf_counter() - began
        answer = {"seconds": seconds, "latencies": [latency for each in done for latency in each]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
