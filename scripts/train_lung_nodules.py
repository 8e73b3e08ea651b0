# SPDX-License-Identifier: Apache-2.0
"""Train the nodule forest of lung-ct on phantoms; the same seeds give the same file.

Run: ``python scripts/train_lung_nodules.py OUT.npz``. About 8 minutes on two cores.
Training seeds 1000-1043, calibration seeds 2000-2023; evaluation uses 3000 and up.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier

from healthvision.clinical.chest.features import BEST_EVIDENCE, evidence
from healthvision.clinical.chest.forest import Forest, save
from healthvision.clinical.chest.training import hard_config, label, training_config
from healthvision.clinical.phantoms import ChestConfig, phantom
from healthvision.clinical.volume import Array, FloatArray

TRAIN = range(1000, 1044)
CALIBRATE = range(2000, 2024)
LEAST_WEIGHTS = (0.5, 1.0, 3.0, 0.8)  # contrast to noise, diameter, free of vessels, contrast


def collect(seeds: range, config: Callable[[int], ChestConfig]) -> tuple[FloatArray, Array]:
    """Return features (n, f) and whether each candidate is a nodule (n,)."""
    rows, truth = [], []
    for seed in seeds:
        found = label(phantom(seed, config(seed)))
        rows.append(found.x)
        truth.append(found.hit >= 0)
        sys.stderr.write(f"phantom {seed}: {len(found.x)} candidates, {truth[-1].sum()} hits\n")
    return np.concatenate(rows), np.concatenate(truth)


def fit(x: FloatArray, y: Array) -> Forest:
    """Fit the forest and copy its trees into flat arrays."""
    model = RandomForestClassifier(
        120, max_depth=12, min_samples_leaf=3, max_features=6, random_state=0, n_jobs=1
    ).fit(x.astype(np.float32), y)
    parts: dict[str, list[Array]] = {k: [] for k in ("feature", "limit", "left", "right", "value")}
    roots, start = [], 0
    for tree in model.estimators_:
        t = tree.tree_
        share = t.value[:, 0, :]
        parts["feature"].append(np.where(t.children_left < 0, -1, t.feature))
        parts["limit"].append(t.threshold)
        parts["left"].append(np.maximum(t.children_left, 0) + start)
        parts["right"].append(np.maximum(t.children_right, 0) + start)
        parts["value"].append(share[:, 1] / share.sum(axis=1))
        roots.append(start)
        start += t.node_count
    flat = {k: np.concatenate(v) for k, v in parts.items()}
    return Forest(
        **flat,
        roots=np.array(roots),
        slope=1.0,
        offset=0.0,
        weights=np.zeros(len(LEAST_WEIGHTS)),
        best=np.array(BEST_EVIDENCE),
    )


def calibrated(forest: Forest, x: FloatArray, y: Array) -> Forest:
    """Fit the slope, offset and weights of the evidence by maximum likelihood.

    The weights are held above ``LEAST_WEIGHTS``: phantoms are so clear that the votes alone part
    their nodules, but on patients small, faint and attached ones are known to be harder.
    """
    count = len(forest.roots)
    p = (forest.raw(x) * count + 1) / (count + 2)
    terms = np.column_stack([np.log(p / (1 - p)), np.ones(len(p)), evidence(x)])

    def loss(w: FloatArray) -> float:
        z = terms @ w
        return float(np.mean(np.logaddexp(0, z) - y * z))

    bounds = [(0.2, 5.0), (-8.0, 8.0), *((least, 6.0) for least in LEAST_WEIGHTS)]
    w = minimize(loss, [1.0, 0.0, *LEAST_WEIGHTS], bounds=bounds).x
    best = np.array(BEST_EVIDENCE)
    return replace(forest, slope=float(w[0]), offset=float(w[1]), weights=w[2:], best=best)


def main() -> None:
    """Train, calibrate and write the file; report its digest."""
    forest = calibrated(fit(*collect(TRAIN, training_config)), *collect(CALIBRATE, hard_config))
    data = save(forest)
    Path(sys.argv[1]).write_bytes(data)
    sys.stderr.write(
        f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, "
        f"slope {forest.slope:.3f}, offset {forest.offset:.3f}, weights {forest.weights.round(3)}\n"
    )


if __name__ == "__main__":
    main()
