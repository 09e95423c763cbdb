"""docs/security-grants.md: each grant of the templates, and the effect of its removal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.settings import ROOT
from tests.iam.grants import Grant, template_grants
from tests.iam.needs import NEEDS
from tests.iam.untested import UNTESTED

PAGE = ROOT / "docs" / "security-grants.md"
_FUNCTIONS = {
    "APIRole": "The API",
    "WorkerRole": "The worker",
    "DeadLettersRole": "The dead-letter consumer",
    "ReleaseRole": "The function that releases scheduled commands",
    "TellRole": "The function that tells the ends of jobs",
    "DeliverRole": "The function that delivers events",
}
_HEAD = """\
# What each Lambda may do, and what fails without it

`make grants` generates this page from `infra/templates/*.merge.yaml` and `tests/iam/needs.py`. A test checks that
it is current.

Each row is one action that a role grants on one resource. The tests in `tests/iam` deploy a stage to an emulator
that enforces the roles. They remove one grant, check the effect that its row describes, restore the grant, and
check that the scenario succeeds. They also check that a role is denied everything else. A row marked *not tested*
describes a need that the emulator cannot show. Its effect on AWS is taken from AWS's documentation.
"""


def page() -> str:
    """Return the page as Markdown."""
    roles = dict.fromkeys(grant.role for grant in template_grants())
    return "\n".join([_HEAD, *(line for role in roles for line in _section(role, template_grants()))])


def disagreements(grants: Iterable[Grant]) -> Iterator[str]:
    """Yield the grants without a need, and the needs without a grant."""
    keys = {grant.key for grant in grants}
    untested = {key for key in keys if key[1:] in UNTESTED}
    yield from (f"nothing needs {' '.join(key)}" for key in sorted(keys - set(NEEDS) - untested))
    yield from (f"{' '.join(key)} is needed but not granted" for key in sorted(set(NEEDS) - keys))
    yield from (f"{' '.join(key)} is in both NEEDS and UNTESTED" for key in sorted(untested & set(NEEDS)))
    missing = set(UNTESTED) - {key[1:] for key in keys}
    yield from (f"{' '.join(key)} is in UNTESTED but not granted" for key in sorted(missing))


def _section(role: str, grants: Iterable[Grant]) -> Iterator[str]:
    yield f"## {_FUNCTIONS[role]} ({role})\n"
    yield "| statement | action | resource | effect of its removal |"
    yield "|---|---|---|---|"
    for grant in grants:
        if grant.role == role:
            statement = f"{grant.sid} (conditional)" if grant.conditional else grant.sid
            yield f"| {statement} | `{grant.action}` | `{grant.resource}` | {_effect(grant)} |"
    yield ""


def _effect(grant: Grant) -> str:
    need = NEEDS.get(grant.key)
    if need is None:
        return f"*not tested*: {UNTESTED[grant.key[1:]]}"
    return f"{need.effect}<br>*{need.granted}* becomes *{need.removed}*"
