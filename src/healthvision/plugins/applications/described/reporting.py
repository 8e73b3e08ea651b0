# SPDX-License-Identifier: Apache-2.0
"""From what a network said to findings, measurements and honest words."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from healthvision.clinical.result import (
    Code,
    Finding,
    Gate,
    GateOutcome,
    Location,
    Measurement,
    Text,
)
from healthvision.clinical.study import KeyImage, Segment, Segmentation, SeriesImage
from healthvision.clinical.volume import Array
from healthvision.domains.modelhub.description import (
    ClassificationOutput,
    ClassSpec,
    LabelSpec,
    ModelDescription,
    RegressionOutput,
    SegmentationOutput,
)
from healthvision.domains.modelhub.manifests import LEVEL
from healthvision.plugins.applications.described import words
from healthvision.plugins.applications.described.drawing import outlined
from healthvision.plugins.applications.described.mapping import Marked, Piece, marked, pieces
from healthvision.plugins.applications.described.preparing import Fed
from healthvision.plugins.applications.described.words import both

OVERLAP = both(
    "类别有重叠：体积按各类别单独计算；叠加图每个体素仅显示一个类别（较小者在上）",
    "classes overlap: amounts are of each class by itself, the overlay shows one class for each "
    "voxel (the smaller one on top)",
)


@dataclass(slots=True)
class Said:
    """What becomes of the network's answer."""

    findings: list[Finding] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    key_images: list[KeyImage] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    segmentation: Segmentation | None = None
    told: list[Text] = field(default_factory=list)


