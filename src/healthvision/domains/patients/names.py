# SPDX-License-Identifier: Apache-2.0
"""Person names as search words."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata

_SEPARATORS = re.compile(r"[\s^=,.\-]+")
_IDEOGRAPHS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
# Family names that are read otherwise than the character elsewhere.
_AS_FAMILY = {
    "单": "shan",
    "曾": "zeng",
    "解": "xie",
    "仇": "qiu",
    "区": "ou",
    "查": "zha",
    "朴": "piao",
    "乐": "yue",
    "盖": "ge",
    "缪": "miao",
    "翟": "zhai",
    "覃": "qin",
    "员": "yun",
    "种": "chong",
    "折": "she",
    "尉": "yu",
    "长": "zhang",
    "繁": "po",
    "晟": "cheng",
}
MAX_IDEOGRAPHS = 16  # longer runs are no names


def fold(text: str) -> str:
    """Return the text without case, width and accents, for comparing."""
    wide = unicodedata.normalize("NFKD", text)
    return "".join(c for c in wide if not unicodedata.combining(c)).casefold()


def is_ideographic(text: str) -> bool:
    """Tell whether a text is of Chinese characters alone, no more than a name has."""
    return len(text) <= MAX_IDEOGRAPHS and _IDEOGRAPHS.fullmatch(text) is not None


def search_words(name: str) -> str:
    """Return a name as ' word word ': folded words, each after a blank, for prefix search.

    'Wang^XiaoDong=王^小东' gives ' wang xiaodong 王 小东 '; words stay in order.
    """
    words = [w for w in _SEPARATORS.split(fold(name)) if w]
    return f" {' '.join(words)} " if words else ""


def index_words(name: str) -> str:
    """Return the words under which a name is found, each after two blanks.

    Two blanks and the first character of a word make three characters, so that a trigram index
    finds words by any start of them. Besides the words of the name, Chinese names have the whole
    name and its ends, and the whole and the given name in pinyin and its initials.
    '王^小东' gives '  王  小东  王小东  东  wangxiaodong  xiaodong  wxd  xd '.
    """
    folded = fold(name)
    words = [w for w in _SEPARATORS.split(folded) if w]
    for group in folded.split("="):
        words += _chinese("".join(_IDEOGRAPHS.findall(group))[:MAX_IDEOGRAPHS])
    unique = list(dict.fromkeys(words))
    return f"  {'  '.join(unique)} " if unique else ""


def _chinese(name: str) -> Iterable[str]:
    if not name:
        return []
    found = _ends(list(name), 1)
    for read in dict.fromkeys(tuple(s) for s in _readings(name)):
        found += _ends(read, 2)
        found += _ends([syllable[0] for syllable in read], 2)
    return found


def _ends(pieces: Sequence[str], shortest: int) -> list[str]:
    """Return the whole, what follows the first piece, and other ends of some pieces or more."""
    starts = range(max(min(2, len(pieces)), len(pieces) - shortest + 1))
    return ["".join(pieces[start:]) for start in starts]


def _readings(name: str) -> list[list[str]]:
    """Return the pinyin syllables of a name: as commonly read, and with the family's reading."""
    plain = [_syllable(character) for character in name]
    common = [s for s in plain if s]
    found = [common] if common else []
    family = _AS_FAMILY.get(name[0])
    if family is not None:
        found.append([family, *(s for s in plain[1:] if s)])
    for syllables in list(found):
        if any("ü" in s for s in syllables):
            found.append([s.replace("ü", "v") for s in syllables])
    return [[fold(s) for s in syllables] for syllables in found]


def _syllable(character: str) -> str:
    """Return the first reading without its tone; 'ü' stays."""
    return _table().get(ord(character), "")


@cache
def _table() -> Mapping[int, str]:
    """Return the first reading of each character, read with the first Chinese name.

    Only this file of pypinyin is read: importing the package loads its phrases too, 58 MB.
    """
    found = next(f for f in metadata.files("pypinyin") or () if f.name == "pinyin_dict.json")
    table = json.loads(found.read_text(encoding="utf-8"))
    plain: dict[str, str] = {}  # one string for the characters that sound alike
    for readings in table.values():
        first = readings.split(",", 1)[0]
        plain.setdefault(first, _toneless(first))
    return {int(code): plain[readings.split(",", 1)[0]] for code, readings in table.items()}


def _toneless(syllable: str) -> str:
    apart = unicodedata.normalize("NFD", syllable)
    kept = "".join(c for c in apart if not unicodedata.combining(c) or c == "\u0308")
    return unicodedata.normalize("NFC", kept)
