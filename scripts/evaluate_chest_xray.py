# SPDX-License-Identifier: Apache-2.0
"""Measure chest-xray on held-out films and phantoms and write its evidence record.

    python scripts/evaluate_chest_xray.py

The ratio on real adults: ``chest_xray_hearts.csv`` holds the columns, in the frame of 256 pixels,
of the widest places of the heart's right and left border, read once by eye from enlarged films
without the drawn lines, by the developers and by no radiologist. A film whose border could not
be read is not in it. The border finder was chosen on these films, so they are not held out; the
width of the chest is the application's own on both sides.

Films: ``data/cxr`` of HV_SHARED, fold 0 (patients whom the released network never saw). Phantom
seeds 7000 and up; training used 5000-5059 and the heart's constants 6000-6007. An opacity counts
where the application reports it; marks too small to be reported count as none. The figures of the
children's classifier come from ``evaluate_chest_xray_pneumonia.py``.
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
from evaluate_chest_xray_pneumonia import records
from PIL import Image
from pydicom import dcmread

from healthvision.clinical.phantoms import phantom
from healthvision.clinical.phantoms.radiograph import CHEST, RadiographPhantom, radiograph
from healthvision.clinical.phantoms.radiograph import RadiographConfig as Config
from healthvision.clinical.radiograph.frame import Frame, fit
from healthvision.clinical.radiograph.heart import measure_heart
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.radiograph.opacity import Atlas, Opacities, find_opacities
from healthvision.clinical.result import GateOutcome
from healthvision.clinical.statistics.agreement import wilson
from healthvision.plugins.applications.chest_xray import network, pneumonia
from healthvision.plugins.applications.chest_xray.application import (
    Seen,
    chest_gate,
    look_at,
    reference,
)

HEARTS = Path(__file__).with_name("chest_xray_hearts.csv")
READ = (
    "data/cxr/tb_pakistan NORMAL and covid_adult PA; borders read once by eye by the developers, "
    "no radiologist; the finder was chosen on these films"
)
FIRST_SEED, COUNT = 7000, 16
PLANTED_MM = (36.0, 52.0)  # radii of balls planted in the right lung
PLACE = Path("src/healthvision/plugins/applications/chest_xray/evidence.json")
PHANTOMS = f"radiographs projected from chest CT phantoms, seeds {FIRST_SEED}-{{}}"
Rows = dict[str, list[float]]


def dice(a: np.ndarray, b: np.ndarray, use: np.ndarray) -> float:
    """Return the Dice coefficient where ``use``."""
    return float(2 * (a & b & use).sum() / max(1, (a & use).sum() + (b & use).sum()))


def shown(found: Opacities, fields: LungFields) -> bool:
    """Whether the application reports an opacity on either side."""
    sides = (fields.left_side, fields.right_side)
    return any(found.reported(field, side) for side, field in enumerate(sides))


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
            if seen.fields is not None and r["label"] == "COVID-19":
                found = find_opacities(seen.pixels, seen.fields, atlas, same_age=False)
                marked = float(shown(found, seen.fields))
                rows.setdefault("opacity-marked-covid-adults", []).append(marked)
            if seen.fields is not None and group == "children":
                found = find_opacities(seen.pixels, seen.fields, atlas, same_age=True)
                share = float(found.marked.sum() / seen.fields.both.sum())
                kind = "normal" if r["label"] == "NORMAL" else "pneumonia"
                rows.setdefault(f"_share-{kind}", []).append(share)
                named = "unmarked-normal" if kind == "normal" else "marked-pneumonia"
                right = shown(found, seen.fields) is (kind != "normal")
                rows.setdefault(f"opacity-{named}-children", []).append(float(right))


def normal_adults(rows: Rows) -> None:
    """Add how many normal adults' films pass and get no mark.

    Every second film, by name: ``DENSER_ELSE`` was chosen on the others, as the least whole
    number of spreads that marks at most 5 % of them.
    """
    atlas = reference()[0]
    with zipfile.ZipFile(DATA / "tb_pakistan" / "images_256.zip") as archive:
        names = sorted(n for n in archive.namelist() if "NORMAL" in n and n[-4:] == ".jpg")
        for name in names[::2]:
            film = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("L"))
            seen = look_at(fit(film))
            rows.setdefault("gate-accepted-normal-adults", []).append(float(accepted(seen)))
            if seen.fields is not None and accepted(seen):
                found = find_opacities(seen.pixels, seen.fields, atlas, same_age=False)
                unmarked = not shown(found, seen.fields)
                rows.setdefault("opacity-unmarked-normal-adults", []).append(float(unmarked))


def hearts(rows: Rows) -> None:
    """Add how far the ratio is from the one of borders read by eye, and whether it covers it."""
    with HEARTS.open() as file, zipfile.ZipFile(DATA / "tb_pakistan" / "images_256.zip") as archive:
        for read in csv.DictReader(file):
            folder, name = read["film"].split("/", 1)
            tb = folder == "tb_pakistan"
            data = archive.read(name) if tb else (DATA / folder / name).read_bytes()
            seen = look_at(fit(np.asarray(Image.open(io.BytesIO(data)).convert("L"))))
            heart = None if seen.fields is None else measure_heart(seen.pixels, seen.fields)
            rows.setdefault("ctr-measured-read-adults", []).append(float(heart is not None))
            if heart is not None:
                width = heart.thorax[1] - heart.thorax[0]
                truth = (float(read["left_border"]) - float(read["right_border"])) / width
                rows.setdefault("ctr-error-read-adults", []).append(abs(heart.ratio - truth))
                covered = float(heart.low <= truth <= heart.high)
                rows.setdefault("ctr-in-interval-read-adults", []).append(covered)


def square(p: RadiographPhantom, plane: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """Return a plane of a phantom on square pixels."""
    height = round(plane.shape[0] * p.spacing_mm[0] / p.spacing_mm[1])
    return np.asarray(Image.fromarray(plane).resize((plane.shape[1], height), how))


def phantoms(rows: Rows) -> None:
    """Add the figures of projected phantoms: lungs, ratio, planted opacities, refusals."""
    atlas = reference()[0]
    for seed in range(FIRST_SEED, FIRST_SEED + COUNT):
        for planted in PLANTED_MM if seed % 2 else (0.0,):
            p = radiograph(seed, Config(opacity_mm=planted))
            film = square(p, p.pixels.astype(np.float32), Image.Resampling.BILINEAR)
            frame = fit(film)
            seen = look_at(frame)
            if planted != PLANTED_MM[1]:  # each seed once
                chests(rows, p, seen)
            if planted:
                hit = reported_there(p, frame, film.shape, seen, atlas)
                rows.setdefault(f"opacity-reported-ball-{planted:g}mm", []).append(float(hit))
            elif seen.fields is not None:
                found = find_opacities(seen.pixels, seen.fields, atlas, same_age=False)
                unmarked = not shown(found, seen.fields)
                rows.setdefault("opacity-none-unmarked", []).append(float(unmarked))


def chests(rows: Rows, p: RadiographPhantom, seen: Seen) -> None:
    """Add what one phantom says of gate, lung fields and, without a planted ball, the ratio."""
    rows.setdefault("gate-accepted-phantoms", []).append(float(accepted(seen)))
    truth = boxed(square(p, p.lungs.astype(np.uint8) * 255, Image.Resampling.NEAREST)) == 255
    both = np.zeros(truth.shape, bool) if seen.fields is None else seen.fields.both
    agree = dice(both, truth, np.ones(truth.shape, bool))
    rows.setdefault("lung-dice-phantoms", []).append(agree)
    if p.opacity is None:
        heart = None if seen.fields is None else measure_heart(seen.pixels, seen.fields)
        error = 1.0 if heart is None else abs(heart.ratio - p.ctr)
        rows.setdefault("ctr-error", []).append(error)
        covered = heart is not None and heart.low <= p.ctr <= heart.high
        rows.setdefault("ctr-in-interval", []).append(float(covered))


def reported_there(
    p: RadiographPhantom, frame: Frame, shape: tuple[int, ...], seen: Seen, atlas: Atlas
) -> bool:
    """Whether the application reports an opacity of the right lung and it covers the ball."""
    if seen.fields is None or p.opacity is None or not accepted(seen):
        return False
    found = find_opacities(seen.pixels, seen.fields, atlas, same_age=False)
    k = p.spacing_mm[0] / p.spacing_mm[1]
    row = int(p.opacity[0] * k * frame.rows / shape[0] + frame.top)
    column = int(p.opacity[1] * frame.columns / shape[1] + frame.left)
    there = bool(found.marked[row - 2 : row + 3, column - 2 : column + 3].any())
    return there and found.reported(seen.fields.left_side, 0)


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
    """Return one record with a 95 % interval: Wilson's for shares, else of the bootstrap.

    The median for Dice, else the mean.
    """
    rng = np.random.default_rng(1)
    data = np.array(values)
    draws = rng.choice(data, (2000, len(data)))
    middle = np.median if "dice" in metric else np.mean
    low, high = np.percentile(middle(draws, axis=1), [2.5, 97.5])
    if "dice" not in metric and "error" not in metric:
        share = wilson(sum(v == 1.0 for v in values), len(values))
        low, high = share.low or 0.0, share.high or 0.0
    real = metric.endswith(("children", "adults"))
    digest = hashlib.sha256((DATA / "lung_masks" / "pairs_384.zip").read_bytes()).hexdigest()
    films_id = f"data/cxr/lung_masks, fold 0 (held out), sha256 {digest[:16]}"
    other = "CT slices (phantoms, data/ct), lateral and sagittal pictures, patterns, noise"
    phantom_id = PHANTOMS.format(FIRST_SEED + COUNT - 1)
    if "normal-adults" in metric:
        films_id = (
            "data/cxr/tb_pakistan, every second NORMAL (origin inferred: Mendeley 8j2g3csprk)"
        )
    if "-read-" in metric:  # no reader of E2: the reference is ours
        real, phantom_id = False, READ
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
    for part in (films, normal_adults, hearts, phantoms, others):
        part(rows)
        sys.stderr.write(f"{part.__name__}: {time.process_time() - start:.0f} s CPU\n")
    figures = [figure(k, v) for k, v in sorted(rows.items()) if not k.startswith("_")]
    figures.append(auc(rows["_share-normal"], rows["_share-pneumonia"]))
    figures += records()
    sys.stderr.write(f"children's classifier: {time.process_time() - start:.0f} s CPU\n")
    for f in figures:
        print(f["metric"], round(f["value"], 4), [round(f["low"], 4), round(f["high"], 4)], f["n"])
    files = (network.WEIGHTS, network.REFERENCE, pneumonia.WEIGHTS, pneumonia.REFERENCE)
    weights = {name: network.digest(name) for name in files}
    record = {"weights": weights, "figures": figures}
    PLACE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