@dataclass(frozen=True, eq=False, slots=True)
class Reader:
    """Turns answers about one image into findings."""

    description: ModelDescription
    image: SeriesImage

    def segmentation(self, found: Array, fed: Fed, output: SegmentationOutput) -> Said:
        """Return the overlay, a volume for each structure, a finding for each piece."""
        said = Said()
        on = marked(found, fed, output)
        drawn = []
        for number, spec in enumerate(output.labels, start=1):
            count = on.counts[number]
            if count == 0:
                said.told.append(both(f"未标出{spec.label.zh}", f"{spec.label.en}: none marked"))
                continue
            seen = on.drawn(number)
            drawn += [(number, spec)] if seen else []
            self._amount(said, spec, count, on.labels.size, fed)
            if spec.finding:
                for i, piece in enumerate(pieces(on, number, spec, found, fed, output), 1):
                    self._piece(said, fed, number, spec, i, piece, seen)
        if drawn:
            self._picture(said, on, drawn, fed)
        return said

    def _picture(
        self, said: Said, on: Marked, drawn: list[tuple[int, LabelSpec]], fed: Fed
    ) -> None:
        turned = fed.oriented.back(on.labels)
        segments = tuple(_segment(number, spec) for number, spec in drawn)
        said.segmentation = Segmentation(self.image.volume.like(turned), segments)
        if on.shared:
            said.gates.append(words.gate("overlap", GateOutcome.WARNING, OVERLAP, on.shared))
            said.told.append(OVERLAP)
        if not said.key_images:
            said.key_images.append(self._overview(on.labels, fed, *drawn[0]))

    def classification(self, found: Array, output: ClassificationOutput) -> Said:
        """Return the raw score of each class, and a finding for each one above its threshold."""
        said = Said()
        for spec in output.classes:
            score = float(np.clip(found[spec.channel], 0, 1))
            said.measurements.append(words.raw_score(score, spec.label))
            above = score >= spec.threshold
            said.told.append(
                both(
                    f"{spec.label.zh}：原始分数{score:.2f}（阈值{spec.threshold:g}）",
                    f"{spec.label.en}: raw score {score:.2f} (threshold {spec.threshold:g})",
                )
            )
            if above and spec.finding:
                said.findings.append(self._class(spec, score, output.activation))
        return said

    def regression(self, found: Array, output: RegressionOutput) -> Said:
        """Return the numbers that are plausible; the others are withheld with a gate."""
        said = Said()
        for spec in output.quantities:
            value = float(found[spec.channel]) * spec.scale + spec.offset
            low, high = spec.plausible
            if not low <= value <= high:
                reason = both(
                    f"{spec.label.zh}超出合理范围{low:g}-{high:g}，未给出",
                    f"{spec.label.en} is outside of what is plausible ({low:g} to {high:g}): "
                    "withheld",
                )
                said.gates.append(words.gate("implausible", GateOutcome.FAILED, reason))
                continue
            said.measurements.append(
                Measurement(
                    code=spec.code,
                    label=spec.label,
                    value=round(value, 4),
                    unit=spec.unit,
                    method="network output; its error is not known here",
                )
            )
            said.told.append(
                both(
                    f"{spec.label.zh} {value:.4g} {spec.unit}",
                    f"{spec.label.en} {value:.4g} {spec.unit}",
                )
            )
        return said

    def _amount(self, said: Said, spec: LabelSpec, count: int, of: int, fed: Fed) -> None:
        if self.description.input.kind == "image":
            share = 100 * count / of
            label = both(f"{spec.label.zh}占画面比例", f"{spec.label.en}, share of the picture")
            said.measurements.append(_measured(words.SHARE, label, round(share, 2), "%"))
            said.told.append(
                both(f"{spec.label.zh}占画面{share:.1f}%", f"{spec.label.en} {share:.1f} % of it")
            )
            return
        ml = count * fed.oriented.volume.voxel_ml
        label = both(f"{spec.label.zh}体积", f"{spec.label.en}, volume")
        said.measurements.append(_measured(words.VOLUME, label, round(ml, 3), "mL"))
        said.told.append(both(f"{spec.label.zh} {ml:.4g} mL", f"{spec.label.en} {ml:.4g} mL"))

    def _piece(
        self, said: Said, fed: Fed, number: int, spec: LabelSpec, index: int, piece: Piece,
        drawn: bool,
    ) -> None:  # fmt: skip
        name = f"class{number}-{index}"
        key = f"key-{name}"
        said.key_images.append(self._key(key, fed, spec, piece, name))
        said.findings.append(
            Finding(
                tracking_id=name,
                tracking_uid=self._uid(name),
                code=spec.code,
                label=spec.label,
                location=self._place(fed, piece, spec),
                measurements=tuple(self._sizes(piece)),
                confidence=words.no_confidence("mean over the piece"),
                evidence_level=LEVEL,
                explanation=words.explanation(
                    both("轮廓见叠加图。", "The outline is in the overlay."),
                    "segmentation by a network",
                    number if drawn else None,
                    (f"{key}.png",),
                ),
            )
        )

    def _sizes(self, piece: Piece) -> list[Measurement]:
        if self.description.input.kind == "image":
            label = both("占画面比例", "Share of the picture")
            out = [_measured(words.SHARE, label, round(100 * piece.share, 2), "%")]
        else:
            longest = both("最大轴位径", "Longest axial diameter")
            out = [
                _measured(words.DIAMETER, longest, round(piece.longest_mm, 1), "mm"),
                _measured(words.VOLUME, both("体积", "Volume"), round(piece.ml, 3), "mL"),
            ]
        return out if piece.score is None else [*out, words.raw_score(piece.score)]

    def _place(self, fed: Fed, piece: Piece, spec: LabelSpec) -> Location:
        original = round(fed.oriented.original_index(piece.centre)[0])
        slices = self.image.slices
        ref = slices[original] if 0 <= original < len(slices) else None
        spatial = self.description.input.kind == "volume"
        x, y, z = fed.oriented.volume.to_lps(piece.centre)
        return Location(
            position_lps_mm=(round(x, 2), round(y, 2), round(z, 2)) if spatial else None,
            series_uid=self.image.header.series_uid,
            sop_instance_uid=None if ref is None else ref.sop_instance_uid,
            frame_number=None if ref is None else ref.frame_number,
            region=both("模型未说明部位", "region not named by the model"),
            laterality=spec.laterality,
        )

    def _class(self, spec: ClassSpec, score: float, activation: str) -> Finding:
        name = f"class{spec.channel}"
        slices = self.image.slices
        ref = slices[0] if len(slices) == 1 else None
        why = both(
            f"模型分数{score:.2f}高于阈值{spec.threshold:g}。",
            f"The model's score {score:.2f} is above the threshold {spec.threshold:g}.",
        )
        return Finding(
            tracking_id=name,
            tracking_uid=self._uid(name),
            code=spec.code,
            label=spec.label,
            location=Location(
                position_lps_mm=None,
                series_uid=self.image.header.series_uid,
                sop_instance_uid=None if ref is None else ref.sop_instance_uid,
                frame_number=None if ref is None else ref.frame_number,
                region=both("整幅影像（模型不定位）", "whole image (the model does not locate)"),
            ),
            measurements=(words.raw_score(score),),
            confidence=words.no_confidence(activation),
            evidence_level=LEVEL,
            explanation=words.explanation(why, "classification by a network", None, ()),
        )

    def _key(self, key: str, fed: Fed, spec: LabelSpec, piece: Piece, name: str) -> KeyImage:
        volume, limits = fed.oriented.volume, self.description.input.intensity.clip
        return KeyImage(
            key,
            outlined(volume, piece.section, piece.plane, spec.colour, limits),
            round(fed.oriented.original_index(piece.centre)[0]),
            spec.label,
            name,
        )

    def _overview(self, labels: Array, fed: Fed, number: int, spec: LabelSpec) -> KeyImage:
        mask = labels == number
        section = int(np.argmax(mask.sum(axis=(1, 2))))
        volume, limits = fed.oriented.volume, self.description.input.intensity.clip
        pixels = outlined(volume, section, mask[section], spec.colour, limits)
        original = round(fed.oriented.original_index((float(section), 0.0, 0.0))[0])
        return KeyImage("key-overview", pixels, original, spec.label)

    def _uid(self, name: str) -> str:
        """Return a UID that is the same for the same finding of the same series."""
        text = f"healthvision/{self.description.id}/{self.image.header.series_uid}/{name}"
        return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"


def summary(title: Text, told: Sequence[Text]) -> Text:
    """Return the result in words, with what must never be left out."""
    zh = "；".join(t.zh for t in told) or "无内容"
    en = "; ".join(t.en for t in told) or "nothing"
    return both(
        f"用户添加的模型“{title.zh}”：{zh}。未标出不代表正常。",
        f"The user's model '{title.en}' says: {en}. What is not marked is not thereby normal.",
    )


def _measured(code: Code, label: Text, value: float, unit: str) -> Measurement:
    return Measurement(code=code, label=label, value=value, unit=unit, method="network map")


def _segment(number: int, spec: LabelSpec) -> Segment:
    category = words.ABNORMAL if spec.finding else words.ANATOMY
    return Segment(
        number, spec.label.en[:64], spec.label, category, spec.code, spec.laterality,
        colour=spec.colour,
    )  # fmt: skip
