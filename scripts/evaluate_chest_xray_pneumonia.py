# SPDX-License-Identifier: Apache-2.0
"""Measure the children's pneumonia classifier of chest-xray; part of evaluate_chest_xray.py.

Two kinds of figures. "child-": the released network, calibration, sets and domain on fold 0 and
on the adults held out, of which none of them saw anything. "child-cv-": five networks, each on the
fold it never saw, calibrated on the other four. "audit-": how well the groups are told apart by
what is no lung tissue; one linear model, the same five folds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from chest_xray_children import COARSE, Film, children, collect, taught_lungs
from reference_chest_xray_pneumonia import Arrays, is_child, logits_apart
from scipy import ndimage

from healthvision.clinical.radiograph.ages import learn_look
from healthvision.clinical.radiograph.frame import fit
from healthvision.clinical.radiograph.sheet import lay_flat
from healthvision.clinical.statistics.agreement import wilson
from healthvision.clinical.statistics.probability import (
    area,
    brier_skill,
    calibration_error,
    fit_platt,
    fit_sets,
)
from healthvision.plugins.applications.chest_xray.application import look_at
from healthvision.plugins.applications.chest_xray.pneumonia import (
    LEAST_SHARP,
    MARKED,
    consider,
    evidence_of,
    reference,
    share_inside,
)

CHILDREN = "data/cxr/pneumonia_pediatric"
HELD = f"{CHILDREN}, fold 0 (held out)"
OWN_SHAPE = "data/cxr/lung_masks, children of fold 0 (held out) in their own shape, 384 px"
CROSS = f"{CHILDREN}, 5 folds by patient, each by a network that never saw it"
DRAWS, RANDOM_REGIONS, DONORS = 400, 5, 3
RIDGE = 30.0  # of the linear model of the audit, fixed beforehand
BINS = 40  # of equal score from outside the lungs
ADULTS = {
    "covid": "data/cxr/covid_adult, adults (masks of some taught the lung network)",
    "tb": "data/cxr/tb_pakistan, adults (origin inferred)",
}
Measure = Callable[[np.ndarray], float]


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """One figure as it stands in evidence.json."""

    metric: str
    value: float
    low: float
    high: float
    n: int
    data: str

    def row(self) -> dict[str, object]:
        """Return it for the file."""
        return {"metric": self.metric, "value": self.value, "low": self.low, "high": self.high,
                "n": self.n, "data": self.data, "level": "E2"}  # fmt: skip


def share(metric: str, hits: np.ndarray, data: str) -> Record:
    """Return a share with Wilson's interval."""
    found = wilson(int(hits.sum()), len(hits))
    return Record(metric, found.share or 0.0, found.low or 0.0, found.high or 0.0, len(hits), data)


def drawn(metric: str, measure: Measure, patients: np.ndarray, data: str) -> Record:
    """Return a measure with the interval of the bootstrap over patients.

    ``measure``: of places (n,) of the films.
    """
    names, owner = np.unique(patients, return_inverse=True)
    films = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(DRAWS):
        chosen = rng.integers(0, len(names), len(names))
        draws.append(measure(np.concatenate([films[c] for c in chosen])))
    value = measure(np.arange(len(patients)))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Record(
        metric, value, min(float(low), value), max(float(high), value), len(patients), data
    )


def answers(
    name: str, p: np.ndarray, holds: tuple[np.ndarray, np.ndarray], truth: np.ndarray,
    patients: np.ndarray, data: str,
) -> list[Record]:  # fmt: skip
    """Return area, calibration and the sets' figures of probabilities (n,)."""
    yes, no = holds
    size = yes.astype(int) + no
    return [
        drawn(f"{name}auc", lambda i: area(p[i], truth[i]), patients, data),
        drawn(f"{name}ece", lambda i: calibration_error(p[i], truth[i]), patients, data),
        drawn(f"{name}brier-skill", lambda i: brier_skill(p[i], truth[i]), patients, data),
        share(f"{name}conformal-coverage", np.where(truth, yes, no), data),
        drawn(f"{name}set-size", lambda i: float(size[i].mean()), patients, data),
        share(f"{name}unsure", size != 1, data),
    ]


