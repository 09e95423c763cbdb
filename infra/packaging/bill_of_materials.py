"""Writes a zip's bill of materials (CycloneDX 1.6). Each file of the zip must belong to exactly one component.

The bill has no timestamp, and its serial number derives from the zip, so that the same zip has the same bill.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from infra.errors import OperatorError
from infra.packaging.distributions import Distribution

Owners = dict[str, Distribution]
_SPDX = {"Apache License 2.0": "Apache-2.0"}  # licences that metadata does not name by their SPDX id


def find_owners(archive: Path, distributions: Iterable[Distribution]) -> Owners:
    """Return the component of each file of the zip, compared byte by byte.

    Raise OperatorError if a file belongs to none or to several components, or if one of our sources is missing.
    """
    parts = list(distributions)
    owners: Owners = {}
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(opened.namelist()):
            if name.endswith("/"):
                continue
            content = opened.read(name)
            claims = [part for part in parts if part.files.get(name) == content]
            if len(claims) != 1:
                raise OperatorError(f"{archive.name} contains {name}, which {_why(name, parts, claims)}")
            owners[name] = claims[0]
    ours = {name for part in parts if part.sha256 is None for name in part.files}
    if ours - set(owners):
        raise OperatorError(f"{archive.name} lacks {min(ours - set(owners))}, which is one of our sources")
    return owners


def write_bill(app: str, archive: Path, owners: Owners, version: str) -> Path:
    """Write the bill beside the zip, and return its path."""
    digest = _digest(archive.read_bytes())
    whole = Component(
        name=f"jobpipe-{app}",
        type=ComponentType.APPLICATION,
        version=version,
        bom_ref=f"jobpipe-{app}",
        hashes=[_sha256(digest)],
    )
    parts = sorted({owner.name: owner for owner in owners.values()}.items())
    components = {
        name: _component(part, [path for path, owner in owners.items() if owner is part]) for name, part in parts
    }
    bill = Bom(components=components.values(), serial_number=uuid5(NAMESPACE_URL, digest))
    bill.metadata.component = whole
    bill.register_dependency(whole, components.values())
    for name, part in parts:
        bill.register_dependency(components[name], [components[each] for each in part.requires & set(components)])
    path = archive.with_suffix(".cdx.json")
    path.write_text(json.dumps(_document(bill), indent=1) + "\n")
    return path


def _document(bill: Bom) -> dict[str, Any]:
    text = make_outputter(bill, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    document: dict[str, Any] = json.loads(text)
    del document["metadata"]["timestamp"]
    return document


def _component(part: Distribution, paths: list[str]) -> Component:
    return Component(
        name=part.name,
        type=ComponentType.LIBRARY,
        version=part.version,
        bom_ref=f"{part.name}=={part.version}",
        purl=PackageURL("pypi" if part.sha256 else "generic", None, part.name, part.version),
        licenses=[LicenseFactory().make_from_string(_SPDX.get(part.licence, part.licence))],
        hashes=[_sha256(part.sha256)] if part.sha256 else [],
        components=[
            Component(
                name=path,
                type=ComponentType.FILE,
                bom_ref=f"{part.name}/{path}",
                hashes=[_sha256(_digest(part.files[path]))],
            )
            for path in paths
        ],
    )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _why(name: str, parts: list[Distribution], claims: list[Distribution]) -> str:
    if claims:
        return f"belongs to both {claims[0].name} and {claims[1].name}"
    others = [part for part in parts if name in part.files]
    if others:
        return f"is not the file that {others[0].name} {others[0].version} has under this name"
    return "belongs to no locked requirement"
