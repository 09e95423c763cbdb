from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import jobpipe_client
from jobpipe_client import Client
from tests.client.service import KEY, Service


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, KEY, request_timeout=2) as client:
        yield client


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOBPIPE_URL", "JOBPIPE_API_KEY", "JOBPIPE_STAGE", "JOBPIPE_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def names(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The names of examples: those of the package, a client, its URL and key, an item, an order, a webhook."""
    monkeypatch.setenv("JOBPIPE_URL", service.url)
    monkeypatch.setenv("JOBPIPE_API_KEY", KEY)
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path_factory.mktemp("no-stages")))
    made = client.sync.create({"name": "Stove", "description": "For gas", "price": 20})
    orders = client.collection("orders")
    order = orders.sync.create({"number": "1001", "customer": "alice", "status": "paid"})
    order = orders.get_item(order.id)
    webhook = client.webhooks.create("https://receiver.example/jobpipe", events=["job.ended"])
    exported = {name: getattr(jobpipe_client, name) for name in jobpipe_client.__all__}
    return {
        **exported,
        "timedelta": timedelta,
        "client": client,
        "url": service.url,
        "key": KEY,
        "item": made,
        "orders": orders,
        "order": order,
        "webhook": webhook,
    }
