# SPDX-License-Identifier: Apache-2.0
"""Pieces of a search value by which an index finds the candidates of a match.

A phrase has at least three characters and occurs in the indexed text of every match; the exact
condition is still asked, so a phrase may find too much but never too little.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_
from sqlalchemy.sql.elements import ColumnElement

from healthvision.domains.patients.service import fold, is_ideographic, search_words

_WILD = re.compile(r"[*?]")
_SEPARATORS = re.compile(r"[\s^=,.\-]+")
_SHORTEST = 3
_QUOTE = '"'
HIGHEST = "\U0010ffff"


def name_phrases(value: str, *, every_word: bool) -> list[str]:
    """Return phrases over ``index_words``: two blanks before what must begin a word.

    ``every_word``: each word of the value begins a word (fuzzy matching). Any part of a Chinese
    name begins a word, since all ends of it are words.
    """
    if every_word:
        return [f"  {w}" for w in search_words(_WILD.sub(" ", value)).split()]
    found = []
    for number, piece in enumerate(_WILD.split(value)):
        for place, word in enumerate(_SEPARATORS.split(fold(piece))):
            begins = place > 0 or number == 0 or is_ideographic(word)
            if word and (begins or len(word) >= _SHORTEST):
                found.append(f"  {word}" if begins else word)
    return found


def text_phrases(value: str) -> list[str]:
    """Return the literal pieces of a pattern that are long enough, in lower case."""
    pieces = (p for piece in _WILD.split(value.lower()) for p in piece.split("^"))
    return [p for p in pieces if len(p) >= _SHORTEST]


def fts_query(phrases: Sequence[tuple[str, str]]) -> str:
    """Return the FTS5 query that wants all phrases, each in its column."""
    return " AND ".join(
        f'{column} : "{phrase.replace(_QUOTE, _QUOTE * 2)}"' for column, phrase in phrases
    )


def prefix_range(column: Any, value: str) -> ColumnElement[bool] | None:
    """Return the range of texts that begin as ``value`` does; None unless it is 'text*'."""
    start = value.rstrip("*")
    if not start or len(start) == len(value) or _WILD.search(start):
        return None
    return and_(column >= start, column < start + HIGHEST)
