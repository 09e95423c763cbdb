from collections.abc import Iterator

import pytest

from jobpipe_client import Client
from tests.client.service import KEY, Service


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, KEY, timeout=2) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOBPIPE_URL", "JOBPIPE_API_KEY", "JOBPIPE_STAGE", "JOBPIPE_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
