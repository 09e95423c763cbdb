"""Explains to an operator why a file cannot be written."""

import os
import pwd
from pathlib import Path

from infra.settings import ROOT


def permission_problem(path: Path) -> str:
    """Return one line on the cause and the remedy for an operator who may not write to this path or its folder."""
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    owner = there.stat().st_uid
    if owner == os.geteuid():
        return f"{there} cannot be written to; is it read-only?"
    while ROOT in there.parents and there.parent.stat().st_uid == owner:
        there = there.parent  # the whole folder has this owner
    user = _user_name(os.geteuid())
    return (
        f"{there} belongs to {_user_name(owner)}, and {user} may not write there: use a checkout of your own, "
        f"or have it given to you (sudo chown -R {user} {there})"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
