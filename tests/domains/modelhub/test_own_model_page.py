# SPDX-License-Identifier: Apache-2.0
"""What docs/own-model.md shows is what the program reads."""

import re
from pathlib import Path

import yaml

from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.reading import parsed
from healthvision.domains.modelhub.service import check_manifest

PAGE = Path(__file__).parents[3] / "docs" / "own-model.md"


def test_the_examples_are_descriptions() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    whole, *engines = (yaml.safe_load(block) for block in blocks)
    for engine in [{}, *engines]:
        check_manifest(manifest_of(parsed({**whole, **engine}, "docs")))
    assert len(engines) == 2
