# SPDX-License-Identifier: Apache-2.0
"""Measure chest-xray on held-out films and phantoms and write its evidence record.

    python scripts/evaluate_chest_xray.py

Films: ``data/cxr`` of HV_SHARED, fold 0 (patients whom the released network never saw). Phantom
seeds 7000 and up; training used 5000-5059 and the heart's constants 6000-6007.
"""

import csv
import hashlib
import io
import json
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from chest_xray_data import DATA, boxed, child_folds, fold_of
from PIL import Image
from pydicom import dcmread

from healthvision.clinical.phantoms import phantom
from healthvision.clinical.phantoms.radiograph import CHEST, RadiographPhantom, radiograph
from healthvision.clinical.phantoms.radiograph import RadiographConfig as Config
from healthvision.clinical.radiograph.frame import fit
from healthvision.clinical.radiograph.heart import measure_heart
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.radiograph.opacity import LEAST_SHARE, Opacities, find_opacities
from healthvision.clinical.result import GateOutcome
from healthvision.plugins.applications.chest_xray.application import (
    Seen,
    chest_gate,
    look_at,
    reference,
)

FIRST_SEED, COUNT = 7000, 16
PLACE = Path("src/healthvision/plugins/applications/chest_xray/evidence.json")
PHANTOMS = f"radiographs projected from chest CT phantoms, seeds {FIRST_SEED}-{{}}"
Rows = dict[str, list[float]]


def dice(a: np.ndarray, b: np.ndarray, use: np.ndarray) -> float:
    """Return the Dice coefficient where ``use``."""
    return float(2 * (a & b & use).sum() / max(1, (a & use).sum() + (b & use).sum()))


def shown(found: Opacities, fields: LungFields) -> bool:
    """Whether the application would show an opacity on either side."""
    sides = (fields.left_side, fields.right_side)
    return any((found.marked & f).sum() >= LEAST_SHARE * f.sum() for f in sides)


def accepted(seen: Seen) -> bool:
    """Whether the picture passes as a frontal chest film."""
    return chest_gate(seen).outcome is not GateOutcome.FAILED


def films(rows: Rows) -> None:
    """Add the figures of the held-out films of lung_masks."""
    folds = child_folds()
    atlas = reference()[0]
    with (DATA / "lung_masks" / "index.csv").open() as file:
        held = [r for r in csv.DictReader(file) if fold_of(r["patient"], folds) == 0]
    with zipfile.ZipFile(DATA / "lung_masks" / "pairs_384.zip") as archive:
        for r in held:
            film = np.asarray(Image.open(io.BytesIO(archive.read(r["image"]))).convert("L"))
            mask = boxed(np.asarray(Image.open(io.BytesIO(archive.read(r["mask"])))))
            group = "children" if r["population"] == "paediatric" else "adults"
            seen = look_at(fit(film))
            both = np.zeros(mask.shape, bool) if seen.fields is None else seen.fields.both
            rows.setdefault(f"lung-dice-{group}", []).append(dice(both, mask == 255, mask != 127))
            rows.setdefault(f"gate-accepted-{group}", []).append(float(accepted(seen)))
            turned = look_at(fit(255 - film))
            rows.setdefault(f"gate-inverted-mended-{group}", []).append(float(turned.inverted))
            if seen.fields is not None and group == "children":
                found = find_opacities(seen.pixels, seen.fields, atlas, symmetric=True)
                share = float(found.marked.sum() / seen.fields.both.sum())
                kind = "normal" if r["label"] == "NORMAL" else "pneumonia"
                rows.setdefault(f"_share-{kind}", []).append(share)
                named = "unmarked-normal" if kind == "normal" else "marked-pneumonia"
                right = shown(found, seen.fields) is (kind != "normal")
                rows.setdefault(f"opacity-{named}-children", []).append(float(right))


