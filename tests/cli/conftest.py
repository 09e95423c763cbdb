from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobpipe_client.cli.app import app
from tests.client.service import KEY, Service


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOBPIPE_URL", "JOBPIPE_API_KEY", "JOBPIPE_STAGE", "JOBPIPE_STATE_DIR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))  # where running imports are noted
    monkeypatch.setattr("tempfile.tempdir", None)


class Jobpipe:
    """Runs `jobpipe` in this process, with the service in memory."""

    def __call__(self, *arguments: str, said: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=said)

    def does(self, *arguments: str, said: str | bytes | None = None) -> str:
        """Return the output of a command that must succeed."""
        done = self(*arguments, said=said)
        assert done.exit_code == 0, done.output
        return done.stdout

    def fails(self, status: int, *arguments: str) -> str:
        """Return the one line of error of a command that must fail with this exit status."""
        done = self(*arguments)
        assert done.exit_code == status, done.output
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("jobpipe: ")
        return lines[0]


@pytest.fixture
def jobpipe(service: Service, monkeypatch: pytest.MonkeyPatch) -> Jobpipe:
    monkeypatch.setenv("JOBPIPE_URL", service.url)
    monkeypatch.setenv("JOBPIPE_API_KEY", KEY)
    return Jobpipe()
