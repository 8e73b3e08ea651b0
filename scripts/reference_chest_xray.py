# SPDX-License-Identifier: Apache-2.0
"""Learn what normal lungs and chest films look like; writes normals.npz of chest-xray.

    python scripts/reference_chest_xray.py WORK

After ``train_chest_xray.py prepare`` and ``lungs``, with the network in its place. Fold 0 stays
out, as in the training of the released network.
"""

import sys
from pathlib import Path

import numpy as np

from healthvision.clinical.radiograph.likeness import learn
from healthvision.clinical.radiograph.lungs import is_inverted, lung_fields
from healthvision.clinical.radiograph.opacity import make_atlas, unroll
from healthvision.plugins.applications.chest_xray import network

OUT = "src/healthvision/plugins/applications/chest_xray/normals.npz"
HELD_OUT = 0


def main(work: Path) -> None:
    """Write the file."""
    data = np.load(work / "lungs.npz")
    embeddings: dict[str, list[np.ndarray]] = {}
    grids = []
    for i in np.flatnonzero(data["fold"] != HELD_OUT):
        pixels = data["frames"][i].astype(np.float32) / 255
        seen = network.see(pixels)
        group, name = str(data["group"][i]), str(data["names"][i])
        embeddings.setdefault(group, []).append(seen.embedding)
        fields = lung_fields(seen.lungs, pixels > 0)
        normal = group == "paediatric" and ("IM-" in name or "NORMAL" in name)
        if normal and fields is not None and not is_inverted(pixels, fields):
            grids.append(unroll(pixels, fields))
    atlas = make_atlas(np.stack(grids))
    like = learn([np.stack(v).astype(float) for v in embeddings.values()])
    np.savez_compressed(
        OUT, atlas_mean=atlas.mean.astype(np.float32), atlas_spread=atlas.spread.astype(np.float32),
        mean=like.mean.astype(np.float32), inverse=like.inverse.astype(np.float32),
        limit=np.float32(like.limit),
    )  # fmt: skip
    print({k: len(v) for k, v in embeddings.items()}, len(grids), "normal", round(like.limit, 3))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
