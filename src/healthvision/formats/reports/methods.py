# SPDX-License-Identifier: Apache-2.0
"""How a value was got, in Chinese: results tell their methods in English."""

import re

from healthvision.clinical.result import Text

_WITH_VALUES = (
    (
        r"(\w+): N4, three normal classes, neighbourhood prior, partial volume",
        r"\1：N4校正，三类正态分布，邻域先验，部分容积",
    ),
    (
        r"coarse grid ([\d.]+) mm, largest axial section, only the part within the expected lung",
        r"\1 mm粗网格，最大横断层面，仅含预期肺区内的部分",
    ),
    (
        r"no interval is given: none was fitted on slices above ([\d.]+) mm",
        r"不给区间：层厚超过\1 mm时未作拟合",
    ),
    (r"interval from (\d+) ([\w-]+) nodules of phantoms", r"区间由体模的\1个\2结节得出"),
    (
        r"interval from (\d+) ([\w-]+) and (\d+) ([\w-]+) nodules of phantoms",
        r"区间由体模的\1个\2结节和\3个\4结节得出",
    ),
)
_WORDS = {
    # chest-xray
    "widest heart over widest inner chest, borders by shortest path": (
        "心影最宽处除以胸廓内径最宽处，边界由最短路径求得"
    ),
    "at the detector, magnified": "为探测器平面上的尺寸，含放大",
    "greys against the other lung and against normal films (children, 1-5 years)": (
        "灰阶与对侧肺及正常片（1-5岁儿童）比较"
    ),
    "network on both lungs laid flat, sum of evidence per place": (
        "网络分析展平的双肺，各处证据求和"
    ),
    "Platt, conformal sets of 90 %": "Platt校准，90%保形集合",
    "U-Net, 256 x 256": "U-Net，256 x 256",
    # brain-mri
    "2 (L - R) / (L + R) about the plane of best mirror correlation": (
        "2(左-右)/(左+右)，以镜像相关最佳的平面为中线"
    ),
    "half-level crossings on the section of the widest frontal horns": ("在额角最宽层面取半高交点"),
    "FLAIR signal above grey matter, hysteresis, 9 mm or more within the skull": (
        "FLAIR信号高于灰质，滞后阈值，距颅骨内面9 mm以上"
    ),
    "difference from the neighbourhood of the mirrored place": "与镜像位置邻域的差异",
    "grown from the mark, three cuts": "由标记点生长，三种阈值",
    "fluid at the middle of the brain": "脑中部的液体",
    # lung-ct
    "threshold -400 HU, 10 mm closing, airways removed": "阈值-400 HU，10 mm闭运算，去除气道",
    "15th percentile of the eroded lung after noise-matched smoothing": (
        "按噪声匹配平滑后，内缩肺的第15百分位"
    ),
    "median absolute deviation": "绝对中位差",
    "half maximum": "半高法",
    "half maximum on 1 mm voxels, largest axial section": "1 mm体素半高法，最大横断层面",
    "mean of the eroded lesion": "病灶内缩后的均值",
    "mean of the lesion": "病灶均值",
    "distance map of the lungs": "肺的距离图",
    "above -300 HU": "高于-300 HU",
    "share of eroded lung below -950 HU after noise-matched smoothing": (
        "按噪声匹配平滑后，内缩肺内低于-950 HU的比例"
    ),
    "Saabas path attribution of the forest (share of votes)": (
        "随机森林的Saabas路径归因（得票比例）"
    ),
    "expected lung against soft tissue": "预期肺区与软组织对照",
    "expected lung against soft tissue, opening of 7 mm radius": (
        "预期肺区与软组织对照，半径7 mm开运算"
    ),
    "%LAA-950 after noise-matched smoothing": "按噪声匹配平滑后的%LAA-950",
    "threshold -950 HU": "阈值-950 HU",
    "random forest on 22 features, logistic calibration with contrast, size and attachment, 4 "
    "noise perturbations": "22项特征的随机森林，按对比度、大小和附着作逻辑校准，4次噪声扰动",
    # models of the user
    "network map": "网络输出图",
    "network output": "网络输出",
    "its error is not known here": "其误差在此未知",
}


_KINDS = {
    "clear": "清晰",
    "dim": "较淡",
    "touching": "附着",
    "ground-glass": "磨玻璃",
    "part-solid": "部分实性",
}


def method_words(method: str) -> Text:
    """Return a method in both languages, part by part between semicolons; unknown stays English."""
    parts = [method] if method in _WORDS else method.split("; ")
    return Text(zh="；".join(_part(part) for part in parts), en=method)


def _part(part: str) -> str:
    if part in _WORDS:
        return _WORDS[part]
    for pattern, words in _WITH_VALUES:
        if found := re.fullmatch(pattern, part):
            told = found.expand(words)
            for name in set(found.groups()) & set(_KINDS):
                told = told.replace(name, _KINDS[name])
            return told
    return part
