"""The grants as a page for people: who may do what, and what breaks without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infra.settings import ROOT
from tests.iam.grants import Grant, template_grants
from tests.iam.needs import NEEDS, UNSEEN

PAGE = ROOT / "docs" / "security-grants.md"
_FUNCTIONS = {"APIRole": "The API", "WorkerRole": "The worker", "DeadLettersRole": "The dead-letter consumer"}
_HEAD = """\
# What each Lambda may do, and what breaks without it

Made by `make grants` from `infra/templates/*.merge.yaml` and `tests/iam/needs.py`; a test holds it true.

Each line is one action that a role grants on one resource. `tests/iam` deploys all of it into an emulator that
enforces the roles, takes one grant away, sees what the line says, gives it back, and sees it work again. It also
tries what the role is not granted, and is denied. Where a line says *not seen*, the emulator cannot show the need:
the line says why, and what breaks on AWS, from AWS's documentation and not from a trial.
"""


def page() -> str:
    """The whole of it, as Markdown."""
    roles = dict.fromkeys(grant.role for grant in template_grants())
    return "\n".join([_HEAD, *(line for role in roles for line in _section(role, template_grants()))])


def disagreements(grants: Iterable[Grant]) -> Iterator[str]:
    """Grants that nobody knows a need for, and needs of grants that there are not."""
    keys = {grant.key for grant in grants}
    unseen = {key for key in keys if key[1:] in UNSEEN}
    yield from (f"nothing needs {' '.join(key)}" for key in sorted(keys - set(NEEDS) - unseen))
    yield from (f"{' '.join(key)} is needed and not granted" for key in sorted(set(NEEDS) - keys))
    yield from (f"{' '.join(key)} is seen, and said not to be" for key in sorted(unseen & set(NEEDS)))
    gone = set(UNSEEN) - {key[1:] for key in keys}
    yield from (f"{' '.join(key)} is said not to be seen, and not granted" for key in sorted(gone))


def _section(role: str, grants: Iterable[Grant]) -> Iterator[str]:
    yield f"## {_FUNCTIONS[role]} ({role})\n"
    yield "| statement | action | on | without it |"
    yield "|---|---|---|---|"
    for grant in grants:
        if grant.role == role:
            statement = f"{grant.sid} (by a parameter)" if grant.conditional else grant.sid
            yield f"| {statement} | `{grant.action}` | `{grant.resource}` | {_without(grant)} |"
    yield ""


def _without(grant: Grant) -> str:
    need = NEEDS.get(grant.key)
    if need is None:
        return f"*not seen*: {UNSEEN[grant.key[1:]]}"
    return f"{need.breaks}<br>*{need.well}* becomes *{need.ill}*"
