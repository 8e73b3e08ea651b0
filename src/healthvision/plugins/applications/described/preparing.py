# SPDX-License-Identifier: Apache-2.0
"""From a series to what a network is fed, and from its answer back to the series' own grid."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from healthvision.clinical.chest.orient import Oriented, orient
from healthvision.clinical.volume import Array, Volume
from healthvision.domains.modelhub.description import InputSpec, Intensity, axis_of

MAX_VOXELS = 1 << 27  # of the resampled image: 512 MB as float32
Order = Literal[0, 1]
_GROWING = "SPL"  # where the axes of an axially ordered volume grow to


class TooLarge(ValueError):
    """The image is larger than is sensible on the grid of the network."""


@dataclass(frozen=True, eq=False, slots=True)
class Fed:
    """An image on the grid of the network and the way back.

    ``values``: float32 (axes...), two or three of them. ``oriented``: the series in axial order.
    """

    values: Array
    oriented: Oriented
    spec: InputSpec

    def back(self, values: Array, order: Order) -> Array:
        """Bring an array of the network's grid to the grid of the axially ordered series.

        ``order``: 0 nearest (labels), 1 linear. Returns shape (z, y, x).
        """
        target = _permuted_shape(self.oriented.volume, self.spec)
        whole = resized(values, target, order)
        return whole[None] if self.spec.kind == "image" else _unpermuted(whole, self.spec)


def prepare(volume: Volume, spec: InputSpec) -> Fed:
    """Return the image as the network wants it; raises TooLarge."""
    if spec.kind == "image":
        oriented = Oriented(volume, (0, 1, 2), (False, False, False))
        values: Array = volume.voxels[0]
        spacing: tuple[float, ...] = volume.spacing[1:]
    else:
        oriented = orient(volume)
        values = _permuted(oriented.volume.voxels, spec)
        spacing = tuple(oriented.volume.spacing[axis_of(letter)] for letter in spec.axes)
    shape = _grid(values.shape, spacing, spec)
    if math.prod(shape) > MAX_VOXELS:
        raise TooLarge(f"{math.prod(shape)} voxels on the grid of the network")
    fine = resized(values.astype(np.float32), shape, 1, antialias=spec.antialias)
    return Fed(scaled(fine, spec.intensity), oriented, spec)


def scaled(values: Array, how: Intensity) -> Array:
    """Return the values limited and scaled as described, float32."""
    out = values.astype(np.float32, copy=True)
    limits = how.clip
    if how.percentiles is not None:
        low, high = (float(p) for p in np.percentile(out, how.percentiles))
        limits = (low, max(high, low + 1e-6))
    if limits is not None:
        np.clip(out, limits[0], limits[1], out=out)
    if how.scale == "range":
        low, high = limits if limits is not None else (float(out.min()), float(out.max()))
        share = (out - low) / max(high - low, 1e-6)
        out = how.to[0] + share * (how.to[1] - how.to[0])
    elif how.scale == "zscore":
        chosen = out[out != 0] if how.nonzero and bool((out != 0).any()) else out
        mean, sd = float(chosen.mean()), float(chosen.std())
        kept = out == 0 if how.nonzero else None
        out = (out - mean) / max(sd, 1e-6)
        if kept is not None:
            out[kept] = 0
    elif how.scale == "fixed":
        assert how.mean is not None and how.sd is not None
        out = (out - how.mean) / how.sd
    return out.astype(np.float32)


def resized(values: Array, shape: Sequence[int], order: Order, *, antialias: bool = False) -> Array:
    """Return an array with another number of samples over the same extent.

    Pixel edges stay where they are. ``antialias``: smooth first along axes that get coarser.
    """
    if tuple(values.shape) == tuple(shape):
        return values
    factors = [n / m for n, m in zip(shape, values.shape, strict=True)]
    if antialias and min(factors) < 1:
        sigma = [max(0.0, (1 / f - 1) / 2) for f in factors]
        values = ndimage.gaussian_filter(values, sigma, mode="nearest")
    out: Array = ndimage.zoom(values, factors, order=order, mode="nearest", grid_mode=True)
    return out


def answer(fed: Fed, ask: Callable[[Array], Array], done: Callable[[float], None]) -> Array:
    """Ask the network about the whole image and return its map (channels, axes...).

    Without a window it is asked once, padded to ``multiple_of``; with one, in overlapping pieces
    whose answers are averaged with more weight in their middle. Raises what ``ask`` raises, and
    ValueError when an answer has not the size of its question.
    """
    if fed.spec.window is None:
        found = ask(_padded(fed.values, fed.spec))
        spatial = tuple(-(-n // fed.spec.multiple_of) * fed.spec.multiple_of
                        for n in fed.values.shape)  # fmt: skip
        if found.shape[1:] != spatial:
            raise ValueError(f"a map of {found.shape[1:]} for an image of {spatial}")
        return found[(slice(None), *(slice(0, n) for n in fed.values.shape))]
    return _by_windows(fed, fed.spec.window, ask, done)


def _by_windows(
    fed: Fed, window: tuple[int, ...], ask: Callable[[Array], Array], done: Callable[[float], None]
) -> Array:
    short = [max(0, w - n) for w, n in zip(window, fed.values.shape, strict=True)]
    values = np.pad(fed.values, [(0, n) for n in short], constant_values=float(fed.values.min()))
    weight = _bump(window)
    total: Array | None = None
    sums = np.zeros(values.shape, np.float32)
    places = list(_places(values.shape, window, fed.spec.overlap))
    for count, start in enumerate(places, start=1):
        where = tuple(slice(s, s + w) for s, w in zip(start, window, strict=True))
        found = ask(values[where])
        if found.shape[1:] != window:
            raise ValueError(f"a map of {found.shape[1:]} for a window of {window}")
        if total is None:
            total = np.zeros((found.shape[0], *values.shape), np.float32)
        total[(slice(None), *where)] += found * weight
        sums[where] += weight
        done(count / len(places))
    assert total is not None
    total /= sums
    return total[(slice(None), *(slice(0, n) for n in fed.values.shape))]


def _places(
    shape: Sequence[int], window: tuple[int, ...], overlap: float
) -> Iterator[tuple[int, ...]]:
    starts = []
    for n, w in zip(shape, window, strict=True):
        step = max(1, round(w * (1 - overlap)))
        count = max(1, math.ceil((n - w) / step) + 1)
        starts.append(sorted({min(i * step, n - w) for i in range(count)}))
    for index in np.ndindex(*(len(s) for s in starts)):
        yield tuple(s[i] for s, i in zip(starts, index, strict=True))


def _bump(window: tuple[int, ...]) -> Array:
    out: Array = np.ones(window, np.float32)
    for axis, n in enumerate(window):
        line = np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2).astype(np.float32)
        out *= np.maximum(line, 1e-2).reshape([-1 if i == axis else 1 for i in range(len(window))])
    return out


def _padded(values: Array, spec: InputSpec) -> Array:
    short = [-n % spec.multiple_of for n in values.shape]
    return np.pad(values, [(0, n) for n in short], constant_values=float(values.min()))


def _grid(shape: Sequence[int], spacing: Sequence[float], spec: InputSpec) -> tuple[int, ...]:
    if spec.size is not None:
        return spec.size
    if spec.spacing_mm is None:
        return tuple(shape)
    pairs = zip(shape, spacing, spec.spacing_mm, strict=True)
    return tuple(max(1, round(n * have / want)) for n, have, want in pairs)


def _permuted(voxels: Array, spec: InputSpec) -> Array:
    """Bring (z, y, x) growing to head, back, left into the axes of the network."""
    turned = np.transpose(voxels, [axis_of(letter) for letter in spec.axes])
    return np.flip(turned, _flips(spec))


def _unpermuted(values: Array, spec: InputSpec) -> Array:
    axes = [axis_of(letter) for letter in spec.axes]
    return np.transpose(np.flip(values, _flips(spec)), np.argsort(axes))


def _flips(spec: InputSpec) -> tuple[int, ...]:
    return tuple(i for i, letter in enumerate(spec.axes) if letter not in _GROWING)


def _permuted_shape(volume: Volume, spec: InputSpec) -> tuple[int, ...]:
    if spec.kind == "image":
        return volume.shape[1:]
    return tuple(volume.shape[axis_of(letter)] for letter in spec.axes)
