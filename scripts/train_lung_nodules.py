# SPDX-License-Identifier: Apache-2.0
"""Train the nodule forest of lung-ct on phantoms; the same seeds give the same file.

Run: ``python scripts/train_lung_nodules.py OUT.npz``. About 8 minutes on two cores.
Training seeds 1000-1043, calibration seeds 2000-2017; evaluation uses 3000 and up.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier

from healthvision.clinical.chest.features import NAMES
from healthvision.clinical.chest.forest import Forest, save
from healthvision.clinical.chest.training import label, training_config
from healthvision.clinical.phantoms import phantom
from healthvision.clinical.volume import Array, FloatArray

TRAIN = range(1000, 1044)
CALIBRATE = range(2000, 2018)


def collect(seeds: range) -> tuple[FloatArray, Array]:
    """Return features (n, f) and whether each candidate is a nodule (n,)."""
    rows, truth = [], []
    for seed in seeds:
        found = label(phantom(seed, training_config(seed)))
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
    return Forest(**flat, roots=np.array(roots), slope=1.0, offset=0.0, noise_slope=0.0)


def calibrated(forest: Forest, x: FloatArray, y: Array) -> Forest:
    """Fit slope, offset and noise slope by maximum likelihood.

    The noise slope is held at 0.3 or more, so that confidence falls when noise rises.
    """
    p = np.clip(forest.raw(x), 0.01, 0.99)
    logit = np.log(p / (1 - p))
    noise = np.log(np.clip(x[:, NAMES.index("contrast_to_noise")], 1, 80) / 20)

    def loss(w: FloatArray) -> float:
        z = w[0] * logit + w[1] + w[2] * noise
        return float(np.mean(np.logaddexp(0, z) - y * z))

    w = minimize(loss, [1.0, 0.0, 0.1], bounds=[(0.2, 5), (-5, 5), (0.3, 3)]).x
    return Forest(
        forest.feature,
        forest.limit,
        forest.left,
        forest.right,
        forest.value,
        forest.roots,
        float(w[0]),
        float(w[1]),
        float(w[2]),
    )


def main() -> None:
    """Train, calibrate and write the file; report its digest."""
    forest = calibrated(fit(*collect(TRAIN)), *collect(CALIBRATE))
    data = save(forest)
    Path(sys.argv[1]).write_bytes(data)
    sys.stderr.write(
        f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, "
        f"slope {forest.slope:.3f}, offset {forest.offset:.3f}, noise {forest.noise_slope:.3f}\n"
    )


if __name__ == "__main__":
    main()