def answered(data: Arrays) -> np.ndarray:
    """Return which films look as if they could be answered, whatever age is stated."""
    look = reference().look
    score = data["traits"] @ look.weight - look.offset
    found: np.ndarray = data["usable"] & (score <= look.limit) & (data["sharp"] >= LEAST_SHARP)
    return found


def held_out(data: Arrays) -> list[Record]:
    """Return the figures of what is released, on fold 0."""
    known = reference()
    child = is_child(data) & data["held_out"] & answered(data)
    own = np.flatnonzero(child & (data["group"] == "child"))
    other = np.flatnonzero(child & (data["group"] == "child-original"))
    p = known.platt(evidence_of(data["sheets"][own].astype(np.float32))[0])
    truth, patients = data["label"][own] == "PNEUMONIA", data["patient"][own]
    yes, no = known.sets.holds(p)
    out = answers("child-", p, (yes, no), truth, patients, HELD)
    out += told_shares("", truth, data["agent"][own], (yes, no), HELD)
    q = known.platt(evidence_of(data["sheets"][other].astype(np.float32))[0])
    real = data["label"][other] == "PNEUMONIA"
    both = known.sets.holds(q)
    out += [
        Record(f"{r.metric}-unsqueezed", r.value, r.low, r.high, r.n, r.data)
        for r in answers("child-", q, both, real, data["patient"][other], OWN_SHAPE)
    ]
    out += told_shares("-unsqueezed", real, data["agent"][other], both, OWN_SHAPE)
    return out + erased(data, own[truth & yes & ~no])


def told_shares(
    end: str, truth: np.ndarray, agents: np.ndarray, holds: tuple[np.ndarray, np.ndarray],
    data: str,
) -> list[Record]:  # fmt: skip
    """Return how often 'signs' and 'no signs' were told, by agent and of normal films."""
    yes, no = holds
    groups = {a: truth & (np.char.lower(agents) == a) for a in ("bacteria", "virus")}
    out = []
    for name, use in (groups | {"normal": ~truth}).items():
        out.append(share(f"child-signs-{name}{end}", (yes & ~no)[use], data))
        out.append(share(f"child-called-none-{name}{end}", (no & ~yes)[use], data))
    return out


def erased(data: Arrays, use: np.ndarray) -> list[Record]:
    """Return how often erasing the marked places lowers the answer, and more than others do.

    Erased places get what lies there in normal children of folds 1-4 (``DONORS`` of them, their
    mean logit): a blurred mean would look ill itself. Others: smooth random regions of the same
    size, the mean of ``RANDOM_REGIONS`` per film. ``use``: places of the films.
    """
    rng = np.random.default_rng(11)
    sheets = data["sheets"][use].astype(np.float32)
    normal = (data["group"] == "child") & data["usable"] & ~data["held_out"]
    normal &= data["label"] == "NORMAL"
    donors = data["sheets"][rng.choice(np.flatnonzero(normal), DONORS, replace=False)]
    whole, evidence = evidence_of(sheets)
    count = round(MARKED * evidence[0].size)

    def lowered(scores: np.ndarray) -> np.ndarray:
        flat = scores.reshape(len(scores), -1)
        limit = np.sort(flat, axis=1)[:, -count][:, None, None, None]
        mask = np.kron(scores >= limit, np.ones((1, 1, 8, 8), bool))
        filled = [
            evidence_of(np.where(mask, d[None].astype(np.float32), sheets))[0] for d in donors
        ]
        return whole - np.mean(filled, axis=0)

    marked = lowered(evidence)
    others = []
    for _ in range(RANDOM_REGIONS):
        noise = rng.standard_normal(evidence.shape)
        others.append(lowered(ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5))))
    beats = (marked > 0) & (marked > np.mean(others, axis=0))
    name = f"{HELD}, films with pneumonia told as signs"
    return [share("child-erase-marked-beats-random", beats, name)]


