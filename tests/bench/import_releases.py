"""`python -m tests.bench.import_releases [ROWS]`: `jobpipe import` of this release, compared with that of 10ff001.

Each release has a stage of its own, on an emulator of its own, and imports with its own client. The runs alternate,
so that both have the same machine; their CPU time depends less on what else runs there. 10ff001 is the release
before collections, shared calls and larger messages.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.emulator.server import Emulator, running_emulator
from tests.helpers import commands
from tests.helpers.deployed import Stage
from tests.upgrade.releases import Release, release_of, this_release

ROUNDS = 5
OLD = "10ff001"
_STAGE = "bench"


@dataclass(frozen=True)
class Figures:
    """What one import took."""

    rows_per_second: float
    client_ms: float  # of CPU time for a row
    service_ms: float  # the same of the emulator with its Lambdas

    def __str__(self) -> str:
        cpu = f"CPU {self.client_ms:.2f} + {self.service_ms:.2f} ms/row"
        return f"{self.rows_per_second:.0f} rows/s ({cpu})"


@dataclass(frozen=True)
class Importer:
    """A release, and a stage of it."""

    release: Release
    stage: Stage
    emulator: Emulator

    def measure(self, rows: int) -> Figures:
        """Import so many rows; the time is that of the whole command, with its start."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "items.jsonl"
            path.write_text("".join(json.dumps(item(uuid.uuid4().hex)) + "\n" for _ in range(rows)))
            deployment = self.stage.deployment
            env = commands.clean_environment(JOBPIPE_URL=deployment.base_url, JOBPIPE_API_KEY=deployment.api_key)
            command = [str(self.release.python), "-m", "jobpipe_client.cli", "import", str(path)]
            started, client, service = time.monotonic(), _cpu_of_children(), _cpu_of(self.emulator)
            subprocess.run(command, env=env, cwd=self.release.folder, check=True, stdout=subprocess.DEVNULL)
            return Figures(
                rows / (time.monotonic() - started),
                1000 * (_cpu_of_children() - client) / rows,
                1000 * (_cpu_of(self.emulator) - service) / rows,
            )


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_of(emulator: Emulator) -> float:
    """Return the CPU seconds of an emulator with its Lambdas, also of those that have ended."""
    process = psutil.Process(json.loads((emulator.state_dir / "emulator.pid").read_text())["pid"])
    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            seconds += sum(each.cpu_times()[:4])  # its own, and those of its children that have ended
    return seconds


def item(name: str) -> dict[str, object]:
    return {"name": name, "description": "One of many", "price": 12.95, "tags": ["a", "b"]}


def main(rows: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        releases = {OLD: release_of(OLD, folder / "old"), "this": this_release(commands.ROOT / "collections")}
        importers = {}
        for name, release in releases.items():
            emulator = stack.enter_context(running_emulator(folder / f"state-{name}"))
            importers[name] = Importer(release, release.deploy(emulator, _STAGE), emulator)
            importers[name].measure(400)  # starts the environments of the Lambdas
        faster, cheaper = [], []
        for n in range(ROUNDS):
            order = list(importers) if n % 2 else list(importers)[::-1]
            found = {name: importers[name].measure(rows) for name in order}
            old, this = found[OLD], found["this"]
            faster.append(this.rows_per_second / old.rows_per_second)
            cheaper.append((old.client_ms + old.service_ms) / (this.client_ms + this.service_ms))
            sys.stdout.write(f"{OLD} {old}, this {this}, ratio {faster[-1]:.2f}, of CPU {cheaper[-1]:.2f}\n")
            sys.stdout.flush()
        ratios = f"{statistics.median(faster):.2f}, of CPU {statistics.median(cheaper):.2f}"
        sys.stdout.write(f"median ratio {ratios}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
