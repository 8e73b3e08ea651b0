# SPDX-License-Identifier: Apache-2.0
"""Quality gates of chest CT: what may be said about a scan, and what the user can do."""

from collections.abc import Sequence

import numpy as np

from healthvision.clinical.chest.lungs import Lungs
from healthvision.clinical.chest.masses import BLIND_MM
from healthvision.clinical.result import Gate, GateOutcome, Text
from healthvision.clinical.study import GeometryNote
from healthvision.clinical.volume import Volume

FULL_MM, THICK_MM, THICK_LEAST_MM = 2.5, 5.0, 10.0


def _gate(
    name: str,
    outcome: GateOutcome,
    value: str | float | None,
    zh: str,
    en: str,
    remedy: Text | None = None,
) -> Gate:
    return Gate(id=name, outcome=outcome, value=value, reason=Text(zh=zh, en=en), remedy=remedy)


def hounsfield_gate(volume: Volume) -> Gate:
    """Check that voxels are Hounsfield units: air near -1000 and soft tissue near +40."""
    step = tuple(slice(None, None, max(1, n // 64)) for n in volume.shape)
    sample = volume.voxels[step].astype(np.float32)
    air = float(np.mean((sample > -1100) & (sample < -880)))
    tissue = float(np.mean((sample > -150) & (sample < 200)))
    if air < 0.02 or tissue < 0.05:
        return _gate(
            "hounsfield-units", GateOutcome.FAILED, round(air, 4),
            "体素值不是CT值（未见空气峰或软组织峰）",
            "Voxel values are no Hounsfield units (no air peak or no soft-tissue peak)",
            Text(zh="请发送带有重建斜率与截距的原始CT序列",
                 en="Send the original CT series with rescale slope and intercept"),
        )  # fmt: skip
    return _gate(
        "hounsfield-units", GateOutcome.PASSED, round(air, 4),
        "体素值为CT值", "Voxel values are Hounsfield units",
    )  # fmt: skip


def slice_gate(slice_mm: float) -> Gate:
    """Decide by slice thickness (mm): full to 2.5, lesions of 10 mm and more to 5.0, else none."""
    value = round(slice_mm, 2)
    remedy = Text(
        zh="请发送层厚不超过2.5 mm的薄层序列", en="Send a series of at most 2.5 mm slices"
    )
    if value <= FULL_MM:
        return _gate(
            "slice-thickness", GateOutcome.PASSED, value,
            f"层厚 {value:g} mm，可完整分析", f"Slice thickness {value:g} mm: full analysis",
        )  # fmt: skip
    if value <= THICK_MM:
        return _gate(
            "slice-thickness", GateOutcome.WARNING, value,
            f"层厚 {value:g} mm，大于2.5 mm：仅列出10 mm及以上的病灶，不给出指南分级",
            f"Slice thickness {value:g} mm is above 2.5 mm: only lesions of 10 mm and more are "
            "listed, without a guideline category", remedy,
        )  # fmt: skip
    return _gate(
        "slice-thickness", GateOutcome.FAILED, value,
        f"层厚 {value:g} mm，大于5 mm：不检测结节",
        f"Slice thickness {value:g} mm is above 5 mm: nodules are not looked for", remedy,
    )  # fmt: skip


def geometry_gates(notes: Sequence[GeometryNote]) -> list[Gate]:
    """Turn notes about gaps, duplicates and tilt into warnings."""
    return [
        Gate(
            id=f"geometry-{note.id}",
            outcome=GateOutcome.WARNING,
            value=note.value,
            reason=note.text,
            remedy=Text(zh="请核对序列是否完整", en="Check that the series is complete"),
        )
        for note in notes
    ]


def lung_gates(lungs: Lungs) -> list[Gate]:
    """Check lungs found: volume, ratio, airways, field of view and the side of the heart."""
    return [
        _volume_gate(lungs),
        _trachea_gate(lungs),
        _view_gate(lungs),
        _side_gate(lungs),
    ]


def _volume_gate(lungs: Lungs) -> Gate:
    total = round(lungs.total_ml / 1000, 2)
    small = min(lungs.left_ml, lungs.right_ml)
    ratio = lungs.left_ml / max(lungs.right_ml, 1.0)
    if not 1.0 <= total <= 10.0 or small < 100:
        return _gate(
            "lung-volume", GateOutcome.FAILED, total,
            f"肺容积 {total:g} L 不合理或仅见一侧肺",
            f"Lung volume {total:g} L is implausible or only one lung was found",
            Text(zh="请确认扫描覆盖整个胸部", en="Make sure that the scan covers the whole chest"),
        )  # fmt: skip
    if not 0.6 <= ratio <= 1.5:
        return _gate(
            "lung-volume", GateOutcome.WARNING, round(ratio, 2),
            f"左右肺容积比 {ratio:.2f} 异常（肺不张、实变、积液或术后）",
            f"Left-to-right volume ratio {ratio:.2f} is unusual (collapse, consolidation, "
            "effusion or surgery)",
        )  # fmt: skip
    return _gate(
        "lung-volume", GateOutcome.PASSED, total,
        f"肺容积 {total:g} L", f"Lung volume {total:g} L",
    )  # fmt: skip


def _trachea_gate(lungs: Lungs) -> Gate:
    if lungs.airways is None:
        return _gate(
            "trachea", GateOutcome.FAILED, None,
            "未找到气管：无法确认头足方向与覆盖范围",
            "No trachea found: head-foot orientation and coverage cannot be confirmed",
            Text(zh="请核对方向信息与扫描范围", en="Check the orientation tags and the scan range"),
        )  # fmt: skip
    ml = round(float(np.count_nonzero(lungs.airways.mask)) * lungs.coarse.voxel_ml, 1)
    return _gate(
        "trachea", GateOutcome.PASSED, ml, "已找到气管", "Trachea found",
    )  # fmt: skip


def _view_gate(lungs: Lungs) -> Gate:
    if lungs.touching:
        names = ", ".join(lungs.touching)
        return _gate(
            "field-of-view", GateOutcome.WARNING, names,
            f"肺在图像边缘被截断（{names}）：容积与阴性结论仅适用于所见部分",
            f"A lung is cut by the edge of the images ({names}): volumes and negatives hold for "
            "the visible part only",
            Text(zh="请用包含整个胸部的视野重建", en="Reconstruct with the whole chest in view"),
        )  # fmt: skip
    return _gate(
        "field-of-view", GateOutcome.PASSED, None, "双肺完整", "Both lungs are complete",
    )  # fmt: skip


def _side_gate(lungs: Lungs) -> Gate:
    shift = lungs.heart_shift_mm
    value = None if shift is None else round(shift, 1)
    if shift is not None and shift < -6.0:
        return _gate(
            "orientation", GateOutcome.FAILED, value,
            "心脏位于方向信息所示的右侧：方向标记错误或右位心，左右不可信",
            "The heart lies on the side that the header calls right: wrong orientation or "
            "dextrocardia, so left and right cannot be trusted",
            Text(zh="请核对患者体位与方向信息", en="Check patient position and orientation tags"),
        )  # fmt: skip
    if shift is None or shift < 2.0:
        return _gate(
            "orientation", GateOutcome.WARNING, value,
            "心脏位置居中，无法由解剖核实左右",
            "The heart lies near the middle: left and right cannot be confirmed by anatomy",
        )  # fmt: skip
    return _gate(
        "orientation", GateOutcome.PASSED, value,
        "心脏位置与方向信息一致", "The side of the heart agrees with the orientation",
    )  # fmt: skip


def mass_gate() -> Gate:
    """Say where the search for masses is blind; holds for every scan that was searched."""
    return _gate(
        "mass-search", GateOutcome.PASSED, BLIND_MM,
        f"已查找肿块；以下部位看不到：距中线{BLIND_MM:g} mm以内的纵隔、心脏及左前膈面上、"
        "肺门处小于约40 mm者，以及沿肺长轴超过约60 mm的中央型肿块",
        f"Masses were looked for; not seen are those within {BLIND_MM:g} mm of the midline, at the "
        "heart and on the left front of the diaphragm, below about 40 mm at the hila, and central "
        "ones longer than about 60 mm from head to feet",
        Text(zh="请在纵隔窗上目测这些部位", en="Look at these places in a soft-tissue window"),
    )  # fmt: skip