def domain(data: Arrays) -> list[Record]:
    """Return whom the picture alone lets through and whom not: the second line behind the age.

    "unseen" and "taught": of the held-out adults, whose masks the lung network never saw or saw.
    """
    may = answered(data)
    out = []
    for group, metric in (("child", "children"), ("child-original", "children-unsqueezed")):
        use = data["held_out"] & (data["group"] == group)
        where = HELD if group == "child" else "data/cxr/lung_masks, children, fold 0 (held out)"
        out.append(share(f"child-domain-answered-{metric}", may[use], where))
    for group in ("covid", "tb", "covid-squeezed", "tb-squeezed"):
        use = data["held_out"] & (data["group"] == group)
        where = f"{ADULTS[group.split('-')[0]]}, held-out half"
        out.append(share(f"child-domain-refused-adults-{group}", ~may[use], where))
    taught = np.isin(data["name"], sorted(taught_lungs()))
    for name, part, said in (
        ("unseen", ~taught, "unseen by the lung network"),
        ("taught", taught, "their masks taught the lung network"),
    ):
        use = data["held_out"] & (data["group"] == "covid") & part
        where = f"data/cxr/covid_adult, held-out half, {said}"
        out.append(share(f"child-domain-refused-adults-covid-{name}", ~may[use], where))
    kids = is_child(data) & ~data["held_out"]
    for left, learned in (("covid", "tb"), ("tb", "covid")):
        source = np.char.startswith(data["group"], learned) & data["usable"]
        look = learn_look(*(data["traits"][w].astype(float) for w in (kids, source)))
        use = (data["group"] == left) & data["usable"]
        hit = data["traits"][use] @ look.weight - look.offset > look.limit
        where = f"{ADULTS[left]}; the look learned without this source"
        out.append(share(f"child-domain-refused-adults-{left}-source-out", hit, where))
    adult = (data["fold"] == 9) & np.isin(data["group"], ["covid", "tb"])
    out.append(share("gate-analysed-all-adults", data["usable"][adult], "; ".join(ADULTS.values())))
    return out


def inside() -> list[Record]:
    """Return how much of what the network sees lies inside the lung fields, on fold 0.

    "child-inside": of the evidence, on films told as a finding. "child-sheet-inside": of the
    pixels it is given, on all films that it answers.
    """
    shares, sheets, told = [], [], []
    for film in children():
        if not (film.held_out and film.group == "child"):
            continue
        seen = look_at(fit(film.grey))
        if seen.fields is None:
            continue
        answer = consider(seen.pixels, seen.fields, seen.embedding, 3)[1]
        if answer is None:
            continue
        sheet = lay_flat(seen.pixels, seen.fields)
        shares.append((answer.inside, film.patient))
        sheets.append(
            (share_inside(sheet, np.ones_like(answer.evidence), seen.fields), film.patient)
        )
        told.append(answer.yes or not answer.no)
    found = [s for s, t in zip(shares, told, strict=True) if t]
    out = []
    for metric, rows, where in (
        ("child-inside", found, f"{HELD}, films told as a finding"),
        ("child-sheet-inside", sheets, HELD),
    ):
        value, who = np.array([v for v, _ in rows]), np.array([p for _, p in rows])
        for name, part in (("least", 0), ("p05", 5), ("median", 50)):
            out.append(
                drawn(
                    f"{metric}-{name}",
                    lambda i, v=value, p=part: float(np.percentile(v[i], p)),
                    who,
                    where,
                )
            )
    return out


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "blurred": lambda grey: ndimage.gaussian_filter(grey, 1.5),
    "brighter": lambda grey: 255 * (grey / 255) ** 0.6,
    "darker": lambda grey: 255 * (grey / 255) ** 1.6,
}


def changed() -> list[Record]:
    """Return what changes of the greys do to every fourth child of fold 0, of age 3."""
    kept: dict[bool, list[Film]] = {True: [], False: []}
    for film in children():
        if film.held_out and film.group == "child":
            kept[film.label == "PNEUMONIA"].append(film)
    out = []
    for name, change in CHANGES.items():
        for ill, films in kept.items():
            refused, signs = [], []
            for film in films[::4]:
                seen = look_at(fit(change(film.grey.astype(np.float64))))
                if seen.fields is None:
                    continue
                answer = consider(seen.pixels, seen.fields, seen.embedding, 3)[1]
                refused.append(answer is None)
                signs.append(answer is not None and answer.yes and not answer.no)
            group, where = "pneumonia" if ill else "normal", f"{HELD}, every fourth, {name}"
            out.append(share(f"child-changed-{name}-refused-{group}", np.array(refused), where))
            out.append(share(f"child-changed-{name}-signs-{group}", np.array(signs), where))
    return out


