# SPDX-License-Identifier: Apache-2.0
"""Films for the children's classifier of chest-xray: children and adults, seen once each."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from chest_xray_data import DATA, child_folds, fold_of
from PIL import Image

from healthvision.clinical.radiograph.ages import traits
from healthvision.clinical.radiograph.frame import SIDE, fit
from healthvision.clinical.radiograph.sharpness import sharpness
from healthvision.clinical.radiograph.sheet import lay_flat
from healthvision.clinical.result import GateOutcome
from healthvision.plugins.applications.chest_xray.application import chest_gate, look_at

GROUPS = ("child", "child-original", "covid", "covid-squeezed", "tb", "tb-squeezed")
COARSE = 32  # side of the small pictures of the shortcut audit


@dataclass(frozen=True, eq=False, slots=True)
class Film:
    """One film: ``group`` of GROUPS; ``fold`` 0-4 of children, 9 of adults; ``grey``: uint8.

    ``held_out``: never used to learn or choose anything of the children's classifier itself.
    The lung network, whose embedding its age look is given, learned from masks of other films:
    see ``taught_lungs``.
    """

    group: str
    name: str
    label: str  # NORMAL or PNEUMONIA; of adults COVID-19, TB and others
    agent: str
    patient: str
    fold: int
    held_out: bool
    grey: np.ndarray


def _grey(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))


def children() -> Iterator[Film]:
    """Give the children's films as squeezed to 224 x 224, then 954 of them in their own shape."""
    with zipfile.ZipFile(DATA / "pneumonia_pediatric" / "images_224.zip") as archive:
        for r in _rows("pneumonia_pediatric/labels.csv"):
            fold, grey = int(r["patient_fold"]), _grey(archive.read(r["file"]))
            yield Film("child", r["file"], r["label"], r["agent"], r["patient"], fold,
                       fold == 0, grey)  # fmt: skip
    folds = child_folds()
    with zipfile.ZipFile(DATA / "lung_masks" / "pairs_384.zip") as archive:
        for r in _rows("lung_masks/index.csv"):
            if r["population"] == "paediatric":
                fold, grey = fold_of(r["patient"], folds), _grey(archive.read(r["image"]))
                yield Film("child-original", r["image"], r["label"], r["agent"], r["patient"],
                           fold, fold == 0, grey)  # fmt: skip


def taught_lungs() -> frozenset[str]:
    """Return the adults' films whose masks taught the released lung network (folds 1-4)."""
    folds = child_folds()
    return frozenset(
        r["image"]
        for r in _rows("lung_masks/index.csv")
        if r["population"] == "adult" and fold_of(r["patient"], folds) != 0
    )


def adults() -> Iterator[Film]:
    """Give the adults' films of both sources, each also squeezed to 224 x 224 as the children's.

    Half of each source is held out: COVID-19 by patient, tuberculosis and its normals every
    second by name.
    """
    found = []
    for r in _rows("covid_adult/metadata.csv"):
        patient = "covid_" + r["patientid"]
        held = hashlib.sha256(patient.encode()).digest()[0] % 2 == 0
        grey = _grey((DATA / "covid_adult" / r["file"]).read_bytes())
        found.append(Film("covid", r["file"], r["finding"], "", patient, 9, held, grey))
    with zipfile.ZipFile(DATA / "tb_pakistan" / "images_256.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))
        for i, name in enumerate(names):
            label = "NORMAL" if "NORMAL" in name else "TB"
            grey = _grey(archive.read(name))
            found.append(Film("tb", name, label, "", name, 9, i % 2 == 0, grey))
    for f in found:
        yield f
        small = np.asarray(Image.fromarray(f.grey).resize((224, 224), Image.Resampling.BILINEAR))
        yield Film(f"{f.group}-squeezed", f.name, f.label, f.agent, f.patient, 9, f.held_out, small)


def collect() -> dict[str, np.ndarray]:
    """See every film once; return arrays (n, ...) by name.

    ``sheets`` (2, 96, 64) float16, ``traits`` (832), ``sharp``, ``picture`` and ``outline``
    (32, 32) uint8 of the frame and of the lung fields in it, ``usable``: it passes as a frontal
    chest film.
    """
    rows: dict[str, list[object]] = {}
    for source in (children(), adults()):
        for film in source:
            seen = look_at(fit(film.grey))
            if seen.fields is None:
                continue
            sheet = lay_flat(seen.pixels, seen.fields)
            whole = (seen.pixels, seen.fields.both.astype(np.float32))
            picture, outline = (
                (v.reshape(COARSE, SIDE // COARSE, COARSE, -1).mean(axis=(1, 3)) * 255).round()
                for v in whole
            )
            for name, value in (
                ("sheets", sheet.greys.astype(np.float16)),
                ("sharp", sharpness(seen.pixels, seen.fields)),
                ("traits", traits(seen.embedding, sheet, seen.fields).astype(np.float32)),
                ("picture", picture.astype(np.uint8)),
                ("outline", outline.astype(np.uint8)),
                ("usable", chest_gate(seen).outcome is not GateOutcome.FAILED),
                *(
                    (k, getattr(film, k))
                    for k in ("group", "name", "label", "agent", "patient", "fold")
                ),
                ("held_out", film.held_out),
            ):
                rows.setdefault(name, []).append(value)
    return {name: np.stack([np.asarray(v) for v in values]) for name, values in rows.items()}
