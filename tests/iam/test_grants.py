"""P9: each Lambda can do what it does, and nothing else, on an emulator that enforces its role."""

from __future__ import annotations

import time

import pytest

from tests.iam.calls import operations
from tests.iam.grants import Grant, actions, template_grants
from tests.iam.lab import FUNCTIONS, Lab
from tests.iam.needs import NEEDS, Need
from tests.iam.probes import PROBED, client_of, denied, probes

SEEN = [(grant, NEEDS[grant.key]) for grant in template_grants() if grant.key in NEEDS]


@pytest.mark.parametrize(
    ("grant", "need"), SEEN, ids=[f"{grant}: without it {need.breaks}" for grant, need in SEEN]
)
def test_each_grant_is_needed(grant: Grant, need: Need, lab: Lab) -> None:
    lab.empty_queues()
    with lab.lacking(grant):
        began = time.time()
        assert need.scenario(lab) == need.ill
        missed = lab.denials(grant.role, began)
    assert missed & operations(grant.action), "it is this grant that is missed"
    assert missed <= set().union(*(operations(action) for action in (grant.action, *need.meanwhile)))
    lab.empty_queues()
    assert need.scenario(lab) == need.well


@pytest.mark.parametrize("role", FUNCTIONS)
def test_the_roles_are_deployed_as_the_templates_say(role: str, lab: Lab) -> None:
    deployed = {
        (role, statement["Sid"], action)
        for statement in lab.roles[role].document["Statement"]
        for action in actions(statement)
    }
    said = {grant.key: grant for grant in template_grants() if grant.role == role}
    assert deployed <= set(said)
    assert all(said[key].conditional for key in set(said) - deployed)


@pytest.mark.parametrize("role", FUNCTIONS)
def test_a_role_may_do_what_it_is_granted_and_nothing_else(role: str, lab: Lab) -> None:
    """And the emulator asks for each grant: without it the same call is denied, also where no scenario shows it."""
    clients = {service: client_of(lab, lab.roles[role], service) for service in PROBED}
    tried = {(probe.action, probe.resource): probe for probe in probes(lab)}
    allowed = {what for what, probe in tried.items() if not denied(probe, clients)}
    granted = {(grant.action, grant.resource): grant for grant in template_grants() if grant.role == role}
    assert allowed == {what for what in granted if what[0].partition(":")[0] in PROBED}
    for what in allowed:
        with lab.lacking(granted[what]):
            assert denied(tried[what], clients), f"the emulator lets {what} through"


@pytest.mark.parametrize("role", FUNCTIONS)
def test_a_role_for_another_stage_is_of_no_use_here(role: str, lab: Lab) -> None:
    clients = {service: client_of(lab, lab.roles[role], service) for service in PROBED}
    with lab.moved_to_another_stage(role):
        own = [probe for probe in probes(lab) if not probe.resource.startswith("another")]
        assert not [probe for probe in own if not denied(probe, clients)]
        need = next(need for grant, need in SEEN if grant.role == role)
        assert need.scenario(lab) != need.well
