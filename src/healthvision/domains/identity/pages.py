# SPDX-License-Identifier: Apache-2.0
"""The server's own sign-in and consent pages, zh and en; no script, everything escaped."""

import base64
import hashlib
import hmac
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from jinja2 import DictLoader, Environment, StrictUndefined

from healthvision.kernel import strictjson
from healthvision.kernel.clock import now
from healthvision.kernel.errors import Problem

LOGIN_TICKET_S = 300
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;background:#f0f2f5;margin:0}"
    "main{max-width:24rem;margin:8vh auto;background:#fff;padding:2rem;border-radius:8px}"
    "h1{font-size:1.25rem}label{display:block;margin:.75rem 0}"
    "input,select{width:100%;box-sizing:border-box;padding:.5rem;font:inherit}"
    "button{padding:.5rem 1rem;font:inherit;margin:.5rem .5rem 0 0}"
    ".bad{color:#a8071a}ul{padding-left:1.25rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE = """<!doctype html>
<html lang="{{ 'zh-CN' if zh else 'en' }}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ title }} · HealthVision</title><style>{{ style|safe }}</style></head>
<body><main><h1>{{ title }}</h1>
{% if error %}<p class="bad" role="alert">{{ error }}</p>{% endif %}
{% if text %}<p>{{ text }}</p>{% endif %}
{% if form %}<form method="post" action="{{ action }}" autocomplete="on">
{% for name, value in hidden.items() %}
<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}
{% if rights is not none %}
<p>{{ '该应用将获得以下权限：' if zh else 'The application asks for:' }}</p>
<ul>{% for right in rights %}<li>{{ right }}</li>{% else %}
<li>{{ '您拥有的全部权限' if zh else 'everything that you may do' }}</li>
{% endfor %}</ul>{% endif %}
{% if ask_code %}
<label>{{ '设备代码' if zh else 'Code on the device' }}
<input name="user_code" value="{{ user_code }}" required maxlength="20" autocomplete="off"></label>
{% endif %}
{% if places %}<label>{{ '组织机构' if zh else 'Organisation' }}
<select name="org" required>
{% for place in places %}<option value="{{ place[0] }}">{{ place[1] }}</option>{% endfor %}
</select></label>{% else %}
<label>{{ '邮箱' if zh else 'Mail address' }}
<input name="username" type="email" required maxlength="254" autocomplete="username"></label>
<label>{{ '密码' if zh else 'Password' }}
<input name="password" type="password" required maxlength="256"
 autocomplete="current-password"></label>{% endif %}
<button name="decision" value="allow">{{ '登录并允许' if zh else 'Sign in and allow' }}</button>
<button name="decision" value="deny" formnovalidate>{{ '拒绝' if zh else 'Refuse' }}</button>
</form>{% endif %}</main></body></html>"""
_ENVIRONMENT = Environment(
    loader=DictLoader({"page": _PAGE}), autoescape=True, undefined=StrictUndefined
)


@dataclass(frozen=True, slots=True)
class Page:
    """What one page shows; ``rights`` None hides the list, an empty one means all rights."""

    title: str
    zh: bool
    text: str = ""
    error: str = ""
    form: bool = False
    action: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    rights: Sequence[str] | None = None
    ask_code: bool = False
    user_code: str = ""
    places: Sequence[tuple[str, str]] = ()  # organisation id and title


def render(page: Page) -> str:
    """Return the HTML."""
    values = {name: getattr(page, name) for name in Page.__slots__}
    return _ENVIRONMENT.get_template("page").render(**values, style=_STYLE)


def headers(redirect_uri: str | None = None) -> dict[str, str]:
    """Return the security headers of a page whose form may redirect to one client."""
    target = ""
    if redirect_uri is not None:
        parts = urlsplit(redirect_uri)
        target = f" {parts.scheme}://{parts.netloc}"
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        f"form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def seal(key: bytes, purpose: str, values: Mapping[str, str], life_s: int) -> str:
    """Return values as a signed text that holds for a while (CSRF token, login ticket)."""
    until = int(now().timestamp()) + life_s
    body = strictjson.dumps({**values, "until": until, "for": purpose}).encode()
    mark = hmac.new(key, body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mark + body).decode()


def unseal(key: bytes, purpose: str, text: str) -> dict[str, Any] | None:
    """Return sealed values, or None when the text was changed, is too old or for another use."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
        mark, body = raw[:32], raw[32:]
        if not hmac.compare_digest(mark, hmac.new(key, body, hashlib.sha256).digest()):
            return None
        values: dict[str, Any] = strictjson.loads(body)
    except (Base64Error, ValueError, Problem):
        return None
    fresh = values.pop("until") > now().timestamp()
    return values if fresh and values.pop("for") == purpose else None
