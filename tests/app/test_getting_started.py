# SPDX-License-Identifier: Apache-2.0
"""What docs/getting-started.md tells a reader to run is so."""

import base64
import re
from pathlib import Path
from typing import Any

from healthvision.app.modules import MODULES
from healthvision.kernel.events import known_topics
from healthvision.plugins.channels.webhook import signature

PAGE = (Path(__file__).parents[2] / "docs" / "getting-started.md").read_text(encoding="utf-8")


def test_the_shown_check_of_a_signature_works() -> None:
    """The Python on the page tells a genuine webhook from a changed one."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    shown: dict[str, Any] = {}
    exec(code, shown)
    key, body = bytes(range(32)), b'{"a": 1}'
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = {
        "webhook-id": "msg-1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1,AAAA " + signature(key, "msg-1", 1_700_000_000, body),
    }
    assert shown["genuine"](secret, headers, body)
    assert not shown["genuine"](secret, headers, body + b" ")


def test_the_topics_named_there_exist() -> None:
    """A newcomer subscribes to what the page names."""
    assert MODULES
    named = set(re.findall(r"\b(?:analysis|archive)\.[a-z_]+\.v\d", PAGE))
    assert len(named) >= 3 and named <= known_topics()
