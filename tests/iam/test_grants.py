"""P9: on an emulator that enforces the roles, each Lambda can do what it must, and nothing else."""

from __future__ import annotations

import time

import pytest

from tests.iam.calls import operations
from tests.iam.grants import Grant, actions, template_grants
from tests.iam.lab import FUNCTIONS, Lab
from tests.iam.need import Need
from tests.iam.needs import NEEDS
from tests.iam.probes import PROBED, client_of, is_denied, probes

pytestmark = pytest.mark.slow

TESTED = [(grant, NEEDS[grant.key]) for grant in template_grants() if grant.key in NEEDS]


@pytest.mark.parametrize(
    ("grant", "need"), TESTED, ids=[f"{grant}: without it {need.effect}" for grant, need in TESTED]
)
def test_each_grant_is_needed(grant: Grant, need: Need, lab: Lab) -> None:
    lab.empty_queues()
    with lab.without_grants(grant):
        started = time.time()
        assert need.scenario(lab) == need.removed
        denied_calls = lab.denied_operations(grant.role, started)
    assert denied_calls & operations(grant.action), "the removed grant is the one that was needed"
    assert denied_calls <= set().union(*(operations(action) for action in (grant.action, *need.also_removed)))
    lab.empty_queues()
    assert need.scenario(lab) == need.granted


@pytest.mark.parametrize("role", FUNCTIONS)
def test_the_deployed_roles_are_those_of_the_templates(role: str, lab: Lab) -> None:
    deployed = {
        (role, statement["Sid"], action)
        for statement in lab.roles[role].document["Statement"]
        for action in actions(statement)
    }
    expected = {grant.key: grant for grant in template_grants() if grant.role == role}
    assert deployed <= set(expected)
    assert all(expected[key].conditional for key in set(expected) - deployed)


@pytest.mark.parametrize("role", FUNCTIONS)
def test_a_role_may_do_what_it_is_granted_and_nothing_else(role: str, lab: Lab) -> None:
    """Without a grant the emulator denies the same call, also where no scenario tests it."""
    clients = {service: client_of(lab, lab.roles[role], service) for service in PROBED}
    calls = {(probe.action, probe.resource): probe for probe in probes(lab)}
    allowed = {permission for permission, probe in calls.items() if not is_denied(probe, clients)}
    granted = {(grant.action, grant.resource): grant for grant in template_grants() if grant.role == role}
    assert allowed == {permission for permission in granted if permission[0].partition(":")[0] in PROBED}
    for permission in allowed:
        with lab.without_grants(granted[permission]):
            assert is_denied(calls[permission], clients), f"the emulator allows {permission}"


@pytest.mark.parametrize("role", FUNCTIONS)
def test_a_role_of_another_stage_has_no_access_to_this_one(role: str, lab: Lab) -> None:
    clients = {service: client_of(lab, lab.roles[role], service) for service in PROBED}
    with lab.with_grants_of_another_stage(role):
        own = [probe for probe in probes(lab) if not probe.resource.startswith("another")]
        assert not [probe for probe in own if not is_denied(probe, clients)]
        need = next(need for grant, need in TESTED if grant.role == role and not need.also_removed)
        assert need.scenario(lab) != need.granted
