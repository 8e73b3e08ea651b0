# SPDX-License-Identifier: Apache-2.0
"""From a folder or file that somebody brings to a checked description and its weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from healthvision.domains.modelhub import bundle
from healthvision.domains.modelhub.description import FileEngine, ModelDescription
from healthvision.domains.modelhub.errors import DescriptionInvalid, ModelRefused
from healthvision.domains.modelhub.manifests import manifest_of
from healthvision.domains.modelhub.registry import check_manifest
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.domains.modelhub.shelf import sha256_of

NAMES = ("model.yaml", "model.yml", "model.json")
MAX_BYTES, MAX_DEPTH = 512 * 1024, 64
_MOST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Proposal:
    """A checked description and the file of its weights (None: a server has them)."""

    description: ModelDescription
    weights: Path | None


def read(path: Path) -> Proposal:
    """Read a description file, a folder with one, or a MONAI bundle folder.

    The SHA-256 of the weights is computed, and compared when the description gives one. Raises
    DescriptionInvalid, BundleNotUnderstood, ModelRefused, RuleInvalid.
    """
    file = _found(path)
    if file is None and bundle.is_bundle(path):
        proposal = Proposal(*bundle.describe(path))
    elif file is None:
        raise DescriptionInvalid(
            f"{path}: no {NAMES[0]} or {NAMES[2]} and no MONAI bundle (configs/metadata.json)"
        )
    else:
        proposal = _described(file)
    done = _with_digest(proposal)
    check_manifest(manifest_of(done.description))
    return done


def parsed(data: Any, name: str) -> ModelDescription:
    """Check what a description file says; raises DescriptionInvalid, naming each field."""
    try:
        text = json.dumps(data, allow_nan=False, default=str)
        return ModelDescription.model_validate_json(text)
    except ValidationError as error:
        said = [
            f"{'.'.join(str(p) for p in e['loc']) or 'description'}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False)[:_MOST_SHOWN]
        ]
        raise DescriptionInvalid(f"{name}: {'; '.join(said)}") from None
    except (ValueError, TypeError, RecursionError):
        raise DescriptionInvalid(f"{name}: it holds values that JSON cannot hold") from None


def load(file: Path) -> Any:
    """Read YAML or JSON; raises DescriptionInvalid."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DescriptionInvalid(f"{file.name}: more than {MAX_BYTES} bytes")
        text = file.read_text(encoding="utf-8")
        if _depth(text) > MAX_DEPTH:
            raise ValueError("nested too deep")
        if file.suffix == ".json":
            return json.loads(text)
        if any(isinstance(event, yaml.events.AliasEvent) for event in yaml.parse(text)):
            raise ValueError("aliases (*name) are not accepted")
        return yaml.safe_load(text)
    except OSError as error:
        raise DescriptionInvalid(f"{file.name}: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        line = str(error).splitlines()[0][:200]
        raise DescriptionInvalid(f"{file.name}: not readable ({line})") from None


def _depth(text: str) -> int:
    """Return how deep brackets are nested at most; YAML takes long over very deep ones."""
    deepest = now = 0
    for character in text:
        now += (character in "[{") - (character in "]}")
        deepest = max(deepest, now)
    return deepest


def _found(path: Path) -> Path | None:
    if path.is_file():
        return path
    if not path.exists():
        raise DescriptionInvalid(f"there is no {path}")
    return next((path / name for name in NAMES if (path / name).is_file()), None)


def _described(file: Path) -> Proposal:
    description = parsed(load(file), file.name)
    engine = description.file
    return Proposal(description, None if engine is None else file.parent / engine.weights)


def _with_digest(proposal: Proposal) -> Proposal:
    file = proposal.weights
    engine = proposal.description.file
    if file is None or engine is None:
        return proposal
    if file.is_symlink() or not file.is_file():
        raise ModelRefused(f"there is no weights file {file.name} beside the description")
    limit = ModelhubSettings().max_weights_mb
    if file.stat().st_size > limit << 20:
        raise ModelRefused(f"{file.name}: more than {limit} MB (HV_MODELHUB_MAX_WEIGHTS_MB)")
    try:
        digest = sha256_of(file)
    except OSError as error:
        raise ModelRefused(f"{file.name}: {error.strerror}") from None
    if engine.sha256 not in (None, digest):
        raise ModelRefused(
            f"{file.name} has the SHA-256 {digest}, its description says {engine.sha256}"
        )
    known = FileEngine(kind=engine.kind, weights=engine.weights, sha256=digest)
    return Proposal(proposal.description.model_copy(update={"engine": known}), file)
