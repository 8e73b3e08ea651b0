# SPDX-License-Identifier: Apache-2.0
"""The language of the command line: Chinese where the terminal is set to it, else English."""

import os

from healthvision.clinical.result import Text
from healthvision.formats.reports.words import Language

_NAMES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts (POSIX 8.2)


def language() -> Language:
    """Return 'zh' or 'en' as LC_ALL, LC_MESSAGES or LANG say."""
    chosen = next((os.environ[name] for name in _NAMES if os.environ.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


def say(text: Text) -> str:
    """Return a text in the language of the command line."""
    return text.zh if language() == "zh" else text.en


def either(zh: str, en: str) -> str:
    """Return the one of two texts that is in the language of the command line."""
    return zh if language() == "zh" else en
