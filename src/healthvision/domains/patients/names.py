# SPDX-License-Identifier: Apache-2.0
"""Person names as search words."""

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s^=,.\-]+")


def fold(text: str) -> str:
    """Return the text without case, width and accents, for comparing."""
    wide = unicodedata.normalize("NFKD", text)
    return "".join(c for c in wide if not unicodedata.combining(c)).casefold()


def search_words(name: str) -> str:
    """Return a name as ' word word ': folded words, each after a blank, for prefix search.

    'Wang^XiaoDong=王^小东' gives ' wang xiaodong 王 小东 '; words stay in order.
    """
    words = [w for w in _SEPARATORS.split(fold(name)) if w]
    return f" {' '.join(words)} " if words else ""
