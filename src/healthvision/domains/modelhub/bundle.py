# SPDX-License-Identifier: Apache-2.0
"""Reads a MONAI bundle as a description, without running any of its Python.

Of ``configs/metadata.json`` and ``configs/inference.json`` the subset below is understood. A
transform, an inferer or an argument outside of it is refused by its key: a step that is passed
over silently gives wrong results.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from healthvision.domains.modelhub.description import ModelDescription
from healthvision.domains.modelhub.errors import BundleNotUnderstood

METADATA, INFERENCE = "configs/metadata.json", "configs/inference.json"
_MODELS = (("models/model.onnx", "onnx"), ("models/model.ts", "torchscript"))
_MAX_BYTES = 1 << 20
_MODALITIES = {"CT": "CT", "MR": "MR", "MRI": "MR", "DX": "DX", "CR": "CR", "XRAY": "DX"}
_NO_MATTER = frozenset(
    {"LoadImage", "EnsureChannelFirst", "AddChannel", "EnsureType", "ToTensor", "CastToType"}
)  # our own reader does these
_AFTER = frozenset({"Invert", "SaveImage", "EnsureType", "ToTensor"})
_INFERER_NO_MATTER = (
    "sw_batch_size", "mode", "padding_mode", "cval", "sw_device", "device", "progress",
    "cache_roi_weight_map", "cpu_thresh", "sigma_scale",
)  # fmt: skip
_LEAST_SLICES = 10
_ORDER = {
    "Orientation": 0, "Spacing": 1, "Resize": 1,
    "ScaleIntensityRange": 2, "ScaleIntensity": 2, "NormalizeIntensity": 2,
}  # fmt: skip
"""The one order our reader works in: turned, then resampled, then scaled."""
_LABELS = [["L", "R"], ["P", "A"], ["I", "S"]]  # MONAI's own; others give the letters new meanings
_OURS = re.compile(r"(?:monai\.(?:\w+\.)*)?(\w+)")
_MOST = 1e9
Json = Mapping[str, Any]


def is_bundle(folder: Path) -> bool:
    """Tell whether a folder looks like a MONAI bundle."""
    return (folder / METADATA).is_file()


def describe(folder: Path) -> tuple[ModelDescription, Path]:
    """Return the description and the weights file of a bundle; raises BundleNotUnderstood."""
    meta, config = _json(folder / METADATA), _json(folder / INFERENCE)
    weights, kind = _weights(folder)
    image = _at(meta, "network_data_format", "inputs", "image")
    said = {
        "format": "healthvision-model/1",
        **_head(folder, meta),
        "accepts": _accepts(image),
        "engine": {"kind": kind, "weights": weights.name},
        "input": _input(image, config),
        "output": _output(_at(meta, "network_data_format", "outputs", "pred"), config),
    }
    try:
        return ModelDescription.model_validate_json(json.dumps(said)), weights
    except (ValidationError, ValueError) as error:
        line = "; ".join(str(error).splitlines()[1:3])
        raise BundleNotUnderstood(f"its figures do not fit together: {line[:300]}") from None


def _json(path: Path) -> Json:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BundleNotUnderstood(f"{path.name}: more than {_MAX_BYTES} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BundleNotUnderstood(f"there is no {path.parent.name}/{path.name}") from None
    except (ValueError, RecursionError):
        raise BundleNotUnderstood(f"{path.name} is no JSON") from None
    if not isinstance(found, dict):
        raise BundleNotUnderstood(f"{path.name} is no JSON object")
    return found


def _weights(folder: Path) -> tuple[Path, str]:
    for name, kind in _MODELS:
        if (folder / name).is_file():
            return folder / name, kind
    raise BundleNotUnderstood(
        "there is no models/model.onnx and no models/model.ts; model.pt alone needs the bundle's "
        "Python, export it first (python -m monai.bundle onnx_export or ckpt_export)"
    )


def _at(found: Any, *keys: str) -> Json:
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise BundleNotUnderstood(f"metadata.json has no {'.'.join(keys)}")
        found = found[key]
    if not isinstance(found, dict):
        raise BundleNotUnderstood(f"metadata.json: {'.'.join(keys)} is no object")
    return found


def _head(folder: Path, meta: Json) -> dict[str, Any]:
    name = str(meta.get("name") or folder.resolve().name)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    task = str(meta.get("task") or name)
    text = str(meta.get("description") or task)
    use = str(meta.get("intended_use") or "Not said by its author; research only.")
    licence = str(meta.get("license") or meta.get("licence") or "not stated in the bundle")
    return {
        "id": slug if slug[:1].isalpha() else f"bundle-{slug}",
        "version": str(meta.get("version") or "0.0.0"),
        "title": _same(name[:200]),
        "description": _same(text[:2000]),
        "intended_use": _same(use[:2000]),
        "limitations": [_same("Read from a MONAI bundle; its author's claims were not checked.",
                              "由MONAI包读入；未核实作者的说法。")],
        "licence": licence[:200],
        "commercial_use": False,
        "source": str(meta.get("authors") or "")[:500] or None,
    }  # fmt: skip


def _same(en: str, zh: str | None = None) -> dict[str, str]:
    return {"zh": zh or en, "en": en}


def _accepts(image: Json) -> str:
    said = re.sub(r"[^A-Z]", "", str(image.get("modality", "")).upper())
    if said not in _MODALITIES:
        raise BundleNotUnderstood(
            f"network_data_format.inputs.image.modality {str(image.get('modality'))[:40]!r} is "
            f"none of {', '.join(_MODALITIES)}"
        )
    name = _MODALITIES[said]
    return (
        f"Modality == '{name}'"
        if name in ("DX", "CR")
        else f"Modality == '{name}' && instance_count >= {_LEAST_SLICES}"
    )


def _input(image: Json, config: Json) -> dict[str, Any]:
    channels = image.get("num_channels")
    if channels not in (1, 3):
        raise BundleNotUnderstood(f"inputs.image.num_channels is {channels}; 1 or 3 is understood")
    spec: dict[str, Any] = {"kind": "volume", "channels": channels}
    handled: dict[str, Callable[[dict[str, Any], Json, str], None]] = {
        "Orientation": _orientation,
        "Spacing": _spacing,
        "ScaleIntensityRange": _range,
        "ScaleIntensity": _whole_range,
        "NormalizeIntensity": _normalise,
        "Resize": _resize,
    }
    last = -1
    for where, name, step in _steps(config, "preprocessing"):
        if name in _NO_MATTER:
            continue
        if name not in handled:
            raise BundleNotUnderstood(f"{where}: the transform {name} is not understood")
        handled[name](spec, step, where)
        if _ORDER[name] <= last:
            raise BundleNotUnderstood(
                f"{where}: {name} at this place; the order understood is Orientation, then "
                "Spacing or Resize, then one scaling of the values"
            )
        last = _ORDER[name]
    if "axes" not in spec:
        raise BundleNotUnderstood(
            "inference.json: preprocessing has no Orientationd, so which way the network's axes "
            "run is not known"
        )
    _inferer(spec, config)
    return spec


def _steps(config: Json, part: str) -> Iterator[tuple[str, str, Json]]:
    """Give (where, name without d, arguments) of each transform of a Compose."""
    found = config.get(part)
    if not isinstance(found, dict) or not isinstance(found.get("transforms"), list):
        raise BundleNotUnderstood(f"inference.json: {part} is no Compose with transforms")
    if _monai(found.get("_target_", "Compose"), f"inference.json: {part}") != "Compose":
        raise BundleNotUnderstood(f"inference.json: {part} is no Compose with transforms")
    for index, step in enumerate(found["transforms"]):
        where = f"inference.json: {part}.transforms[{index}]"
        if not isinstance(step, dict) or not isinstance(step.get("_target_"), str):
            raise BundleNotUnderstood(f"{where} is no object with _target_")
        if step.get("_disabled_") is True:
            continue
        name = _monai(step["_target_"], where)
        yield where, re.sub(r"d(ict)?$", "", name), _resolved(step, config)


def _monai(target: Any, where: str) -> str:
    """Return the class that a target names; refuse one that is not MONAI's own."""
    match = _OURS.fullmatch(target) if isinstance(target, str) else None
    if match is None:
        raise BundleNotUnderstood(f"{where}: {str(target)[:80]!r} is no class of MONAI")
    return match[1]


