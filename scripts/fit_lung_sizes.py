# SPDX-License-Identifier: Apache-2.0
"""Fit the intervals of nodule sizes on phantoms: how true and measured sizes differ, by class.

Run: ``python scripts/fit_lung_sizes.py OUT.json``. About 7 minutes on one core. Seeds 2100-2139,
half of them hard phantoms; no other seed range of lung-ct holds them (training 1000-, the
forest's calibration 2000-2023, evaluation 3000-).
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from healthvision.clinical.chest.candidates import workspace
from healthvision.clinical.chest.emphysema import measure_emphysema
from healthvision.clinical.chest.evaluation import matched
from healthvision.clinical.chest.forest import Forest
from healthvision.clinical.chest.intervals import COVERAGE, Difficulty, conformal
from healthvision.clinical.chest.lungs import find_lungs
from healthvision.clinical.chest.nodules import find_nodules, read_forest
from healthvision.clinical.chest.training import hard_config, training_config
from healthvision.clinical.phantoms import ChestConfig, phantom

SEEDS = range(2100, 2140)
Ratios = dict[Difficulty, list[tuple[float, float]]]  # true to measured diameter, volume


def config_of(seed: int) -> ChestConfig:
    """Return hard phantoms for even seeds, others for odd ones; slices of 2.5 mm at most."""
    config = training_config(seed) if seed % 2 else hard_config(seed)
    if config.spacing[0] > 2.5:
        config = replace(config, shape=(160, 288, 288), spacing=(1.25, 1.25, 1.25))
    return replace(config, noise_sd=min(config.noise_sd, 60.0))


def compare(seed: int, forest: Forest, ratios: Ratios) -> None:
    """Add the ratios of the nodules found in one phantom."""
    subject = phantom(seed, config_of(seed))
    lungs = find_lungs(subject.volume)
    if lungs is None:
        return
    noise = measure_emphysema(subject.volume, lungs).noise_sd
    nodules = find_nodules(workspace(subject.volume, lungs, noise), forest, seed=0)
    for nodule, truth in zip(nodules, matched(nodules, subject.nodules), strict=True):
        if truth is not None:
            diameter = truth.mean_diameter_mm / nodule.sizes.axes.mean_mm
            volume = truth.volume_mm3 / nodule.sizes.volume_mm3
            ratios.setdefault(nodule.difficulty, []).append((diameter, volume))


def table(ratios: Ratios) -> str:
    """Return the table as JSON: number, span of diameters, span of volumes by class."""
    classes = {
        name: {
            "n": len(pairs),
            "diameter": list(asdict(conformal([d for d, _ in pairs])).values()),
            "volume": list(asdict(conformal([v for _, v in pairs])).values()),
        }
        for name, pairs in sorted(ratios.items())
    }
    record = {
        "coverage": COVERAGE,
        "data": f"chest phantoms, seeds {SEEDS[0]}-{SEEDS[-1]}, half of them hard",
        "command": "python scripts/fit_lung_sizes.py",
        "n": sum(len(pairs) for pairs in ratios.values()),
        "classes": classes,
    }
    return json.dumps(record, indent=1) + "\n"


def main() -> None:
    """Compare all phantoms and write the table."""
    forest, _ = read_forest()
    ratios: Ratios = {}
    for seed in SEEDS:
        compare(seed, forest, ratios)
        found = sum(len(pairs) for pairs in ratios.values())
        sys.stderr.write(f"phantom {seed}: {found} nodules\n")
    Path(sys.argv[1]).write_text(table(ratios), encoding="utf-8")


if __name__ == "__main__":
    main()
