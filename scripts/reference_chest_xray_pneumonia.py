# SPDX-License-Identifier: Apache-2.0
"""Prepare the films of the children's classifier, and learn how its logit is to be read.

    python scripts/reference_chest_xray_pneumonia.py prepare WORK     (before the training)
    python scripts/reference_chest_xray_pneumonia.py learn WORK       (after ``export``)

``learn`` writes pneumonia.npz of chest-xray: calibration and conformal limits from the logits of
folds 1-4, each by the network that never saw it; the age look from children of folds 1-4 and from
the half of the adults that is not held out. Fold 0 and the other adults stay out of all of it.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from chest_xray_children import collect

from healthvision.clinical.radiograph.ages import learn_look
from healthvision.clinical.statistics.probability import fit_platt, fit_sets
from healthvision.plugins.applications.chest_xray.pneumonia import LEAST_SHARP, evidence_of

OUT = "src/healthvision/plugins/applications/chest_xray/pneumonia.npz"
FOLDS = Path("scripts/chest_xray_folds.onnx")
Arrays = dict[str, np.ndarray]


def logits_apart(data: Arrays) -> np.ndarray:
    """Return the logit of every child's film by the network that never saw its fold; NaN else."""
    session = onnxruntime.InferenceSession(FOLDS.read_bytes(), providers=["CPUExecutionProvider"])
    out = np.full(len(data["fold"]), np.nan)
    for fold in range(5):
        places = np.flatnonzero(data["fold"] == fold)
        for k in range(0, len(places), 64):
            part = places[k : k + 64]
            sheets = data["sheets"][part].astype(np.float32)
            if fold == 0:
                out[part] = evidence_of(sheets)[0]
            else:
                out[part] = session.run(["logits"], {"sheets": sheets})[0][:, fold - 1]
    return out


def is_child(data: Arrays) -> np.ndarray:
    """Return which films are children's, in either shape, and pass as chest films."""
    found: np.ndarray = np.isin(data["group"], ["child", "child-original"]) & data["usable"]
    return found


def learn(data: Arrays) -> None:
    """Write the file."""
    apart = ~data["held_out"] & data["usable"]
    adult = apart & (data["fold"] == 9)
    look = learn_look(*(data["traits"][w].astype(float) for w in (apart & is_child(data), adult)))
    within = data["traits"] @ look.weight - look.offset <= look.limit
    use = apart & within & (data["group"] == "child")
    truth = data["label"][use] == "PNEUMONIA"
    logits = logits_apart(data)[use]
    platt = fit_platt(logits, truth)
    sets = fit_sets(platt(logits), truth)
    np.savez_compressed(
        OUT, platt=np.array([platt.slope, platt.intercept]),
        sets=np.array([sets.yes, sets.no, sets.coverage]), weight=look.weight,
        offset=look.offset, limit=look.limit, share=truth.mean(),
    )  # fmt: skip
    least = float(data["sharp"][apart & is_child(data)].min())
    print("least sharp", round(least, 3), "LEAST_SHARP lies below it by hand:", LEAST_SHARP)
    print(len(truth), "films", platt, sets, "share", round(float(truth.mean()), 3), "adults",
          int(adult.sum()), "limit", round(look.limit, 3))  # fmt: skip


def main(what: str, work: Path) -> None:
    """Prepare or learn."""
    if what == "prepare":
        np.savez(work / "sheets.npz", **collect())
    else:
        with np.load(work / "sheets.npz") as data:
            learn({name: data[name] for name in data.files})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
