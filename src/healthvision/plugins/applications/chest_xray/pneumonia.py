# SPDX-License-Identifier: Apache-2.0
"""Signs that fit pneumonia, in children of 1 to 5 years: network, calibration, sets, domain."""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np

from healthvision.clinical.radiograph.ages import AgeLook, traits
from healthvision.clinical.radiograph.lungs import LungFields
from healthvision.clinical.radiograph.sharpness import sharpness
from healthvision.clinical.radiograph.sheet import Sheet, lay_flat
from healthvision.clinical.result import Gate, GateOutcome, Text
from healthvision.clinical.statistics.probability import Platt, Sets
from healthvision.clinical.volume import Array, BoolArray, FloatArray
from healthvision.plugins.applications.chest_xray import network
from healthvision.plugins.applications.chest_xray.checks import YEARS_OF_NORMALS

WEIGHTS, REFERENCE = "pneumonia.onnx", "pneumonia.npz"
GATE = "child-classifier"
STATE_THE_AGE = Text(
    zh="请在影像中标明年龄（Patient's Age）或出生日期，或在请求中给出参数patient_age_years",
    en="State the age: Patient's Age or the birth date in the film, or the parameter "
    "patient_age_years of the request",
)
READ_WITHOUT = Text(
    zh="请由医生判读；可接入适用的模型", en="Read it without; an own model can be added"
)
LEAST_SHARP = -0.75
"""Blurred films look ill to the network. The least sharp of the children's films of folds 1-4 has
-0.708, as ``learn`` of scripts/reference_chest_xray_pneumonia.py prints; the margin below it was
chosen by hand."""
MARKED = 0.2  # of both lungs: the places that speak most for the answer


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """What turns a logit into an answer: ``share`` of the films learned from showed pneumonia."""

    platt: Platt
    sets: Sets
    look: AgeLook
    share: float


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """``yes``, ``no``: what the conformal set holds. ``evidence``: float (2, 12, 8), see network.

    ``map``: evidence on the frame (SIDE, SIDE), NaN outside lungs. ``marked``: bool, the fifth of
    both lungs that speaks most for pneumonia. ``inside``: share of the evidence for pneumonia
    that lies inside the lung fields.
    """

    probability: float
    yes: bool
    no: bool
    evidence: Array
    map: FloatArray
    marked: BoolArray
    inside: float

    @property
    def sure(self) -> bool:
        """Whether exactly one of both fits."""
        return self.yes is not self.no


@cache
def reference() -> Reference:
    """Return what ``scripts/reference_chest_xray_pneumonia.py`` learned, from the package."""
    data = np.load(io.BytesIO(network.read(REFERENCE)), allow_pickle=False)
    return Reference(
        Platt(*(float(v) for v in data["platt"])),
        Sets(*(float(v) for v in data["sets"])),
        AgeLook(data["weight"], float(data["offset"]), float(data["limit"])),
        float(data["share"]),
    )


def evidence_of(sheets: Array) -> tuple[Array, Array]:
    """Run the network on sheets (n, 2, 96, 64); return logits (n,) and evidence (n, 2, 12, 8).

    The logit is the mean of the evidence.
    """
    given = {"sheets": np.ascontiguousarray(sheets, np.float32)}
    logit, evidence = network.session(WEIGHTS).run(["logit", "evidence"], given)
    return np.asarray(logit), np.asarray(evidence)


def judge(sheet: Sheet, fields: LungFields) -> Answer:
    """Return the answer for one film whose patient is in the domain."""
    logits, evidence = evidence_of(sheet.greys[None])
    known = reference()
    probability = known.platt(logits)
    yes, no = known.sets.holds(probability)
    back = sheet.back(evidence[0], fields)
    limit = np.nanquantile(back, 1 - MARKED)
    marked = np.where(np.isnan(back), -np.inf, back) >= limit
    inside = share_inside(sheet, evidence[0], fields)
    return Answer(
        float(probability[0]), bool(yes[0]), bool(no[0]), evidence[0], back, marked, inside
    )


