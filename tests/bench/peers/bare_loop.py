"""A process that makes AWS calls and does nothing else. Its rate is the ceiling of the machine and the emulator.

A request is one line of JSON: {"threads": n, "batch": n, "items": [[[call, …] of a job, …] of an item, …]}. The
jobs of an item are run in order, and `threads` items in parallel. With a batch, each batch of items ends before the
next one begins. The response is one line: {"seconds": …, "latencies": [… of each job]}.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.peers.aws_calls import make_calls, open_clients


def main() -> None:
    clients = open_clients()

    def run_item(jobs: list[Any]) -> list[float]:
        latencies = []
        for calls in jobs:
            started = time.perf_counter()
            make_calls(clients, calls)
            latencies.append(time.perf_counter() - started)
        return latencies

    for line in sys.stdin:
        request = json.loads(line)
        with ThreadPoolExecutor(request["threads"]) as threads:
            started = time.perf_counter()
            items = request["items"]
            batch = request["batch"] or len(items)
            latencies = [
                latency
                for first in range(0, len(items), batch)
                for of_item in threads.map(run_item, items[first : first + batch])
                for latency in of_item
            ]
            seconds = time.perf_counter() - started
        response = {"seconds": seconds, "latencies": latencies}
        sys.stdout.write(json.dumps(response) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
