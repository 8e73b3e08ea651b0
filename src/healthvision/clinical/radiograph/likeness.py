# SPDX-License-Identifier: Apache-2.0
"""How far a picture is from the chest films the network learned from."""

from dataclasses import dataclass

import numpy as np

from healthvision.clinical.volume import Array, FloatArray

MARGIN = 1.65  # films of other makers and squeezed ones lie further out than those learned from


@dataclass(frozen=True, eq=False, slots=True)
class Likeness:
    """Groups of known films in the network's embedding: ``mean`` (g, d), ``inverse`` (g, d, d).

    ``limit``: the distance above which a picture is none of them.
    """

    mean: FloatArray
    inverse: FloatArray
    limit: float

    def distance(self, embedding: Array) -> float:
        """Return the Mahalanobis distance to the nearest group, per root of the dimension."""
        gap = np.asarray(embedding, float)[None] - self.mean
        squares = np.einsum("gi,gij,gj->g", gap, self.inverse, gap)
        return float(np.sqrt(max(0.0, squares.min()) / self.mean.shape[1]))


def learn(groups: list[FloatArray], *, kept: float = 0.995, shrink: float = 0.2) -> Likeness:
    """Return the likeness from embeddings (n, d) of each group; ``kept``: share inside."""
    means = np.stack([g.mean(axis=0) for g in groups])
    pooled = np.concatenate([g - g.mean(axis=0) for g in groups])
    base = pooled.T @ pooled / len(pooled)
    inverses = []
    for g in groups:
        own = (g - g.mean(axis=0)).T @ (g - g.mean(axis=0)) / max(1, len(g))
        weight = len(g) / (len(g) + 2.0 * g.shape[1])
        mixed = weight * own + (1 - weight) * base
        mixed = (1 - shrink) * mixed + shrink * np.diag(np.diag(base)) + 1e-6 * np.eye(len(base))
        inverses.append(np.linalg.inv(mixed))
    found = Likeness(means, np.stack(inverses), np.inf)
    distances = [found.distance(row) for g in groups for row in g]
    return Likeness(means, found.inverse, MARGIN * float(np.quantile(distances, kept)))
