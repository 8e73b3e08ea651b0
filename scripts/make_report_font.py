# SPDX-License-Identifier: Apache-2.0
"""Make the font of the PDF report: Latin and symbols of DejaVu Sans Condensed, Chinese of Droid.

Droid Sans Fallback has no Latin letters, so both are merged into one TrueType file: DejaVu for
Latin, Greek and symbols; Droid for GB2312, full-width punctuation and characters that are common
in personal names. The glyphs are not changed, only chosen and scaled to one grid. Needs fontTools
and the Debian packages fonts-droid-fallback and fonts-dejavu-extra:

    python scripts/make_report_font.py --out src/healthvision/formats/reports/fonts
"""

import argparse
import tempfile
from pathlib import Path

from fontTools import merge, subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

FONTS = Path("/usr/share/fonts/truetype")
LATIN = FONTS / "dejavu" / "DejaVuSansCondensed.ttf"
BOLD = FONTS / "dejavu" / "DejaVuSansCondensed-Bold.ttf"
CHINESE = FONTS / "droid" / "DroidSansFallbackFull.ttf"
UNITS_PER_EM = 1024
FIXED_DATE = 3_700_000_000  # seconds since 1904: equal input gives equal bytes

LATIN_RANGES = ((0x20, 0x17F), (0x384, 0x3CE), (0x2010, 0x2027), (0x2030, 0x203A), (0x2070, 0x209C))
SYMBOLS = "€℃℉№™←↑→↓↔−∞∑√≈≠≤≥∆∅■□▪▫▲△▼▽◆◇○●★☆✓✔✕✗✘⚠"
# Characters of personal names beyond GB2312 (those that are in it do no harm here).
NAMES = (
    "喆堃玥珺昇瑄燊祎赟頔翀旻旸昉晟琰璟瑶淼垚犇骉淏湉濛滢曈煊烨熠甯祺禛翊芃芊菡蓁蘅裔诩谌轶郗郦鋆镕闫"
    "陟霈靓颀颢飏骁鸢弢邨囍仝冇佲俪僖兪凃劼勍匀卉厍吒呣咏哃喦嘏嘢囡圳坵埜堉堯墉夆奀妘姈姍姵娣婳媖嫚孖孞"
    "宓尧屾岀岚峂崐嵘巍帀幵庹廸弨彣彧忞恺悫慜戬扆抃拊捷揆斓昀昫昱昺晅晗晙晞晴暄暐暟杲枟柟栐栢桢梽棪椤"
    "楒槐樑歆毓沄沕泃泠洺浛浠涵淇渟湜溍溦滘漪潆潞澍澔濙瀚炜炣炤烜焜焯煐煜熇燚玘玙玚玟珅珈珏珣琀琇琛琤"
    "琨瑭璐璘瓅甡畑畯皓皞睿瞾祐禤秾稑竑笪筠箐篪粲絪綦縠羿翃翛翥芮苡茜荃莙菁萱蔚蕤薏藁衎袆褀詝諲譞豳贇"
    "赪趯跞軏迺逄逯遹邈郜鄯酆鈊鈺鉌銤錡鍳閒阏陞雫霂靖韡頠顗飖饶駃騄骢鬯魭鸑麴黉鼐龑"
)


def latin_codepoints() -> set[int]:
    """Return Latin-1, Latin Extended-A, Greek, dashes, super- and subscripts, and symbols."""
    ranged = {code for low, high in LATIN_RANGES for code in range(low, high + 1)}
    return ranged | {ord(char) for char in SYMBOLS}


def chinese_codepoints() -> set[int]:
    """Return every character of GB2312 and the full-width forms."""
    found = {ord(char) for char in NAMES}
    found |= set(range(0x3000, 0x3020)) | set(range(0xFF01, 0xFF5F)) | set(range(0x2460, 0x2474))
    for high in range(0xA1, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                found.add(ord(bytes((high, low)).decode("gb2312")))
            except UnicodeDecodeError:
                continue
    return found


def cut(source: Path, codepoints: set[int], target: Path) -> None:
    """Write the glyphs of ``codepoints`` to ``target``, without hints and layout tables."""
    options = subset.Options()
    options.hinting = False
    options.layout_features = []
    options.name_IDs = [1, 2, 4, 6]
    options.drop_tables += ["GPOS", "GSUB", "GDEF", "vhea", "vmtx", "gasp", "kern", "FFTM"]
    options.notdef_outline = True
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codepoints)
    subsetter.subset(font)
    scale_upem(font, UNITS_PER_EM)
    subset.save_font(font, str(target), options)


def finish(font: TTFont, name: str, target: Path) -> None:
    """Give the font its own name and a fixed date, and save it."""
    family = name.replace("-", " ")
    for number, text in ((1, family), (2, "Regular"), (4, family), (6, name)):
        font["name"].setName(text, number, 3, 1, 0x409)
        font["name"].setName(text, number, 1, 0, 0)
    font["head"].created = font["head"].modified = FIXED_DATE
    font.recalcTimestamp = False
    font.save(str(target))


def main() -> None:
    """Write the regular (Latin + Chinese) and the bold (Latin only) font."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    latin, chinese = latin_codepoints(), chinese_codepoints()
    has_latin = set(TTFont(str(LATIN)).getBestCmap())
    with tempfile.TemporaryDirectory() as scratch:
        parts = [Path(scratch, "latin.ttf"), Path(scratch, "chinese.ttf")]
        cut(LATIN, latin & has_latin, parts[0])
        cut(CHINESE, chinese - (latin & has_latin), parts[1])
        merged = merge.Merger().merge([str(part) for part in parts])
        finish(merged, "HealthVisionReport-Regular", folder / "HealthVisionReport-Regular.ttf")
        bold = Path(scratch, "bold.ttf")
        cut(BOLD, latin & has_latin, bold)
        finish(TTFont(str(bold)), "HealthVisionReport-Bold", folder / "HealthVisionReport-Bold.ttf")
    for path in sorted(folder.glob("*.ttf")):
        print(
            path.name, path.stat().st_size, "bytes", len(TTFont(str(path)).getBestCmap()), "chars"
        )


if __name__ == "__main__":
    main()