def square(p: RadiographPhantom, plane: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """Return a plane of a phantom on square pixels."""
    height = round(plane.shape[0] * p.spacing_mm[0] / p.spacing_mm[1])
    return np.asarray(Image.fromarray(plane).resize((plane.shape[1], height), how))


def phantoms(rows: Rows) -> None:
    """Add the figures of projected phantoms: lungs, ratio, planted opacities, refusals."""
    atlas = reference()[0]
    for seed in range(FIRST_SEED, FIRST_SEED + COUNT):
        planted = 28.0 if seed % 2 else 0.0
        p = radiograph(seed, Config(opacity_mm=planted))
        film = square(p, p.pixels.astype(np.float32), Image.Resampling.BILINEAR)
        frame = fit(film)
        seen = look_at(frame)
        rows.setdefault("gate-accepted-phantoms", []).append(float(accepted(seen)))
        lungs = square(p, p.lungs.astype(np.uint8) * 255, Image.Resampling.NEAREST)
        if seen.fields is None:
            rows.setdefault("lung-dice-phantoms", []).append(0.0)
            continue
        truth = boxed(lungs) == 255
        rows.setdefault("lung-dice-phantoms", []).append(
            dice(seen.fields.both, truth, np.ones(truth.shape, bool))
        )
        if not planted:
            heart = measure_heart(seen.pixels, seen.fields)
            error = 1.0 if heart is None else abs(heart.ratio - p.ctr)
            rows.setdefault("ctr-error", []).append(error)
            covered = heart is not None and heart.low <= p.ctr <= heart.high
            rows.setdefault("ctr-in-interval", []).append(float(covered))
        found = find_opacities(seen.pixels, seen.fields, atlas, symmetric=False)
        if p.opacity is not None:
            k = p.spacing_mm[0] / p.spacing_mm[1]
            row = int(p.opacity[0] * k * frame.rows / film.shape[0] + frame.top)
            column = int(p.opacity[1] * frame.columns / film.shape[1] + frame.left)
            hit = bool(found.marked[row - 2 : row + 3, column - 2 : column + 3].any())
            rows.setdefault("opacity-planted-marked", []).append(float(hit))
        else:
            unmarked = not shown(found, seen.fields)
            rows.setdefault("opacity-none-unmarked", []).append(float(unmarked))


def others(rows: Rows) -> None:
    """Add refusals: CT slices, lateral projections, drawings, noise."""
    rng = np.random.default_rng(3)
    pictures: list[np.ndarray] = []
    for seed in (7100, 7101):
        chest = phantom(seed, replace(CHEST, shape=(96, 128, 128), spacing=(3.0, 2.7, 2.7)))
        voxels = np.clip(chest.volume.voxels, -1000, 600).astype(np.float32)
        pictures += [voxels[k] for k in range(12, 90, 12)]
        pictures += [voxels.sum(axis=2)[::-1], voxels[:, :, 40][::-1]]
    for kind in range(6):
        side = 200 + 10 * kind
        y, x = np.mgrid[:side, : side + 40]
        noise = rng.standard_normal((side, side + 40))
        smooth = np.sin(x / (9 + kind)) * np.cos(y / (13 + 2 * kind))
        disc = ((x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2).astype(float)
        pictures += [noise, smooth + 0.2 * noise, disc + 0.1 * noise]
    with zipfile.ZipFile(DATA.parent / "ct" / "lung_pet_ct_dx_A0001" / "dicom.zip") as archive:
        for name in [n for n in archive.namelist() if n.endswith(".dcm")][::6]:
            ct = dcmread(io.BytesIO(archive.read(name))).pixel_array.astype(np.float32)
            pictures += [np.clip(ct, -1000, 1800), np.clip(ct, 800, 1300)]
    for picture in pictures:
        seen = look_at(fit(picture.astype(np.float32)))
        rows.setdefault("gate-others-refused", []).append(float(not accepted(seen)))


def figure(metric: str, values: list[float]) -> dict[str, object]:
    """Return one record: the median for Dice, else the mean, with a 95 % bootstrap interval."""
    rng = np.random.default_rng(1)
    data = np.array(values)
    draws = rng.choice(data, (2000, len(data)))
    middle = np.median if "dice" in metric else np.mean
    low, high = np.percentile(middle(draws, axis=1), [2.5, 97.5])
    real = metric.endswith(("children", "adults"))
    digest = hashlib.sha256((DATA / "lung_masks" / "pairs_384.zip").read_bytes()).hexdigest()
    films_id = f"data/cxr/lung_masks, fold 0 (held out), sha256 {digest[:16]}"
    other = "CT slices (phantoms, data/ct), lateral and sagittal pictures, patterns, noise"
    phantom_id = PHANTOMS.format(FIRST_SEED + COUNT - 1)
    where = films_id if real else (other if "others" in metric else phantom_id)
    return {"metric": metric, "value": float(middle(data)), "low": float(low), "high": float(high),
            "n": len(data), "data": where, "level": "E2" if real else "E1"}  # fmt: skip


def auc(negative: list[float], positive: list[float]) -> dict[str, object]:
    """Return the area under the ROC of the marked share, pneumonia against normal children."""
    a, b = np.array(negative), np.array(positive)
    rng = np.random.default_rng(2)

    def area(x: np.ndarray, y: np.ndarray) -> float:
        return float((y[:, None] > x).mean() + 0.5 * (y[:, None] == x).mean())

    draws = [area(rng.choice(a, len(a)), rng.choice(b, len(b))) for _ in range(500)]
    low, high = np.percentile(draws, [2.5, 97.5])
    out = figure("opacity-share-auc-children", [0.0])
    return {**out, "value": area(a, b), "low": float(low), "high": float(high),
            "n": len(a) + len(b)}  # fmt: skip


def main() -> None:
    """Measure and write the record."""
    rows: Rows = {}
    start = time.process_time()
    for part in (films, phantoms, others):
        part(rows)
        sys.stderr.write(f"{part.__name__}: {time.process_time() - start:.0f} s CPU\n")
    figures = [figure(k, v) for k, v in sorted(rows.items()) if not k.startswith("_")]
    figures.append(auc(rows["_share-normal"], rows["_share-pneumonia"]))
    for f in figures:
        print(f["metric"], round(f["value"], 4), [round(f["low"], 4), round(f["high"], 4)], f["n"])
    PLACE.write_text(json.dumps({"figures": figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
