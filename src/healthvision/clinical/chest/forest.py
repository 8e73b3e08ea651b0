# SPDX-License-Identifier: Apache-2.0
"""A random forest as plain arrays: evaluation, path attribution and calibration."""

from dataclasses import dataclass
from io import BytesIO
from zipfile import BadZipFile

import numpy as np

from healthvision.clinical.volume import Array, FloatArray

RESERVE = 1 / 150  # no more than the calibration nodules can show (335, of seeds 2000-2023)
SURE = 0.9
DEFICIT = 0.3


@dataclass(frozen=True, eq=False, slots=True)
class Forest:
    """Binary trees laid end to end.

    ``feature`` (n,): column or -1 for a leaf; ``limit`` (n,): go left when value <= limit;
    ``left``, ``right`` (n,): node numbers; ``value`` (n,): share of nodules in the node;
    ``roots`` (t,): first node of each tree. ``slope``, ``offset``, ``weights`` (e,): logistic
    calibration on held-out phantoms, of the logit of the votes and of the evidence beside them.
    ``best`` (e,): the most of each evidence that there can be.
    """

    feature: Array
    limit: Array
    left: Array
    right: Array
    value: Array
    roots: Array
    slope: float
    offset: float
    weights: FloatArray
    best: FloatArray

    def trees(self, x: FloatArray) -> FloatArray:
        """Return the value (n, t) that each tree gives to each row (n, f)."""
        node = np.repeat(self.roots[None, :], len(x), axis=0)
        rows = np.arange(len(x))[:, None]
        while True:
            column = self.feature[node]
            inner = column >= 0
            if not inner.any():
                break
            low = x[rows, np.maximum(column, 0)] <= self.limit[node]
            node = np.where(inner, np.where(low, self.left[node], self.right[node]), node)
        out: FloatArray = self.value[node].astype(np.float64)
        return out

    def raw(self, x: FloatArray) -> FloatArray:
        """Return the mean of the trees (n,), not calibrated."""
        out: FloatArray = self.trees(x).mean(axis=1)
        return out

    def calibrate(self, raw: FloatArray, evidence: FloatArray) -> FloatArray:
        """Turn means of trees (n,) and what speaks beside them (n, e) into probabilities (n,).

        Votes are smoothed (Laplace's rule of succession). Up to ``SURE`` the calibration counts
        as it is; above, nearly all candidates of phantoms are nodules and levels cannot be told
        apart, so the rest of the scale is spread by what is known to make a nodule sure: the
        surest there can be (all votes, all of the evidence) gets ``1 - RESERVE``, and what lacks
        evidence less, by the share ``exp(-DEFICIT * lack)`` of its distance (in log odds).
        """
        z = self._logit(raw, evidence)
        top = float(self._logit(np.ones(1), self.best[None])[0])
        sure, most = np.log(SURE / (1 - SURE)), np.log((1 - RESERVE) / RESERVE)
        lack = np.maximum((self.best[None] - evidence) @ self.weights, 0.0)
        reach = (most - sure) * np.exp(-DEFICIT * lack)
        stretched = sure + (z - sure) / max(top - sure, 1e-6) * reach
        out: FloatArray = 1 / (1 + np.exp(-np.where(z <= sure, z, np.minimum(z, stretched))))
        return out

    def _logit(self, raw: FloatArray, evidence: FloatArray) -> FloatArray:
        count = len(self.roots)
        p = (raw * count + 1) / (count + 2)
        z: FloatArray = self.slope * np.log(p / (1 - p)) + self.offset + evidence @ self.weights
        return z

    def attribute(self, x: FloatArray) -> FloatArray:
        """Return how much each feature moved the mean of the trees for one row (f,) -> (f,).

        Saabas path attribution: the change of node value along the path goes to the feature of
        the split. The sum plus the mean of the roots is the raw probability.
        """
        out = np.zeros(len(x))
        for root in self.roots:
            node = int(root)
            while self.feature[node] >= 0:
                column = int(self.feature[node])
                down = self.left if x[column] <= self.limit[node] else self.right
                child = int(down[node])
                out[column] += float(self.value[child]) - float(self.value[node])
                node = child
        out /= len(self.roots)
        return out


def save(forest: Forest) -> bytes:
    """Return the forest as an npz file without pickled objects."""
    out = BytesIO()
    np.savez_compressed(
        out,
        feature=forest.feature.astype(np.int16),
        limit=forest.limit.astype(np.float32),
        left=forest.left.astype(np.int32),
        right=forest.right.astype(np.int32),
        value=forest.value.astype(np.float32),
        roots=forest.roots.astype(np.int32),
        calibration=np.array([forest.slope, forest.offset]),
        weights=forest.weights,
        best=forest.best,
    )
    return out.getvalue()


def load(data: bytes) -> Forest:
    """Read ``save``'s bytes. Raises ValueError when they are something else."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as f:
            slope, offset = (float(v) for v in f["calibration"])
            return Forest(
                f["feature"],
                f["limit"],
                f["left"],
                f["right"],
                f["value"],
                f["roots"],
                slope,
                offset,
                f["weights"],
                f["best"],
            )
    except (KeyError, OSError, EOFError, ValueError, BadZipFile) as error:
        raise ValueError(f"not a forest file: {error}") from None
