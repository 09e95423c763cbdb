"""`python -m tests.bench.parts.importing [ROWS]`: `jobpipe import`, compared with a bare loop of `POST /batches`.

The loop sends one batch after another over one connection, and then polls each until all of its jobs have ended.
Each round measures the import and the loop with the same number of rows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import requests

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.settings import LOCAL_STAGE
from tests.helpers import commands
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded

ROUNDS = 4
BATCH = 100


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as (target, here):
        stage = Stage(Deployer(target, LOCAL_STAGE, here, Progress(), {"Events": "off"}).deploy())
        stage.client.wait(stage.client.read("warm-up"), timeout=120)
        bare_loop(stage, BATCH)
        import_rows(stage, 4 * BATCH)  # starts as many environments of the API as an import uses
        ratios = []
        for n in range(ROUNDS):
            # Each of them runs first in half of the rounds.
            measures = [(bare_loop, "loop"), (import_rows, "import")]
            seconds_by_name = {
                name: measure(stage, rows) for measure, name in (measures if n % 2 else measures[::-1])
            }
            ratios.append(seconds_by_name["import"] / seconds_by_name["loop"])
            times = ", ".join(
                f"{name} {1000 * seconds / rows:.2f} ms/row" for name, seconds in sorted(seconds_by_name.items())
            )
            sys.stdout.write(f"{times}, ratio {ratios[-1]:.2f}\n")
            sys.stdout.flush()
        sys.stdout.write(f"median ratio {statistics.median(ratios):.2f}\n")


def bare_loop(stage: Stage, rows: int) -> float:
    """Send the rows in batches; return the seconds until all jobs have ended."""
    url, headers = f"{stage.deployment.base_url}/batches", {"x-api-key": stage.deployment.api_key}
    started = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        ids = []
        for batch in range(0, rows, BATCH):
            commands_ = [
                {"operation": "create", "item": item(uuid.uuid4().hex)}
                for _ in range(batch, min(batch + BATCH, rows))
            ]
            answer = session.post(url, json={"commands": commands_}, headers=headers, timeout=60)
            answer.raise_for_status()
            ids.append(answer.json()["id"])
        sys.stdout.write(f"(accepted {1000 * (time.monotonic() - started) / rows:.2f} ms/row) ")
        for batch_id in ids:
            while not session.get(f"{url}/{batch_id}", headers=headers, timeout=60).json()["done"]:
                time.sleep(0.2)
    return time.monotonic() - started


def import_rows(stage: Stage, rows: int, folder: Path = commands.ROOT, python: str = sys.executable) -> float:
    """Import the rows by the client in the folder; return the seconds of the whole command, including its start."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "items.jsonl"
        path.write_text("".join(json.dumps(item(uuid.uuid4().hex)) + "\n" for _ in range(rows)))
        env = commands.clean_environment(
            JOBPIPE_URL=stage.deployment.base_url, JOBPIPE_API_KEY=stage.deployment.api_key
        )
        started = time.monotonic()
        command = [python, "-m", "jobpipe_client.cli", "import", str(path)]
        subprocess.run(command, env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - started


def item(name: str) -> dict[str, object]:
    return {"name": name, "description": "One of many", "price": 12.95, "tags": ["a", "b"]}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