def calibrated_apart(data: Arrays, use: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probability, 'yes' and 'no' of films by networks that never saw their fold.

    Calibration and sets of a fold come from the other four.
    """
    logits, fold = logits_apart(data)[use], data["fold"][use]
    truth = data["label"][use] == "PNEUMONIA"
    p, yes, no = np.empty(len(use)), np.empty(len(use), bool), np.empty(len(use), bool)
    for k in range(5):
        here, rest = fold == k, fold != k
        platt = fit_platt(logits[rest], truth[rest])
        sets = fit_sets(platt(logits[rest]), truth[rest])
        p[here] = platt(logits[here])
        yes[here], no[here] = sets.holds(p[here])
    return p, yes, no


def linear(pictures: np.ndarray, truth: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return scores (n,) of a ridge model on pictures (n, d), each fold by the other four."""
    out = np.empty(len(truth))
    for k in range(5):
        rest = fold != k
        middle, spread = pictures[rest].mean(axis=0), pictures[rest].std(axis=0) + 1e-3
        x = (pictures - middle) / spread
        base = truth[rest].mean()
        square = x[rest].T @ x[rest] + RIDGE * np.eye(x.shape[1])
        out[~rest] = x[~rest] @ np.linalg.solve(square, x[rest].T @ (truth[rest] - base))
    return out


def crossed(data: Arrays) -> list[Record]:
    """Return the figures of five networks on the fold that each never saw, and the audit.

    "matched": pairs of a film with and one without pneumonia between which the linear model on
    the picture with the lungs blacked out sees (almost) no difference; half is chance.
    """
    use = np.flatnonzero((data["group"] == "child") & data["usable"])
    p, yes, no = calibrated_apart(data, use)
    truth, patients, fold = (
        data["label"][use] == "PNEUMONIA",
        data["patient"][use],
        data["fold"][use],
    )
    out = answers("child-cv-", p, (yes, no), truth, patients, CROSS)
    where = f"{CHILDREN}, 5 folds by patient"
    scores = {n: linear(v, truth.astype(float), fold) for n, v in views(data, use).items()}
    for name, s in scores.items():
        out.append(
            drawn(f"audit-linear-{name}-auc", lambda i, s=s: area(s[i], truth[i]), patients, where)
        )
    outside = np.argsort(np.argsort(scores["lungs-blacked-out"])) * BINS // len(use)

    def matched(i: np.ndarray) -> float:
        return within(p[i], truth[i], outside[i])

    return [*out, drawn("audit-network-auc-matched-outside", matched, patients, CROSS)]


def within(score: np.ndarray, truth: np.ndarray, place: np.ndarray) -> float:
    """Return the area under the ROC over pairs of the same place only."""
    total, pairs = 0.0, 0
    for k in np.unique(place):
        yes = truth[place == k]
        count = int(yes.sum() * (~yes).sum())
        if count:
            total += count * area(score[place == k], yes)
            pairs += count
    return total / max(1, pairs)


def views(data: Arrays, use: np.ndarray) -> dict[str, np.ndarray]:
    """Return parts of the pictures of films, flat, by name."""
    picture = data["picture"][use].astype(np.float64) / 255
    outline = data["outline"][use].astype(np.float64) / 255
    near = np.array([ndimage.grey_dilation(o, 3) for o in outline]) > 0
    rim = np.ones((COARSE, COARSE), bool)
    rim[2:-2, 2:-2] = False
    parts = (2, 16, 6, 8, 8)
    flat = data["sheets"][use].astype(np.float64).reshape(-1, *parts).mean(axis=(3, 5))
    return {
        "whole-image": picture.reshape(len(use), -1),
        "outer-frame": picture[:, rim],
        "lungs-blacked-out": np.where(near, 0, picture).reshape(len(use), -1),
        "lung-outline": outline.reshape(len(use), -1),
        "lungs-laid-flat": flat.reshape(len(use), -1),
    }


def records() -> list[dict[str, object]]:
    """Return every figure of the children's classifier."""
    data = collect()
    found = [r for part in (held_out, domain, crossed) for r in part(data)]
    return [r.row() for r in (*found, *inside(), *changed())]