def _resolved(step: Json, config: Json) -> Json:
    """Replace '@name' by the value of that name at the top, when that is a plain one."""
    out: dict[str, Any] = {}
    for key, value in step.items():
        if isinstance(value, str) and value.startswith("@"):
            plain = config.get(value[1:])
            value = value if isinstance(plain, str | dict) or plain is None else plain
        out[key] = value
    return out


def _numbers(step: Json, key: str, where: str, count: int) -> list[float]:
    value = step.get(key)
    values = value if isinstance(value, list) else [value]
    plain = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    found = [float(v) for v in plain if -_MOST <= v <= _MOST]
    if len(values) != count or len(found) != count:
        raise BundleNotUnderstood(f"{where}.{key}: {count} plain number(s) are understood")
    return found


def _only(step: Json, where: str, *keys: str) -> None:
    """Refuse arguments that would change the meaning and are not understood."""
    usual = {"_target_", "keys", "_disabled_", "allow_missing_keys", "dtype", "_requires_", *keys}
    strange = sorted(set(step) - usual)
    if strange:
        raise BundleNotUnderstood(f"{where}.{strange[0]} is not understood")


def _orientation(spec: dict[str, Any], step: Json, where: str) -> None:
    _only(step, where, "axcodes", "labels", "as_closest_canonical")
    if step.get("labels", _LABELS) != _LABELS:
        raise BundleNotUnderstood(f"{where}.labels: only {_LABELS} is understood")
    if step.get("as_closest_canonical", False) is not False:
        raise BundleNotUnderstood(f"{where}.as_closest_canonical: only false is understood")
    axes = step.get("axcodes")
    if not isinstance(axes, str):
        raise BundleNotUnderstood(f"{where}.axcodes: letters such as 'RAS' are understood")
    spec["axes"] = axes


