# SPDX-License-Identifier: Apache-2.0
"""Measure brain-mri on held-out head phantoms and write the application's evidence record.

Usage: python scripts/evaluate_brain_mri.py 6
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from healthvision.clinical.brain.extraction import dice
from healthvision.clinical.brain.lesions import grow_lesion
from healthvision.clinical.brain.pipeline import HeadReading, read_head
from healthvision.clinical.phantoms.head import FLUID, GREY, HYPER, TUMOUR, WHITE, HeadConfig, head
from healthvision.clinical.study import SeriesHeader

FIRST_SEED = 5000
PLACE = "src/healthvision/plugins/applications/brain_mri/evidence.json"
CONTRASTS = ("T1", "FLAIR", "T2")


def measure(seed: int) -> dict[str, float]:
    """Return all figures of one phantom; contrasts take turns, T1 twice as often."""
    contrast = ("T1", "FLAIR", "T1", "T2")[seed % 4]
    tumour = 30.0 if seed % 8 == 0 else 0.0
    config = HeadConfig(
        contrast=contrast,  # type: ignore[arg-type]
        ventricles=0.8 + 0.1 * (seed % 7),
        hyperintensities=8 if contrast == "FLAIR" else 0,
        tumour_mm=tumour,
    )
    p = head(seed, config)
    start = time.process_time()
    got = read_head(p.volume, SeriesHeader("1", "1", "MR", "1"))
    out = {"cpu-seconds": time.process_time() - start}
    if not isinstance(got, HeadReading) or got.tissues is None:
        return {**out, "read": 0.0}
    out |= {
        "read": 1.0,
        "intracranial-dice": dice(got.brain.inside, p.intracranial),
        "intracranial-error": abs(
            got.tissues.intracranial_ml / (p.intracranial.sum() * p.volume.voxel_ml) - 1
        ),
        "sequence-right": float(got.sequence.tissues == contrast),
    }
    kind = contrast.lower()
    if not tumour:
        truth = {"grey": p.ml(GREY), "white": p.ml(WHITE, HYPER), "fluid": p.ml(FLUID)}
        found = {
            "grey": got.tissues.grey_ml,
            "white": got.tissues.white_ml,
            "fluid": got.tissues.fluid_ml,
        }
        for name, ml in truth.items():
            out[f"{name}-error-{kind}"] = abs(found[name] / ml - 1)
    evans = None if got.ventricles is None else got.ventricles.evans
    if evans is not None:
        out["evans-error"] = abs(evans.value - p.evans)
    left = np.zeros(p.brain.shape, bool)
    left[:, :, p.brain.shape[2] // 2 :] = True
    sides = [float((p.brain & s).sum()) for s in (left, ~left)]
    true_index = 2 * (sides[0] - sides[1]) / sum(sides)
    out["asymmetry-error-points"] = 100 * abs(got.asymmetries["brain"].index - true_index)
    if got.hyperintensities is not None:
        out["hyperintensity-dice"] = dice(got.hyperintensities.mask, p.labels == HYPER)
    if p.tumour_centre is not None:
        grown = grow_lesion(p.volume, p.tumour_centre)
        out["grown-dice"] = 0.0 if grown is None else dice(grown.mask, p.labels == TUMOUR)
        place = np.array(p.tumour_centre)
        near = [
            np.linalg.norm(np.array(got.scan.work.to_lps(r.centre)) - place) for r in got.atypical
        ]
        out["tumour-marked"] = float(any(d < 25 for d in near))
        out["false-regions"] = float(sum(d >= 25 for d in near))
    else:
        out["false-regions"] = float(len(got.atypical))
    return out


def main(count: int) -> None:
    """Measure ``count`` phantoms and write the means with 95 % bootstrap intervals."""
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        rows.append(measure(seed))
        print(seed, {k: round(v, 4) for k, v in rows[-1].items()}, flush=True)
    rng = np.random.default_rng(1)
    figures = []
    for metric in sorted({name for row in rows for name in row} - {"cpu-seconds"}):
        values = np.array([row[metric] for row in rows if metric in row])
        draws = rng.choice(values, (1000, len(values))).mean(axis=1)
        low, high = (float(v) for v in np.percentile(draws, [2.5, 97.5]))
        figures.append(
            {"metric": metric, "value": float(values.mean()), "low": low, "high": high,
             "n": len(values)}
        )  # fmt: skip
    record = {
        "data": f"head phantoms, seeds {FIRST_SEED}-{FIRST_SEED + count - 1}",
        "count": count,
        "figures": figures,
    }
    Path(PLACE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]))
