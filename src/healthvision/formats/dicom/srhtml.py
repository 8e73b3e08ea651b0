# SPDX-License-Identifier: Apache-2.0
"""A structured report as a plain list for people (PS3.3 C.17.3); every value is escaped."""

from html import escape
from typing import Any

Json = dict[str, Any]
MAX_DEPTH = 32

_PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><title>{title}</title>'
    "<style>body{{font:14px sans-serif;max-width:60em;margin:2em}}"
    "b{{font-weight:600}}small{{color:#666}}</style></head>"
    "<body><h1>{title}</h1><p><small>{about}</small></p>{body}</body></html>"
)


def to_html(json: Json) -> str:
    """Return a report's DICOM JSON as one HTML page: its title, its state and its content tree."""
    title = _meaning(json, "0040A043") or "Structured report"
    states = (_first(json, "0040A491"), _first(json, "0040A493"), _first(json, "00080023"))
    about = ", ".join(str(s) for s in states if s)
    body = _items(json, 0)
    return _PAGE.format(title=escape(title), about=escape(about), body=body)


def _items(holder: Json, depth: int) -> str:
    items = holder.get("0040A730", {}).get("Value", [])
    if not items or depth > MAX_DEPTH:
        return ""
    return "<ul>" + "".join(f"<li>{_item(item, depth)}</li>" for item in items) + "</ul>"


def _item(item: Json, depth: int) -> str:
    name = _meaning(item, "0040A043")
    value = escape(_value(item))
    label = f"<b>{escape(name)}</b>" if name else ""
    return f"{label}{': ' if label and value else ''}{value}{_items(item, depth + 1)}"


def _value(item: Json) -> str:
    kind = _first(item, "0040A040") or ""
    if kind == "CODE":
        return _meaning(item, "0040A168")
    if kind == "NUM":
        return _number(item)
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        found = _inside(item, "00081199")
        return f"{kind.lower()} {_first(found, '00081155') or ''}".strip()
    if kind in ("SCOORD", "SCOORD3D"):
        count = len(item.get("00700022", {}).get("Value", []))
        return f"{str(_first(item, '00700023') or kind).lower()}, {count} numbers"
    for tag in ("0040A160", "0040A123", "0040A121", "0040A122", "0040A120", "0040A124"):
        found = _first(item, tag)
        if found not in (None, ""):
            return _plain(found)
    return ""


def _number(item: Json) -> str:
    measured = _inside(item, "0040A300")
    value, unit = _first(measured, "0040A30A"), _inside(measured, "004008EA")
    if value is None:
        return _meaning(item, "0040A301") or "no value"
    return f"{value} {_first(unit, '00080100') or ''}".strip()


def _meaning(holder: Json, tag: str) -> str:
    return str(_first(_inside(holder, tag), "00080104") or "")


def _inside(holder: Json, tag: str) -> Json:
    found = _first(holder, tag)
    return found if isinstance(found, dict) else {}


def _first(holder: Json, tag: str) -> Any:
    values = holder.get(tag, {}).get("Value") or [None]
    return values[0]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("Alphabetic") or next(iter(value.values()), "")).replace("^", " ")
    return str(value)