def _spacing(spec: dict[str, Any], step: Json, where: str) -> None:
    _only(step, where, "pixdim", "mode", "diagonal", "padding_mode", "align_corners")
    spec["spacing_mm"] = _numbers(step, "pixdim", where, 3)


def _range(spec: dict[str, Any], step: Json, where: str) -> None:
    _only(step, where, "a_min", "a_max", "b_min", "b_max", "clip")
    if step.get("clip") is not True:
        raise BundleNotUnderstood(f"{where}.clip: only true is understood")
    low, high = (_numbers(step, key, where, 1)[0] for key in ("a_min", "a_max"))
    to = [_numbers(step, key, where, 1)[0] for key in ("b_min", "b_max")]
    _set_intensity(spec, where, {"clip": [low, high], "scale": "range", "to": to})


def _whole_range(spec: dict[str, Any], step: Json, where: str) -> None:
    _only(step, where, "minv", "maxv")
    said = {"minv": 0.0, "maxv": 1.0, **step}
    to = [_numbers(said, key, where, 1)[0] for key in ("minv", "maxv")]
    _set_intensity(spec, where, {"scale": "range", "to": to})


def _normalise(spec: dict[str, Any], step: Json, where: str) -> None:
    _only(step, where, "nonzero", "channel_wise", "subtrahend", "divisor")
    if step.get("subtrahend") is not None or step.get("divisor") is not None:
        mean = _numbers(step, "subtrahend", where, 1)[0]
        sd = _numbers(step, "divisor", where, 1)[0]
        _set_intensity(spec, where, {"scale": "fixed", "mean": mean, "sd": sd})
        return
    _set_intensity(spec, where, {"scale": "zscore", "nonzero": bool(step.get("nonzero", False))})


def _set_intensity(spec: dict[str, Any], where: str, value: dict[str, Any]) -> None:
    if "intensity" in spec:
        raise BundleNotUnderstood(f"{where}: a second scaling of the values is not understood")
    spec["intensity"] = value


def _resize(spec: dict[str, Any], step: Json, where: str) -> None:
    _only(step, where, "spatial_size", "mode", "align_corners")
    spec["size"] = [round(v) for v in _numbers(step, "spatial_size", where, 3)]


def _inferer(spec: dict[str, Any], config: Json) -> None:
    found = config.get("inferer")
    where = "inference.json: inferer"
    name = _monai(found.get("_target_"), where) if isinstance(found, dict) else ""
    if name == "SimpleInferer":
        return
    if name != "SlidingWindowInferer" or not isinstance(found, dict):
        raise BundleNotUnderstood(f"{where}: {name or 'nothing'} is not understood")
    step = _resolved(found, config)
    _only(step, where, "roi_size", "overlap", *_INFERER_NO_MATTER)
    spec["window"] = [round(v) for v in _numbers(step, "roi_size", where, 3)]
    if "overlap" in step:
        spec["overlap"] = _numbers(step, "overlap", where, 1)[0]


def _output(pred: Json, config: Json) -> dict[str, Any]:
    if str(pred.get("format", "")).lower() not in ("segmentation", "mask"):
        raise BundleNotUnderstood(
            f"outputs.pred.format {str(pred.get('format'))[:40]!r}: segmentation is understood"
        )
    count, names = pred.get("num_channels"), pred.get("channel_def")
    if not isinstance(count, int) or not isinstance(names, dict):
        raise BundleNotUnderstood("outputs.pred: num_channels and channel_def are needed")
    labels = [
        {"channel": int(number), "code": _code(str(name)), "label": _same(str(name)[:64])}
        for number, name in names.items()
        if re.fullmatch(r"[0-9]{1,6}", str(number)) and str(name).lower() != "background"
    ]
    return {
        "kind": "segmentation",
        "activation": _activation(config),
        "channels": count,
        "labels": labels,
    }


def _code(name: str) -> dict[str, str]:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "class"
    return {"scheme": "99HV", "value": f"bundle-{slug}", "meaning": name[:64] or "class"}


def _activation(config: Json) -> str:
    found: str | None = None
    for where, name, step in _steps(config, "postprocessing"):
        if name in _AFTER:
            continue
        if name == "Activations" and step.get("softmax") is True:
            found = "softmax"
        elif name == "Activations" and step.get("sigmoid") is True:
            found = "sigmoid"
        elif name == "AsDiscrete" and step.get("argmax") is True:
            found = found or "argmax"
        elif name == "AsDiscrete" and step.get("threshold") in (0.5, True) and found == "sigmoid":
            continue
        else:
            raise BundleNotUnderstood(f"{where}: {name} as it is set is not understood")
    if found is None:
        raise BundleNotUnderstood("inference.json: postprocessing names no activation or argmax")
    return found