def share_inside(sheet: Sheet, evidence: Array, fields: LungFields) -> float:
    """Return which share of the evidence for pneumonia comes from pixels of the lung fields.

    A sheet's row runs from a field's first to its last column: a notch between them is outside.
    """
    rows, columns = (np.rint(v).astype(int) for v in (sheet.rows, sheet.columns))
    lung = fields.both
    rows, columns = (np.clip(v, 0, n - 1) for v, n in zip((rows, columns), lung.shape, strict=True))
    parts = (2, evidence.shape[1], rows.shape[1] // evidence.shape[1], evidence.shape[2], -1)
    covered = lung[rows, columns].reshape(parts).mean(axis=(2, 4))
    gain = np.clip(evidence, 0, None)
    total = float(gain.sum())
    return float((gain * covered).sum() / total) if total > 0 else 1.0


def domain_gate(age: int | None, score: float, sharp: float, doubt: str = "") -> Gate:
    """Decide whether the children's classifier may answer.

    ``age``: years, None when not stated; ``doubt``: of ``SeriesHeader.age_doubt``. ``score``: of
    the age look. ``sharp``: see ``sharpness``. Without a stated age of 1 to 5 years there is no
    answer; the picture must fit as well, because a film unlike those learned from gets no number.
    """
    unsure = _age_refused(age, doubt)
    if unsure is not None:
        return unsure
    limit = reference().look.limit
    if score > limit:
        return _refused(
            round(score - limit, 2),
            "影像不像其学习过的1-5岁儿童片（像成人或其他来源）",
            "the film does not look like those of 1 to 5 years it learned from",
        )
    if sharp < LEAST_SHARP:
        return _refused(
            round(sharp, 2),
            "影像比其学习过的片模糊，模糊可被误判为征象",
            "the film is more blurred than those it learned from, and blur can look like signs",
        )
    return Gate(
        id=GATE,
        outcome=GateOutcome.PASSED,
        value=age,
        reason=Text(zh="年龄与影像均在适用范围（1-5岁）", en="age and picture fit (1 to 5 years)"),
    )


def _age_refused(age: int | None, doubt: str) -> Gate | None:
    """Return the refusal by age alone, None where the age fits."""
    if doubt == "disagrees":
        return _refused(
            age,
            "所标年龄与出生日期或请求中的年龄不符",
            "the stated age is against the birth date or the age given with the request",
            Text(zh="请更正年龄或出生日期", en="Correct the age or the birth date"),
        )
    if doubt:
        return _refused(None, "所标年龄无法读取", "the stated age cannot be read", STATE_THE_AGE)
    if age is None:
        return _refused(None, "未标明年龄", "age is not stated", STATE_THE_AGE)
    if age not in YEARS_OF_NORMALS:
        return _refused(
            age,
            f"患者{age}岁，该分类器仅学习1-5岁",
            f"the patient is {age}, it learned from 1 to 5 years",
        )
    return None


def _refused(value: float | None, zh: str, en: str, remedy: Text = READ_WITHOUT) -> Gate:
    return Gate(
        id=GATE,
        outcome=GateOutcome.FAILED,
        value=value,
        reason=Text(
            zh=f"儿童分类器不作答：{zh}", en=f"no answer of the children's classifier: {en}"
        ),
        remedy=remedy,
    )


def consider(
    pixels: Array, fields: LungFields, embedding: Array, age: int | None, doubt: str = ""
) -> tuple[Gate, Answer | None]:
    """Return the gate and, where it lets through, the answer.

    ``pixels``: the upright frame, dense is bright. ``embedding``: (64,) of the lung network.
    """
    sheet = lay_flat(pixels, fields)
    score = reference().look.score(traits(embedding, sheet, fields))
    gate = domain_gate(age, score, sharpness(pixels, fields), doubt)
    return gate, None if gate.outcome is GateOutcome.FAILED else judge(sheet, fields)
