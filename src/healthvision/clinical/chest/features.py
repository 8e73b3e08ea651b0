# SPDX-License-Identifier: Apache-2.0
"""Half-maximum growing of a candidate and the features by which the forest judges it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from healthvision.clinical.chest.candidates import Blob, Workspace
from healthvision.clinical.chest.grid import Float32
from healthvision.clinical.volume import BoolArray, FloatArray

NAMES = (
    "response",
    "sigma",
    "roundness",
    "flatness",
    "diameter",
    "sphericity",
    "elongation",
    "flattening",
    "opened_share",
    "core_hu",
    "mean_hu",
    "sd_hu",
    "contrast",
    "contrast_to_noise",
    "shell_share",
    "shell_parts",
    "depth",
    "height",
    "size_by_scale",
    "inner_drop",
    "outside_share",
    "slice_mm",
)

# The evidence beside the votes, see ``evidence``; none of it can exceed its best value.
BEST_EVIDENCE = (float(np.log(80 / 20)), float(np.log(20 / 8)), 0.0, float(np.log(900 / 400)))

ZH_EN: dict[str, tuple[str, str]] = {
    "response": ("斑点滤波响应", "blob filter response"),
    "sigma": ("最佳尺度", "best scale"),
    "roundness": ("圆度 (Hessian)", "roundness (Hessian)"),
    "flatness": ("非片状程度", "not sheet-like"),
    "diameter": ("直径", "diameter"),
    "sphericity": ("球形度", "sphericity"),
    "elongation": ("短长轴比", "short by long axis"),
    "flattening": ("中长轴比", "middle by long axis"),
    "opened_share": ("去除血管后保留比例", "share left after vessel removal"),
    "core_hu": ("中心密度", "density at the centre"),
    "mean_hu": ("平均密度", "mean density"),
    "sd_hu": ("密度离散度", "spread of density"),
    "contrast": ("与肺组织的密度差", "contrast to lung"),
    "contrast_to_noise": ("对比噪声比", "contrast to noise"),
    "shell_share": ("周围软组织比例", "soft tissue around it"),
    "shell_parts": ("相连血管数", "attached vessels"),
    "depth": ("距胸膜距离", "distance to pleura"),
    "height": ("肺内高度", "height in the lung"),
    "size_by_scale": ("大小与尺度之比", "size against scale"),
    "inner_drop": ("中心到边缘密度下降", "density drop to the edge"),
    "outside_share": ("肺外比例", "share outside the lung"),
    "slice_mm": ("层间距", "slice spacing"),
}


@dataclass(frozen=True, eq=False, slots=True)
class Grown:
    """A candidate grown in a cube of the workspace (1 mm voxels).

    ``corner``: workspace index of the cube's first voxel; ``cube``: HU; ``mask``: the lesion;
    ``attached``: everything above the threshold that hangs on it; ``background``, ``core``,
    ``threshold``: HU.
    """

    corner: tuple[int, int, int]
    cube: Float32
    mask: BoolArray
    attached: BoolArray
    background: float
    core: float
    threshold: float

    @property
    def centre(self) -> FloatArray:
        """Centre of mass as workspace index (z, y, x)."""
        out: FloatArray = np.argwhere(self.mask).mean(axis=0) + np.array(self.corner)
        return out

    @property
    def diameter(self) -> float:
        """Diameter in mm of the ball of equal volume."""
        return float((6 * np.count_nonzero(self.mask) / np.pi) ** (1 / 3))


def _opened(mask: BoolArray, radius: float) -> BoolArray:
    if radius < 0.8:
        return mask
    deep = ndimage.distance_transform_edt(mask) > radius
    if not deep.any():
        return mask
    out: BoolArray = (ndimage.distance_transform_edt(~deep) <= radius + 0.3) & mask
    return out


def _piece(mask: BoolArray, near: FloatArray, ball: BoolArray) -> BoolArray:
    """Return the connected piece of a mask that holds, or lies closest to, a point."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    at = tuple(round(float(c)) for c in near)
    number = labels[at]
    if number == 0:
        inside = np.argwhere(mask & ball)
        if not len(inside):
            return np.zeros_like(mask)
        closest = inside[np.argmin(((inside - near) ** 2).sum(axis=1))]
        number = labels[tuple(closest)]
    out: BoolArray = labels == number
    return out


