"""Messages for operators who may not write to a file, with its owner."""

import os
import pwd
from pathlib import Path

from infra.settings import ROOT


def permission_problem(path: Path) -> str:
    """One line on the cause and the remedy for an operator who may not write to this path or its folder."""
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    owner = there.stat().st_uid
    if owner == os.geteuid():
        return f"{there} cannot be written to; is it read-only?"
    while ROOT in there.parents and there.parent.stat().st_uid == owner:
        there = there.parent  # the same owner has the whole folder
    mine = _name(os.geteuid())
    return (
        f"{there} belongs to {_name(owner)}, and {mine} may not write there: use a checkout of your own, "
        f"or have it given to you (sudo chown -R {mine} {there})"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
