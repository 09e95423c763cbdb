"""The code that the functions of a local stage run. `make dev` changes it without a deployment.

CloudFormation does not know about such a change. If `make dev` was killed, or its last deployment was refused, the
functions run another zip than the one that their stack names. So a deployment compares them.
"""

import hashlib
import time
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.packaging.package import Package
from infra.stacks.stage_stacks import Values
from infra.targets.target import Target
from infra.templates.sources import Template, of_type

_REPEAT_AFTER = 0.4  # seconds
_FUNCTION = "AWS::Lambda::Function"


def functions_with_other_code(target: Target, package: Package, outputs: Values) -> dict[str, str]:
    """Return the names of the functions whose code is not the package's zip, by logical id."""
    names = _functions(package.template(), outputs)
    built = b64encode(hashlib.sha256(package.zip_path.read_bytes()).digest()).decode()
    running = running_code(target.client("lambda"), names.values())
    return {logical_id: name for logical_id, name in names.items() if running.get(name, built) != built}


def running_code(lambdas: Any, names: Iterable[str]) -> dict[str, str]:
    """Return the digest of the code of each of these functions that exists."""
    found: dict[str, str] = {}
    for name in names:
        with suppress_gone():
            found[name] = lambdas.get_function_configuration(FunctionName=name)["CodeSha256"]
    return found


def restore_code(target: Target, stack: str, package: Package, outputs: Values, progress: Progress) -> None:
    """Make each function of an app's stack run the zip that was built."""
    found = functions_with_other_code(target, package, outputs)
    for name in found.values():
        progress.event(
            stack, "RESTORING", name, "it runs other code than was built, perhaps from an earlier make dev"
        )
    if found:
        put_code(target.client("lambda"), found.values(), package.zip_path.read_bytes())


def put_code(lambdas: Any, names: Iterable[str], body: bytes) -> None:
    """Make these functions of an emulator run a zip.

    An invocation during the update may start a process with the old code, which MiniStack 1.5.33 then reuses. The
    second update ends that process.
    """
    names = list(names)
    _update(lambdas, names, body)
    time.sleep(_REPEAT_AFTER)
    _update(lambdas, names, body)


def _update(lambdas: Any, names: list[str], body: bytes) -> None:
    waiter = lambdas.get_waiter("function_updated_v2")
    for name in names:
        lambdas.update_function_code(FunctionName=name, ZipFile=body)
    for name in names:
        waiter.wait(FunctionName=name)


def _functions(template: Template, outputs: Values) -> dict[str, str]:
    """Return the names of the functions in the stack, by logical id."""
    values = {name: each["Value"] for name, each in template["Outputs"].items() if name in outputs}
    return {
        logical_id: outputs[name]
        for logical_id in of_type(template, _FUNCTION)
        for name, value in values.items()
        if value == {"Ref": logical_id}
    }
