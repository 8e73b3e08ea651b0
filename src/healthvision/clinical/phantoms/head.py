# SPDX-License-Identifier: Apache-2.0
"""A seeded procedural head MRI (T1, T2 or FLAIR) with its truth.

Surfaces are ellipsoids bent by smooth noise: scalp, skull, fluid, a folded grey ribbon, white
matter, deep nuclei, ventricles, cerebellum, brain stem, face and neck. No anatomy of a person.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from healthvision.clinical.phantoms.grid import Float32
from healthvision.clinical.volume import BoolArray, Volume, axial

Contrast = Literal["T1", "T2", "FLAIR"]
AIR, FLUID, GREY, WHITE, BONE, FAT, MUSCLE, HYPER, TUMOUR = range(9)

_LEVELS: dict[Contrast, tuple[float, ...]] = {
    "T1": (0.0, 0.22, 0.56, 0.82, 0.06, 1.1, 0.45, 0.6, 0.42),
    "T2": (0.0, 1.0, 0.58, 0.42, 0.05, 0.65, 0.22, 0.72, 0.85),
    "FLAIR": (0.0, 0.12, 0.62, 0.48, 0.05, 0.6, 0.3, 0.92, 0.9),
}


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """What to draw. ``shape`` and ``spacing`` (mm) are (z, y, x).

    ``ventricles``: width relative to a normal adult. ``hyperintensities``: number of bright spots
    in white matter. ``tumour_mm``: diameter of one round lesion, 0 for none. ``noise``: Rician sd
    as a share of the white level of T1. ``bias``: strength of the coil field (0.2: +-20 %).
    ``side_loss``: share by which the right half is narrower.
    """

    contrast: Contrast = "T1"
    shape: tuple[int, int, int] = (150, 180, 150)
    spacing: tuple[float, float, float] = (1.25, 1.25, 1.25)
    ventricles: float = 1.0
    hyperintensities: int = 0
    tumour_mm: float = 0.0
    noise: float = 0.03
    bias: float = 0.2
    side_loss: float = 0.0


MINI = HeadConfig(shape=(64, 64, 64), spacing=(2.9, 3.3, 2.8))


@dataclass(frozen=True, eq=False, slots=True)
class HeadPhantom:
    """A head MRI and what is truly in it; arrays are (z, y, x) of ``volume``, volumes in ml.

    ``labels``: uint8 of the constants of this module, ``brain``: grey and white matter with its
    lesions, ``intracranial``: ``brain`` and all fluid around and in it.
    """

    seed: int
    config: HeadConfig
    volume: Volume
    labels: npt.NDArray[np.uint8]
    brain: BoolArray
    intracranial: BoolArray
    ventricles: BoolArray
    evans: float
    tumour_centre: tuple[float, float, float] | None

    def ml(self, *labels: int) -> float:
        """Return the true volume of some labels inside the skull, ml."""
        inside = np.isin(self.labels, labels) & self.intracranial
        return float(np.count_nonzero(inside)) * self.volume.voxel_ml


@dataclass(frozen=True, eq=False, slots=True)
class _Frame:
    """Coordinates x, y, z (mm, broadcastable) and a smooth bend of mean 0 and sd 1."""

    x: Float32
    y: Float32
    z: Float32
    bend: Float32

    def ellipsoid(
        self, centre: tuple[float, float, float], axes: tuple[float, float, float]
    ) -> Float32:
        """Return the approximate signed distance (mm) to an ellipsoid, negative inside."""
        cx, cy, cz = centre
        a, b, c = axes
        r = np.sqrt(((self.x - cx) / a) ** 2 + ((self.y - cy) / b) ** 2 + ((self.z - cz) / c) ** 2)
        out: Float32 = ((r - 1) * min(axes)).astype(np.float32)
        return out


def smooth_field(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    scale_mm: float,
) -> Float32:
    """Return a smooth random field of a shape, mean about 0 and sd 1; ``scale_mm``: its grain."""
    coarse = [
        max(4, int(np.ceil(n * s / scale_mm)) + 3) for n, s in zip(shape, spacing, strict=True)
    ]
    field = rng.standard_normal(coarse).astype(np.float32)
    factors = [n / c for n, c in zip(shape, coarse, strict=True)]
    out: Float32 = ndimage.zoom(field, factors, order=2, mode="nearest").astype(np.float32)
    out -= out.mean()
    out /= max(float(out.std()), 1e-6)
    return out


def _frame(rng: np.random.Generator, config: HeadConfig) -> _Frame:
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * s).astype(np.float32)
        for n, s in zip(config.shape, config.spacing, strict=True)
    )
    bend = smooth_field(rng, config.shape, config.spacing, 45.0)
    x = np.where(x < 0, x * np.float32(1 + config.side_loss), x).astype(np.float32)
    return _Frame(x[None, None, :], y[None, :, None], z[:, None, None] - np.float32(12), bend)


def _ventricles(frame: _Frame, wide: float) -> BoolArray:
    """Two bent tubes with frontal horns, the third ventricle between them."""
    out = np.zeros(np.broadcast_shapes(frame.x.shape, frame.y.shape, frame.z.shape), bool)
    for side in (-1, 1):
        out |= frame.ellipsoid((side * 9.5 * wide, -24, 10), (6.5 * wide, 15, 10)) < 0
        out |= frame.ellipsoid((side * 11 * wide, 4, 16), (6 * wide, 30, 6.5)) < 0
        out |= frame.ellipsoid((side * 21 * wide, 36, 6), (6 * wide, 15, 9)) < 0
    out |= frame.ellipsoid((0, -2, 0), (2.5 * wide, 13, 9)) < 0
    return out


def _spots(rng: np.random.Generator, frame: _Frame, labels: npt.NDArray[np.uint8], n: int) -> None:
    """Draw bright spots 3-7 mm in radius into white matter near the ventricles."""
    room = np.argwhere((labels == WHITE) & (frame.ellipsoid((0, 0, 14), (44, 58, 32)) < 0))
    for _ in range(n):
        iz, iy, ix = room[rng.integers(len(room))]
        centre = (float(frame.x[0, 0, ix]), float(frame.y[0, iy, 0]), float(frame.z[iz, 0, 0]))
        a, b, c = rng.uniform(3.0, 7.0, 3)
        labels[(frame.ellipsoid(centre, (a, b, c)) < 0) & (labels == WHITE)] = HYPER


def _brain(
    rng: np.random.Generator, frame: _Frame, config: HeadConfig
) -> tuple[Float32, BoolArray]:
    """Return the distance to the outer surface of the brain, and its deep grey matter."""
    cerebrum = frame.ellipsoid((0, 0, 8), (66, 84, 60)) + frame.bend * 1.5
    stem = np.maximum(frame.ellipsoid((0, 16, -50), (13, 14, 60)), -80 - frame.z)
    small = frame.ellipsoid((0, 44, -42), (46, 32, 24)) + frame.bend
    surface = np.minimum(np.minimum(cerebrum, small), stem).astype(np.float32)
    deep = np.zeros(surface.shape, bool)
    for side in (-1, 1):
        deep |= frame.ellipsoid((side * 15, 4, 2), (8, 14, 8)) < 0
        deep |= frame.ellipsoid((side * 26, -8, 2), (6, 17, 9)) < 0
    return surface, deep


def _labels(
    rng: np.random.Generator, frame: _Frame, config: HeadConfig
) -> tuple[npt.NDArray[np.uint8], BoolArray, BoolArray]:
    surface, deep = _brain(rng, frame, config)
    skin = np.minimum(
        frame.ellipsoid((0, 0, 6), (84, 102, 82)) + frame.bend * 1.5,
        np.minimum(
            frame.ellipsoid((0, -42, -52), (54, 52, 62)),
            np.maximum(
                np.sqrt((frame.x / 58) ** 2 + ((frame.y - 18) / 66) ** 2) * 58 - 58, frame.z + 40
            ),
        ),
    )
    vault = frame.ellipsoid((0, 0, 8), (69.5, 87.5, 63.5)) + frame.bend * 1.5
    inner = np.minimum(vault, surface - 2.5)  # inner table of the skull
    labels = np.full(surface.shape, AIR, np.uint8)
    labels[skin < 0] = FAT
    labels[skin < -4] = MUSCLE
    for side in (-1, 1):
        labels[frame.ellipsoid((side * 32, -78, -34), (13, 13, 13)) < 0] = FLUID
        labels[frame.ellipsoid((side * 24, -64, -62), (15, 16, 16)) < 0] = AIR
    labels[(inner < 7) & (inner >= 0) & (skin < -1.5)] = BONE
    inside = inner < 0
    labels[inside] = FLUID
    fold = smooth_field(rng, config.shape, config.spacing, 7.0)
    brain = (surface < 0) & ~((fold > 1.0) & (surface > -13) & (frame.z > -45))
    depth = ndimage.distance_transform_edt(brain, config.spacing)
    labels[brain] = WHITE
    labels[(brain & (depth < 3.2)) | (brain & deep)] = GREY
    ventricles = _ventricles(frame, config.ventricles)
    labels[ventricles] = FLUID
    return labels, inside, ventricles


def _evans(ventricles: BoolArray, inside: BoolArray, frame: _Frame) -> float:
    """Return widest frontal horns over the widest inner skull of the same section."""
    front = ventricles & (frame.y < -12)
    spans = np.zeros(front.shape[:2])
    for iz, iy in np.argwhere(front.any(axis=2)):
        hit = np.flatnonzero(front[iz, iy])
        spans[iz, iy] = hit[-1] - hit[0] + 1
    section = int(np.argmax(spans.max(axis=1)))
    rows = [np.flatnonzero(r) for r in inside[section] if r.any()]
    return float(spans[section].max() / max(r[-1] - r[0] + 1 for r in rows))


def head(seed: int, config: HeadConfig | None = None) -> HeadPhantom:
    """Draw the head MRI of a seed; about 5 s for the default size on one core."""
    config = config or HeadConfig()
    rng = np.random.default_rng([seed, 0x4EAD])
    frame = _frame(rng, config)
    labels, inside, ventricles = _labels(rng, frame, config)
    if config.hyperintensities:
        _spots(rng, frame, labels, config.hyperintensities)
    centre: tuple[float, float, float] | None = None
    if config.tumour_mm > 0:
        side = float(rng.choice([-1.0, 1.0]))
        local = (side * 36.0, float(rng.uniform(-30, 30)), float(rng.uniform(12, 26)))
        r = config.tumour_mm / 2
        labels[(frame.ellipsoid(local, (r, r, r)) < 0) & inside] = TUMOUR
        centre = (local[0] / (1 + config.side_loss if side < 0 else 1.0), local[1], local[2] + 12)
    image = _image(rng, labels, config)
    origin = [-(n - 1) / 2 * s for n, s in zip(config.shape, config.spacing, strict=True)]
    volume = axial(image, config.spacing, (origin[2], origin[1], origin[0]))
    brain = np.isin(labels, (GREY, WHITE, HYPER, TUMOUR)) & inside
    evans = _evans(ventricles, inside, frame)
    return HeadPhantom(seed, config, volume, labels, brain, inside, ventricles, evans, centre)


def _image(
    rng: np.random.Generator, labels: npt.NDArray[np.uint8], config: HeadConfig
) -> npt.NDArray[np.float32]:
    """Return the scan of the labels: partial volume, coil field, Rician noise; 0..about 1200."""
    jitter = rng.uniform(0.96, 1.04, len(_LEVELS[config.contrast]))
    levels = np.asarray(_LEVELS[config.contrast]) * jitter
    image = levels.astype(np.float32)[labels]
    image = ndimage.gaussian_filter(image, 0.4)
    field = smooth_field(rng, config.shape, config.spacing, 110.0)
    image *= np.exp(np.float32(config.bias * 0.35) * field)
    real = image + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(config.noise)
    other = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(config.noise)
    out: Float32 = (np.sqrt(real**2 + other**2) * 1000).astype(np.float32)
    return out
