"""The templates of a stage on AWS, rendered."""

from __future__ import annotations

import json

from infra.packaging.package import package_all
from infra.templates.rendering import Rendered
from infra.templates.sources import Template, foundation_template, operations_template

NAMES = ("foundation", "worker", "api", "operations")  # in the order of their deployment


def template(name: str) -> Template:
    """Return the template as it is deployed to AWS."""
    if name == "foundation":
        return foundation_template("prod")
    if name == "operations":
        return operations_template()
    built: Template = json.loads(package_all()[name].template_path.read_text())
    return built


def rendered(name: str, **parameters: str) -> Rendered:
    """Render the template of this name, by default for the stage `prod`."""
    return Rendered(template(name), **{"Stage": "prod", **parameters})
