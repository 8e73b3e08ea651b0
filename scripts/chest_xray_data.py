# SPDX-License-Identifier: Apache-2.0
"""Films and lung masks for training and measuring chest-xray: folds, frames, phantoms."""

import csv
import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from healthvision.clinical.phantoms import ChestConfig, phantom
from healthvision.clinical.radiograph.frame import SIDE, fit

DATA = Path(os.environ.get("HV_SHARED", "../shared")) / "data" / "cxr"
PHANTOMS = range(5000, 5060)


def fold_of(patient: str, known: dict[str, int]) -> int:
    """Return the fold (0-4) of a patient: the data's own, else by digest."""
    if patient in known:
        return known[patient]
    return hashlib.sha256(patient.encode()).digest()[0] % 5


def child_folds() -> dict[str, int]:
    """Return patient -> fold of the paediatric set."""
    with (DATA / "pneumonia_pediatric" / "labels.csv").open() as file:
        return {r["patient"]: int(r["patient_fold"]) for r in csv.DictReader(file)}


def sides(mask: np.ndarray) -> np.ndarray:
    """Return uint8 (2, SIDE, SIDE) of 0/1/2 (2: ignore): lung at the picture's left, right."""
    lung = mask == 255
    columns = np.arange(SIDE)[None, :]
    middle = columns[0][lung.any(axis=0)].mean() if lung.any() else SIDE / 2
    label, n = ndimage.label(lung)
    out = np.zeros((2, SIDE, SIDE), np.uint8)
    for i in range(1, n + 1):
        part = label == i
        wide = np.ptp(np.flatnonzero(part.any(axis=0)))
        if wide > 0.62 * np.ptp(np.flatnonzero(lung.any(axis=0))):
            out[0] |= (part & (columns < middle)).astype(np.uint8)
            out[1] |= (part & (columns >= middle)).astype(np.uint8)
        else:
            side = int((part * columns).sum() / part.sum() >= middle)
            out[side] |= part.astype(np.uint8)
    out[:, mask == 127] = 2
    return out


def boxed(mask: np.ndarray) -> np.ndarray:
    """Return a mask of 0, 127, 255 in the frame of its film."""
    height, width = mask.shape
    factor = SIDE / max(height, width)
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    small = np.asarray(Image.fromarray(mask).resize((columns, rows), Image.Resampling.NEAREST))
    out = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (SIDE - rows) // 2, (SIDE - columns) // 2
    out[top : top + rows, left : left + columns] = small
    return out


def projected(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a phantom's film in a random rendering and its mask."""
    rng = np.random.default_rng([seed, 77])
    n = 120
    config = ChestConfig(shape=(112, n, n), spacing=(2.6, 2.9, 2.9), nodules=0)
    chest = phantom(seed, config)
    density = np.clip(chest.volume.voxels / 1000.0 + 1.0, 0, 3)
    bone = np.clip(density - 1.15, 0, None) * rng.uniform(0, 1.5)
    path = (density + bone).sum(axis=1) * 2.9
    film = path if rng.random() < 0.5 else -np.exp(-0.019 * path)
    film = film * (1 + 0.01 * rng.standard_normal(film.shape))
    low, high = np.percentile(film, [rng.uniform(0, 12), 99])
    film = (np.clip((film - low) / (high - low), 0, 1) ** rng.uniform(0.7, 1.6))[::-1]
    lungs = (chest.lungs.sum(axis=1) * 2.9 > 15.0)[::-1]
    size = (n, round(film.shape[0] * 2.6 / 2.9))
    large = np.asarray(Image.fromarray(film.astype(np.float32)).resize(size))
    mask = Image.fromarray(lungs.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
    return large, np.asarray(mask)


def prepare(work: Path) -> None:
    """Write frames and masks of lung_masks and of the phantoms into WORK/lungs.npz."""
    folds = child_folds()
    frames, masks, fold, group, names = [], [], [], [], []
    with zipfile.ZipFile(DATA / "lung_masks" / "pairs_384.zip") as archive:
        inside = {
            n.split("/", 1)[-1] if n.startswith("pairs") else n: n for n in archive.namelist()
        }
        with (DATA / "lung_masks" / "index.csv").open() as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            film = np.asarray(
                Image.open(io.BytesIO(archive.read(inside[row["image"]]))).convert("L")
            )
            mask = np.asarray(Image.open(io.BytesIO(archive.read(inside[row["mask"]]))))
            frames.append((fit(film).pixels * 255).astype(np.uint8))
            masks.append(sides(boxed(mask)))
            fold.append(fold_of(row["patient"], folds))
            group.append(row["population"])
            names.append(row["image"])
    for seed in PHANTOMS:
        film, mask = projected(seed)
        frames.append((fit(film).pixels * 255).astype(np.uint8))
        masks.append(sides(boxed(mask)))
        fold.append(9)
        group.append("phantom")
        names.append(str(seed))
    np.savez(
        work / "lungs.npz", frames=np.stack(frames), masks=np.stack(masks), fold=np.array(fold),
        group=np.array(group), names=np.array(names),
    )  # fmt: skip
    sys.stderr.write(f"{len(frames)} pairs\n")
