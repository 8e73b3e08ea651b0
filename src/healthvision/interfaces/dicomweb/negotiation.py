# SPDX-License-Identifier: Apache-2.0
"""One table that decides in which form an answer goes out (PS3.18 8.7, 10.4.1).

| Resource  | Forms offered, first = when the caller takes anything                              |
|-----------|------------------------------------------------------------------------------------|
| instances | multipart application/dicom; single when it is one instance; application/zip       |
| frames    | multipart application/octet-stream; single when it is one frame; image/*           |
| bulk data | multipart application/octet-stream; single application/octet-stream                |
| metadata  | application/dicom+json (also asked as application/json)                            |
| rendered  | image/jpeg, image/png, image/gif (moving when there are many frames), video/mp4;   |
|           | documents: application/pdf, text/html                                              |

Transfer syntax: ``*`` gives what is stored; none named gives Explicit VR Little Endian for
compressed objects and what is stored for others; a UID gives that one when it is stored or in
``TARGETS``. Objects without pixels are never compressed. An image type without a transfer syntax
means its lossless one (PS3.18 table 8.7.3-5); JPEG is made with loss only when asked by its UID.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from healthvision.formats.dicom.transcoding import TARGETS
from healthvision.interfaces.dicomweb.media import MediaType, first_match, matches, parse_accept
from healthvision.kernel.errors import NotAcceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
JPEG, PNG, GIF, MP4 = "image/jpeg", "image/png", "image/gif", "video/mp4"
PDF, HTML = "application/pdf", "text/html"
ZIP = "application/zip"
MULTIPART = "multipart/related"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
ANY = "*"

# Media type of one frame as it is stored (PS3.18 table 8.7.3-5).
FRAME_MEDIA = {
    "1.2.840.10008.1.2.4.50": JPEG,
    "1.2.840.10008.1.2.4.51": JPEG,
    "1.2.840.10008.1.2.4.57": JPEG,
    "1.2.840.10008.1.2.4.70": JPEG,
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.100": "video/mpeg2",
    "1.2.840.10008.1.2.4.101": "video/mpeg2",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
    "1.2.840.10008.1.2.4.104": "video/mp4",
    "1.2.840.10008.1.2.4.105": "video/mp4",
    "1.2.840.10008.1.2.4.106": "video/mp4",
}
# What frames are coded in when an image type is named without a transfer syntax.
MADE_MEDIA = {
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
}
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
RENDERED = (JPEG, PNG, GIF, MP4)
_JSON_NAMES = (DICOM_JSON, "application/json")


@dataclass(frozen=True, slots=True)
class Form:
    """The chosen form. ``transfer_syntax``: a UID, '*' (as stored) or '' (the default)."""

    kind: str
    multipart: bool
    transfer_syntax: str = ""


def accepted_by(request: Request) -> Sequence[MediaType]:
    """Return what the caller accepts; the query parameter ``accept`` wins (PS3.18 8.3.3.1)."""
    text = request.query_params.get("accept") or request.headers.get("accept", "")
    return parse_accept(text)


def forms_for_instances(accepted: Sequence[MediaType], *, one: bool) -> list[Form]:
    """Return the forms in which whole instances may go out, best first; raises NotAcceptable."""
    forms = []
    for wanted in accepted:
        if wanted.name == ZIP:
            forms.append(Form(ZIP, False, wanted.transfer_syntax or ANY))
        elif wanted.name == DICOM:
            if one:
                forms.append(Form(DICOM, False, wanted.transfer_syntax))
        elif matches(wanted.name, MULTIPART) and wanted.part in ("", DICOM, "*/*"):
            forms.append(Form(DICOM, True, wanted.transfer_syntax))
    if not forms:
        raise NotAcceptable(_hint([f'{MULTIPART}; type="{DICOM}"', *([DICOM] if one else []), ZIP]))
    return forms


def forms_for_frames(accepted: Sequence[MediaType], *, one: bool) -> list[Form]:
    """Return the forms in which frames may go out, best first; raises NotAcceptable.

    The kind is application/octet-stream or an image type to be compared with what is stored.
    """
    forms = []
    for wanted in accepted:
        multipart = matches(wanted.name, MULTIPART)
        kind = wanted.part or OCTETS if multipart else wanted.name
        if kind == "*/*":
            kind = OCTETS
        if (multipart or one) and (kind == OCTETS or kind.startswith(("image/", "video/"))):
            forms.append(Form(kind, multipart, wanted.transfer_syntax))
    if not forms:
        raise NotAcceptable(_hint([f'{MULTIPART}; type="{OCTETS}"', *([OCTETS] if one else [])]))
    return forms


def form_of_bulk(accepted: Sequence[MediaType]) -> Form:
    """Return the form in which one bulk value goes out; raises NotAcceptable."""
    for wanted in accepted:
        if wanted.name == OCTETS:
            return Form(OCTETS, False)
        if matches(wanted.name, MULTIPART) and wanted.part in ("", OCTETS, "*/*"):
            return Form(OCTETS, True)
    raise NotAcceptable(_hint([f'{MULTIPART}; type="{OCTETS}"', OCTETS]))


def json_kind(accepted: Sequence[MediaType]) -> str:
    """Return the media type of a JSON answer, as the caller names it; raises NotAcceptable."""
    found = first_match(accepted, _JSON_NAMES)
    if found is None:
        found = DICOM_JSON if any(w.part in _JSON_NAMES for w in accepted) else None
    if found is None:
        raise NotAcceptable(_hint([DICOM_JSON]))
    return found


def rendered_kind(accepted: Sequence[MediaType]) -> str:
    """Return the kind of a picture: one of ``RENDERED``; raises NotAcceptable."""
    found = first_match(accepted, RENDERED)
    if found is None:
        raise NotAcceptable(_hint(RENDERED))
    return found


def frame_form(forms: Sequence[Form], stored_syntax: str) -> Form:
    """Return the first form in which frames of one stored transfer syntax can go out.

    octet-stream: '' or an uncompressed UID means decoded, '*' or the stored UID as stored, one of
    ``TARGETS`` coded anew; image types as stored or coded anew. Raises NotAcceptable.
    """
    for form in forms:
        if form.kind == OCTETS:
            if form.transfer_syntax in ("", ANY, EXPLICIT_LE, IMPLICIT_LE, stored_syntax):
                return form
        elif matches(form.kind, FRAME_MEDIA.get(stored_syntax, "")) and form.transfer_syntax in (
            "",
            ANY,
            stored_syntax,
        ):
            return Form(FRAME_MEDIA[stored_syntax], form.multipart, stored_syntax)
    for form in forms:  # only then is anything coded anew
        if made := _made(form):
            return Form(form.kind, form.multipart, made)
    raise NotAcceptable(
        f"the frames are stored as {stored_syntax}; ask for that transfer syntax, "
        f"'*', {EXPLICIT_LE} or one of {', '.join(sorted(MADE_MEDIA.values()))}"
    )


def _made(form: Form) -> str:
    """Return the transfer syntax in which frames of a form are coded anew, or ''."""
    if form.kind == OCTETS:
        return form.transfer_syntax if form.transfer_syntax in TARGETS - {DEFLATED} else ""
    usual = MADE_MEDIA.get(form.kind, "")
    if usual and form.transfer_syntax in ("", usual):
        return usual
    asked = form.kind == JPEG and form.transfer_syntax == JPEG_BASELINE
    return JPEG_BASELINE if asked else ""


def instance_syntax(
    form: Form, stored_syntax: str, *, compressed: bool, pixels: bool = True
) -> str:
    """Return the transfer syntax in which one stored instance goes out; raises NotAcceptable.

    ``pixels``: whether it has any; without, it is not compressed.
    """
    wanted = form.transfer_syntax
    if wanted in (ANY, stored_syntax) or (not wanted and not compressed):
        return stored_syntax
    if wanted in ("", EXPLICIT_LE):
        return EXPLICIT_LE
    if wanted in TARGETS:
        return wanted if pixels else EXPLICIT_LE
    raise NotAcceptable(
        f"an instance is stored as {stored_syntax} and is given as that, as '*' or as one of "
        + ", ".join(sorted(TARGETS))
    )


def _hint(offered: Sequence[str]) -> str:
    return "none of the accepted media types can be made; offered: " + ", ".join(offered)
