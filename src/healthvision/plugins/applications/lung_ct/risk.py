# SPDX-License-Identifier: Apache-2.0
"""Published risk models on a nodule: what the images say is filled in, the rest stays a range."""

from healthvision.clinical.chest.nodules import Nodule
from healthvision.clinical.result import Risk
from healthvision.clinical.risk import BROCK_FULL, MAYO, LogisticModel, RiskInputError, estimate
from healthvision.clinical.study import SeriesHeader

_SEX = {"F": True, "M": False}


def risks(nodule: Nodule, header: SeriesHeader, *, count: int, emphysema: bool) -> tuple[Risk, ...]:
    """Return Brock (2b) and Mayo where the nodule and the age are inside the models' domains.

    Not for calcified nodules and fat. Lobe, spiculation and history are never known from here.
    """
    sizes = nodule.sizes
    if sizes.density in ("calcified", "fat"):
        return ()
    female = _SEX.get((header.patient_sex or "").upper())
    known: dict[str, float | bool | None] = {
        "age_years": None if header.patient_age_years is None else float(header.patient_age_years),
        "female": female,
        "emphysema": emphysema,
        "diameter_mm": round(sizes.axes.long_mm, 1),
        "part_solid": sizes.density == "part-solid",
        "ground_glass": sizes.density == "ground-glass",
        "nodule_count": float(count),
    }
    models = (BROCK_FULL, MAYO) if count == 1 else (BROCK_FULL,)  # Mayo: single nodules
    found = (_risk(model, known) for model in models)
    return tuple(r for r in found if r is not None)


def _risk(model: LogisticModel, known: dict[str, float | bool | None]) -> Risk | None:
    inputs = {name: known.get(name) for name in model.inputs}
    try:
        answer = estimate(model, inputs)
    except RiskInputError:
        return None
    labels = {t.input: t.label for t in model.terms}
    return Risk(
        model=model.id,
        title=model.title,
        low=round(answer.low, 4),
        high=round(answer.high, 4),
        known={name: value for name, value in inputs.items() if value is not None},
        missing=tuple(labels[name] for name in answer.missing),
        population=model.population,
        source=model.source,
    )
