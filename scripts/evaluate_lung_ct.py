# SPDX-License-Identifier: Apache-2.0
"""Measure lung-ct on held-out phantoms and write the evidence that its manifest shows.

Run: ``python scripts/evaluate_lung_ct.py [COUNT] [OUT.json]``; seeds 3000, 3100
and 3200 and up.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from healthvision.clinical.chest.evaluation import (
    examine,
    examine_masses,
    hard_held_out,
    held_out,
    reliability,
    summarise,
    summarise_hard,
    summarise_masses,
    summarise_sizes,
    with_masses,
)
from healthvision.clinical.chest.nodules import read_forest


def main() -> None:
    """Examine the phantoms one after the other and write the figures as JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    forest, _ = read_forest()
    scans = []
    for seed in range(3000, 3000 + count):
        scans.append(examine(held_out(seed), forest))
        sys.stderr.write(f"phantom {seed}: Dice {scans[-1].dice:.4f}\n")
    hard = []
    for seed in range(3100, 3100 + count):
        hard.append(examine(hard_held_out(seed), forest))
        sys.stderr.write(f"hard phantom {seed}: {len(hard[-1].calls)} calls\n")
    masses = []
    for seed in range(3200, 3200 + count):
        masses.append(examine_masses(with_masses(seed)))
        sys.stderr.write(f"masses {seed}: {len(masses[-1])} calls\n")
    figures = [
        asdict(f)
        for f in (
            *summarise(scans),
            *summarise_hard(hard),
            *summarise_sizes([*scans, *hard]),
            *summarise_masses(masses),
        )
    ]
    last, first_mass = count - 1, 3200
    record = {
        "data": f"chest phantoms, seeds 3000-{3000 + last}; hard ones, seeds 3100-{3100 + last}; "
        f"with masses, seeds {first_mass}-{first_mass + last}",
        "count": count,
        "reliability": [asdict(b) for b in reliability([*scans, *hard])],
    }
    text = json.dumps({**record, "figures": figures}, indent=1) + "\n"
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
