"""docs/deploying.md names what a deployment needs."""

import re

from infra.settings import ROOT
from tests.infra.rendered import NAMES, template

_ALWAYS = {"cloudformation", "sts"}  # by which a deployment does all the rest


def test_the_rights_are_those_of_every_service_of_the_templates() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    table = page[page.index("| service | for |") :].split("\n\n")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = {name for cell in first_cells for name in re.findall("`([a-z0-9]+)`", cell)}

    types = {resource["Type"] for name in NAMES for resource in template(name)["Resources"].values()}
    assert named == {kind.split("::")[1].lower() for kind in types} | _ALWAYS
