"""This module writes the software bill of materials (CycloneDX 1.6) of what Kindred and its server for assistants run.

    python -m supply.sbom FOLDER …      # site-packages in which Kindred is installed

Components are the installed distributions with version, licence and what each requires, and the default encoder with
the hash of every file that is read.  Equal installations give equal bytes.  It runs in an environment of its own, and
imports nothing of Kindred.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import Distribution
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from supply.closure import ROOT, canonical, closure, installed, wanted
from supply.encoder import encoder_files
from supply.licences import licence_of

_EXTRAS = ("cluster", "mcp")
_EPOCH = 315_532_800  # 1980-01-01, the first that a zip can say, as of the wheel


def bill(folders: Sequence[str]) -> str:
    """The bill of what is installed in ``folders``, as JSON.  Raises ValueError where it breaks CycloneDX's schema."""
    here = installed(folders)
    found = closure(_EXTRAS, here)
    components = {canonical(one.metadata["Name"]): _component(one) for one in found}
    root = Component(name="kindred", version=here["kindred"].version, type=ComponentType.APPLICATION, bom_ref="kindred")
    bom = Bom(components=components.values())
    bom.metadata.component = root
    for distribution in (here["kindred"], *found):
        name = canonical(distribution.metadata["Name"])
        required = [components[other] for other in wanted(distribution, _EXTRAS) if other in components]
        bom.register_dependency(components.get(name, root), required)
    name, carrier, files = encoder_files()
    encoder = Component(
        name=name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{name}",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
        components=[
            Component(
                name=path,
                type=ComponentType.FILE,
                bom_ref=f"model:{name}/{path}",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            )
            for path, digest in sorted(files.items())
        ],
    )
    bom.components.add(encoder)
    bom.register_dependency(components[carrier], [encoder])
    stamp = int(os.environ.get("SOURCE_DATE_EPOCH", _EPOCH))
    bom.metadata.timestamp = datetime.fromtimestamp(stamp, timezone.utc)
    content = sorted((one.name, str(one.version)) for one in bom.components)
    bom.serial_number = uuid5(NAMESPACE_URL, json.dumps(["kindred", root.version, content, files]))
    text: str = JsonV1Dot6(bom).output_as_string(indent=1) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"the bill breaks the schema: {problem}")
    return text


def _component(distribution: Distribution) -> Component:
    name, version = canonical(distribution.metadata["Name"]), distribution.version
    licence = licence_of(distribution)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={version}",
        purl=PackageURL("pypi", name=name, version=version),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def main() -> None:
    """Write dist/kindred-VERSION.cdx.json."""
    text = bill(sys.argv[1:])
    version = json.loads(text)["metadata"]["component"]["version"]
    target = ROOT / "dist" / f"kindred-{version}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, "utf-8")
    print(f"wrote {target.relative_to(ROOT)}: {len(json.loads(text)['components'])} components, sound by the schema")


if __name__ == "__main__":
    main()
