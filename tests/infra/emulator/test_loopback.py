"""Emulators listen on loopback only, since access to their port is root access."""

from __future__ import annotations

import socket
from pathlib import Path

import yaml

from infra.emulator import running_emulator
from infra.settings import ROOT


def reaches(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def test_the_embedded_emulator_listens_on_127_0_0_1_only(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator:
        assert reaches("127.0.0.1", emulator.port)
        # a program that binds to all addresses also listens on this one, with any network
        assert not reaches("127.0.0.2", emulator.port)


def test_compose_publishes_ports_on_loopback_only() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not str(port).startswith("127.0.0.1:")] == []