def grow(space: Workspace, blob: Blob, *, noise: Float32 | None = None) -> Grown | None:
    """Grow a blob at half maximum, cut vessels by opening. None when nothing is left.

    ``noise``: extra HU (a field at least as large as the cube) for tests of stability.
    """
    radius = blob.sigma * 1.75
    half = int(np.ceil(2.1 * radius + 4))
    low = [max(0, c - half) for c in blob.index]
    high = [min(n, c + half + 1) for c, n in zip(blob.index, space.filled.shape, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    cube = space.filled[box]
    if noise is not None:
        cube = cube + noise[: cube.shape[0], : cube.shape[1], : cube.shape[2]]
    at = np.array(blob.index) - np.array(low)
    grids = np.ogrid[: cube.shape[0], : cube.shape[1], : cube.shape[2]]
    distance2 = sum((g - c) ** 2 for g, c in zip(grids, at, strict=True))
    ball: BoolArray = distance2 <= (1.9 * radius + 2) ** 2
    core_zone = distance2 <= max(1.5, 0.45 * radius) ** 2
    core = float(np.percentile(cube[core_zone], 60))
    background = float(np.percentile(cube[ball], 25))
    background = min(background, space.tissue + 60)
    if core - background < 60:
        return None
    threshold = (core + background) / 2
    attached = _piece((cube > threshold), at.astype(float), ball)
    mask = attached & ball
    size = np.count_nonzero(mask)
    if size < 6:
        return None
    guess = min(radius, (3 * size / (4 * np.pi)) ** (1 / 3))
    mask = _piece(_opened(mask, 0.45 * guess), at.astype(float), ball)
    if np.count_nonzero(mask) < 6:
        return None
    return Grown((low[0], low[1], low[2]), cube, mask, attached, background, core, threshold)


def evidence(x: FloatArray) -> FloatArray:
    """Return what the calibration weighs beside the votes, (n, f) -> (n, 4); more is surer.

    Log contrast to noise, log diameter, freedom from soft tissue around it (0 when free, else
    negative), log contrast to lung.
    """

    def column(name: str) -> FloatArray:
        out: FloatArray = x[:, NAMES.index(name)]
        return out

    return np.stack(
        [
            np.log(np.clip(column("contrast_to_noise"), 1, 80) / 20),
            np.log(np.clip(column("diameter"), 3, 20) / 8),
            -np.clip(column("shell_share"), 0, 0.6),
            np.log(np.clip(column("contrast"), 60, 900) / 400),
        ],
        axis=1,
    )


def _surface_mm2(mask: BoolArray) -> float:
    """Estimate the surface from exposed voxel faces, with the mean factor 2/3 of a ball."""
    padded = np.pad(mask, 1)
    faces = sum(np.count_nonzero(np.diff(padded.astype(np.int8), axis=i)) for i in range(3))
    return faces * 2 / 3


def describe(space: Workspace, blob: Blob, grown: Grown) -> FloatArray:
    """Return the features in the order of ``NAMES``."""
    mask, cube = grown.mask, grown.cube
    count = int(np.count_nonzero(mask))
    points = np.argwhere(mask).astype(float)
    centred = points - points.mean(axis=0)
    covariance = np.einsum("ni,nj->ij", centred, centred) / max(count - 1, 1)
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0) + 1 / 12)
    sphericity = np.pi ** (1 / 3) * (6 * count) ** (2 / 3) / max(_surface_mm2(mask), 1e-6)
    shell = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask)
    soft = shell & (cube > grown.threshold)
    parts = ndimage.label(soft)[1]
    values = cube[mask]
    edge = mask & ~ndimage.binary_erosion(mask)
    centre = grown.centre
    at = tuple(
        int(np.clip(round(c), 0, n - 1)) for c, n in zip(centre, space.depth.shape, strict=True)
    )
    where = np.argwhere(mask) + np.array(grown.corner)
    outside = space.labels[where[:, 0], where[:, 1], where[:, 2]] == 0
    contrast = grown.core - grown.background
    near = float(np.count_nonzero(grown.attached & ndimage.binary_dilation(mask, iterations=3)))
    return np.array(
        [
            blob.response,
            blob.sigma,
            blob.roundness,
            blob.flatness,
            grown.diameter,
            sphericity,
            spread[0] / spread[2],
            spread[1] / spread[2],
            count / max(near, 1.0),
            grown.core,
            float(values.mean()),
            float(values.std()),
            contrast,
            min(contrast / max(space.noise, 4.0), 80.0),
            float(np.count_nonzero(soft)) / max(int(np.count_nonzero(shell)), 1),
            float(parts),
            min(float(space.depth[at]), 30.0),
            float(at[0]) / space.depth.shape[0],
            grown.diameter / (3.5 * blob.sigma),
            grown.core - float(cube[edge].mean()),
            float(outside.mean()),
            space.slice_mm,
        ]
    )
