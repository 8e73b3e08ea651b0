# SPDX-License-Identifier: Apache-2.0
"""The VR of a tag where the bytes do not say it (PS3.6)."""

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary


@lru_cache(maxsize=8192)
def vr_in_dictionary(tag: int) -> str:
    """Return the VR of a tag in Implicit VR; 'UN' for private and unknown ones.

    Where the dictionary allows several, the first is returned ('US or SS' is settled by Pixel
    Representation when the value is read).
    """
    entry = DicomDictionary.get(tag)
    if entry is not None:
        vr = entry[0]
        return "OW" if "OW" in vr else vr[:2] if vr != "NONE" else "UN"
    if tag & 0xFFFF == 0:
        return "UL"
    group = tag >> 16
    if group % 2 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return "LO"
    if 0x6000 <= group <= 0x60FF or 0x5000 <= group <= 0x50FF:
        base = 0x60000000 if group >= 0x6000 else 0x50000000
        repeated = DicomDictionary.get(base | (tag & 0xFFFF)) or _REPEATERS.get(
            base | (tag & 0xFFFF)
        )
        return repeated[0][:2] if repeated else "UN"
    return "UN"


_REPEATERS: dict[int, tuple[str]] = {
    0x60000010: ("US",),
    0x60000011: ("US",),
    0x60000015: ("IS",),
    0x60000022: ("LO",),
    0x60000040: ("CS",),
    0x60000050: ("SS",),
    0x60000051: ("US",),
    0x60000100: ("US",),
    0x60000102: ("US",),
    0x60001500: ("LO",),
    0x60003000: ("OW",),
}
