# SPDX-License-Identifier: Apache-2.0
"""Codes and words of brain-mri in both languages."""

from healthvision.clinical import vocabulary
from healthvision.clinical.result import Code

BRAIN = Code(scheme="SCT", value="12738006", meaning="Brain structure")
VENTRICLE = Code(scheme="SCT", value="35764002", meaning="Brain ventricle structure")
ANATOMY, ABNORMAL = vocabulary.ANATOMY, vocabulary.ABNORMAL
WIDE_VENTRICLES = Code(scheme="99HV", value="wide-ventricles", meaning="Enlarged ventricles")
HYPERINTENSITY = Code(
    scheme="99HV", value="white-matter-hyperintensity", meaning="White matter hyperintensities"
)
ATYPICAL = Code(scheme="99HV", value="atypical-region", meaning="Atypical region of brain")
GROWN = Code(scheme="99HV", value="marked-lesion", meaning="Lesion grown from a mark")

_NAMES = {
    "intracranial": ("颅内容积", "Intracranial volume"),
    "brain": ("脑实质体积", "Brain volume"),
    "grey": ("灰质体积", "Grey matter volume"),
    "white": ("白质体积", "White matter volume"),
    "fluid": ("脑脊液体积", "Cerebrospinal fluid volume"),
    "ventricles": ("脑室体积", "Ventricle volume"),
    "brain-share": ("脑实质/颅内容积", "Brain, share of intracranial volume"),
    "grey-share": ("灰质/颅内容积", "Grey matter, share of intracranial volume"),
    "white-share": ("白质/颅内容积", "White matter, share of intracranial volume"),
    "fluid-share": ("脑脊液/颅内容积", "Fluid, share of intracranial volume"),
    "ventricles-share": ("脑室/颅内容积", "Ventricles, share of intracranial volume"),
    "evans": ("Evans指数", "Evans index"),
    "horns": ("侧脑室额角最大宽度", "Greatest width of the frontal horns"),
    "skull": ("同层颅腔最大内径", "Greatest inner skull width, same section"),
    "asymmetry-grey": ("灰质不对称指数", "Asymmetry index, grey matter"),
    "asymmetry-white": ("白质不对称指数", "Asymmetry index, white matter"),
    "asymmetry-brain": ("脑实质不对称指数", "Asymmetry index, brain"),
    "hyperintensity": ("白质高信号体积", "Volume of white matter hyperintensities"),
    "hyperintensity-count": ("白质高信号数目", "Number of white matter hyperintensities"),
    "lesion": ("病灶体积", "Volume of the lesion"),
    "region": ("区域体积", "Volume of the region"),
}
measurement = vocabulary.Vocabulary.own("brain", _NAMES).measurement
