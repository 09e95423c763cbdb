"""Commands that need a checkout of jobpipe."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.client.service import KEY, Service
from tests.helpers import commands

pytestmark = pytest.mark.slow


def test_operators_commands_need_a_checkout(service: Service, tmp_path: Path) -> None:
    """The client alone, as an installed one is."""
    (tmp_path / "jobpipe_client").symlink_to(commands.ROOT / "jobpipe_client")
    # Without `site` the checkout, which is installed here as it stands, is not on the path.
    path = [str(tmp_path), sysconfig.get_paths()["purelib"]]
    start = f"import sys; sys.path += {path}; from jobpipe_client.cli import main; sys.exit(main())"
    programs = [(name, "--limit", "3") for name in ("audit", "redrive", "parked")]
    for arguments in (*programs, ("demo",), ("doctor",), ("new", "orders")):
        done = subprocess.run(
            (sys.executable, "-S", "-c", start, *arguments),
            cwd=tmp_path,
            env=commands.clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "jobpipe: this needs a checkout of jobpipe: run it there\n")


def test_a_new_collection_is_written_by_the_checkout(jobpipe: Jobpipe, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    written = jobpipe.does("new", "orders", "--collections", str(shop))
    files = sorted(each.name for each in (shop / "orders").iterdir())
    assert {"collection.toml", "schema.json", "operations.py"} < set(files)
    assert written == f"{shop}/orders: {', '.join(files)}\n"
    assert "already exists" in jobpipe.fails(1, "new", "orders", "--collections", str(shop))
    for name in ("jobs", "Orders", "items", ".."):
        jobpipe.fails(1, "new", name, "--collections", str(shop))
    assert [each.name for each in shop.iterdir()] == ["orders"]


def test_operators_commands_take_their_own_options(jobpipe: Jobpipe) -> None:
    for name in ("audit", "redrive", "parked", "demo", "doctor"):
        done = commands.run(
            sys.executable, "-m", "jobpipe_client.cli", name, "--help", env=commands.clean_environment()
        )
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: python -m scripts.{name}")
        wrong = commands.run(
            sys.executable, "-m", "jobpipe_client.cli", name, "--wrong", env=commands.clean_environment()
        )
        assert wrong.returncode == 2
        assert len(wrong.stderr.splitlines()) == 1


def test_stats_run_no_code_of_the_current_folder(service: Service, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "folder"
    shutil.copytree(commands.ROOT / "jobpipe_client", site / "jobpipe_client")
    for name in (
        "scripts/audit/__main__.py",
        "infra/targets/target.py",
        "jobpipe/domain/jobs/job.py",
        "scripts/stage/outcomes.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    # Without `site` the checkout, which is installed here as it stands, is not on the path.
    path = [str(site), sysconfig.get_paths()["purelib"]]
    start = f"import sys; sys.path[:1] = {path}; from jobpipe_client.cli import main; sys.exit(main())"
    done = subprocess.run(
        (sys.executable, "-S", "-c", start, "stats"),
        cwd=folder,
        env=commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "no outcomes: this needs the jobpipe of a checkout\n")
    assert not (tmp_path / "ran").exists()
