# SPDX-License-Identifier: Apache-2.0
"""The DICOM Conformance Statement (PS3.2), made by asking the code what it does.

Each table is the answer of the function that decides at run time: presentation contexts are
proposed to ``agree``, search keys to ``archive.searchable``, DICOMweb resources are read from the
OpenAPI document. So the statement cannot promise what the software does not do.
"""

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydicom._dicom_dict import DicomDictionary
from pydicom._uid_dict import UID_dictionary
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_description
from pydicom.uid import (
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    SecondaryCaptureImageStorage,
)

from healthvision import __version__
from healthvision.domains.archive import service as archive
from healthvision.domains.archive.correcting.corrections_rejecting import READABLE
from healthvision.domains.archive.correcting.rejection_notes import TITLES
from healthvision.domains.archive.records.rows import KEY_OBJECTS
from healthvision.domains.archive.schemas import SearchLevel
from healthvision.domains.archive.settings import ArchiveSettings
from healthvision.domains.spaces.schemas import Operation
from healthvision.formats.dicom import binary_seg, dimse
from healthvision.formats.dicom.association import OWN_MAX_PDU
from healthvision.formats.dicom.transcoding import TARGETS
from healthvision.formats.dicom.ul import Proposed, Role
from healthvision.formats.dicom.writer import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from healthvision.interfaces.dicomweb.capabilities import operations as web_operations
from healthvision.interfaces.dimse import negotiation, statuses
from healthvision.interfaces.dimse.finding import UNIQUE_KEYS
from healthvision.interfaces.dimse.settings import DimseSettings

_LEVELS: tuple[tuple[str, SearchLevel], ...] = (
    ("STUDY", "study"),
    ("SERIES", "series"),
    ("IMAGE", "instance"),
)
_PERMITS: dict[Operation, str] = {
    "store": "C-STORE of the classes of section 4.",
    "find": "Queries in the information models below.",
    "get": "Retrieval over the same association, of the classes of section 4.",
    "move": "Retrieval to another remote AE that may `receive`.",
    "receive": "We call this AE: C-STORE as SCU of stored objects, in the syntax they are stored"
    " in or, where the peer does not take it, uncompressed.",
}
_TOLD_TIMERS = (
    ("request_s", "to ask for an association, TLS handshake included"),
    ("unit_s", "of silence within a message"),
    ("idle_s", "of silence between messages"),
    ("total_s", "life of an association"),
    ("connect_s", "to reach a destination"),
)
_MADE = (
    (binary_seg.LABELMAP_CLASS, "regions of an AI result, kept in the archive"),
    (binary_seg.BINARY_CLASS, "the same regions for peers that know no label maps"),
    (str(Comprehensive3DSRStorage), "measurements and findings of an AI result, TID 1500"),
    (str(EncapsulatedPDFStorage), "the report of a result"),
    (str(SecondaryCaptureImageStorage), "key images; pictures brought in as JPEG, PNG or TIFF"),
)


def _name(uid: str) -> str:
    known = negotiation.STORAGE.get(uid) or negotiation.SYNTAXES.get(uid)
    return known or (str(UID_dictionary[uid][0]) if uid in UID_dictionary else uid)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def accepted(operation: Operation, *, gets: bool = False) -> dict[str, list[str]]:
    """Return SOP class -> transfer syntaxes that a caller allowed only ``operation`` gets.

    Every registered SOP class is proposed with every transfer syntax, one at a time;
    ``gets``: with the SCP role selected, as for the sub-operations of C-GET.
    """
    found: dict[str, list[str]] = {}
    classes = [uid for uid, entry in UID_dictionary.items() if "SOP Class" in entry[1]]
    for abstract in dict.fromkeys([*classes, *negotiation.STORAGE]):
        roles = [Role(abstract, scu=False, scp=True)] if gets else []
        taken = []
        for syntax in sorted(negotiation.SYNTAXES):
            proposed = Proposed(1, abstract, (syntax,))
            if negotiation.agree([proposed], roles, [operation]).contexts:
                taken.append(syntax)
        if taken:
            found[abstract] = taken
    return found


def search_keys(level: SearchLevel) -> list[str]:
    """Return the keywords of the standard that can be matched at a level."""
    words = {str(entry[4]) for entry in DicomDictionary.values() if entry[4]}
    return sorted(w for w in words if archive.searchable(level, w))


def _overview() -> list[str]:
    return [
        "# DICOM Conformance Statement",
        "",
        f"HealthVision {__version__}. Made from the code by `healthvision reference`; do not edit.",
        "",
        "HealthVision is an image archive and analysis platform. It stores, finds and returns",
        "objects by DIMSE and DICOMweb, and writes AI results as DICOM objects. Those results are",
        "decision support, not verified by a physician until one has done so.",
        "",
        "## 1. Implementation",
        "",
        f"- Implementation Class UID: `{IMPLEMENTATION_UID}`",
        f"- Implementation Version Name: `{IMPLEMENTATION_NAME}`",
        f"- Largest PDU we offer to receive: {OWN_MAX_PDU:,} bytes",
        "- Asynchronous operations window: not negotiated (one operation at a time)",
        "- User identity negotiation: not used; peers are known by AE title, address and, with",
        "  TLS, certificate",
        "- Called AE titles belong to data spaces (`/v1/called-aes`); an unknown one is rejected.",
        "- Calling AE titles, their addresses and what they may do are listed under",
        "  `/v1/remote-aes`; what is not allowed there is rejected.",
        "",
    ]


def _timers() -> list[str]:
    settings = DimseSettings()
    rows = [
        (f"`HV_DIMSE_{name.upper()}`", f"{getattr(settings, name):g} s", told)
        for name, told in _TOLD_TIMERS
    ]
    crowd = [
        ("`HV_DIMSE_MAX_ASSOCIATIONS`", str(settings.max_associations), "associations at once"),
        ("`HV_DIMSE_MAX_PER_HOST`", str(settings.max_per_host), "of them from one address"),
        ("`HV_DIMSE_MAX_WAITING`", str(settings.max_waiting), "connections without association"),
    ]
    return [
        "## 2. Association policies",
        "",
        *_table(("Setting", "Default", "Limit"), [*rows, *crowd]),
    ]


def _services() -> list[str]:
    lines = ["## 3. Services as SCP", ""]
    lines += [
        "What a remote AE may do is set per AE. Verification (C-ECHO) is always answered.",
        "",
    ]
    for operation in get_args(Operation):
        taken = accepted(operation)
        others = {
            a: s
            for a, s in taken.items()
            if a not in negotiation.STORAGE and a != dimse.VERIFICATION
        }
        lines += [f"### Allowed to `{operation}`", "", _PERMITS[operation], ""]
        rows = [(_name(a), f"`{a}`", _syntaxes(s)) for a, s in sorted(others.items())]
        lines += _table(("SOP class", "UID", "Transfer syntaxes"), rows) if rows else []
    return lines


def _syntaxes(found: Sequence[str]) -> str:
    if len(found) == len(negotiation.SYNTAXES):
        return "all of table 4.2"
    return ", ".join(_name(s) for s in found)


def _storage() -> list[str]:
    stored = {a: s for a, s in accepted("store").items() if a in negotiation.STORAGE}
    got = {a: s for a, s in accepted("get", gets=True).items() if a in negotiation.STORAGE}
    both = sorted(stored.keys() | got.keys(), key=lambda uid: (_name(uid), uid))
    rows = [
        (_name(a), f"`{a}`", "yes" if a in stored else "no", "yes" if a in got else "no")
        for a in both
    ]
    return [
        "## 4. Storage",
        "",
        "Level 2 (full): every attribute, private ones too, is kept; objects come back byte for",
        "byte unless another transfer syntax is negotiated. An object is acknowledged after its",
        "bytes are durable; its entry in the database follows within moments, and before any other",
        "request or the release of the same association is answered. On another association or by",
        "DICOMweb it may be found a little later (`HV_DIMSE_UNWRITTEN_OBJECTS=0`: never later than",
        "its answer). Storage commitment confirms only objects that can be found. While entries",
        "cannot be written, storing is refused with A700H. An object that came before with the",
        "same bytes is acknowledged and kept once; with other bytes both are kept and the conflict",
        "is reported.",
        "",
        "### 4.1 SOP classes",
        "",
        *_table(("SOP class", "UID", "C-STORE to us", "C-GET from us"), rows),
        "Private storage classes: those listed in `HV_DIMSE_PRIVATE_CLASSES`.",
        "",
        "### 4.2 Transfer syntaxes taken by C-STORE",
        "",
        *_table(
            ("Transfer syntax", "UID"), [(_name(s), f"`{s}`") for s in sorted(negotiation.SYNTAXES)]
        ),
    ]


def _statuses() -> list[str]:
    rows = [(f"{code:04X}H", told) for code, told in sorted(statuses.TOLD.items())]
    return ["## 5. Statuses we answer", "", *_table(("Status", "Meaning"), rows)]


def _query() -> list[str]:
    lines = ["## 6. Query keys (C-FIND and QIDO-RS)", ""]
    lines += [
        "Matching: single value, universal, wildcard, range, list of UIDs, sequence; person names",
        "whatever their case and by component group. Relational queries are answered. A key that",
        "is not matched is returned where it is known and makes the pending status FF01H.",
        "",
    ]
    lines += _table(
        ("Level", "Unique keys"),
        [(lv, ", ".join(dictionary_description(int(t, 16)) for t in UNIQUE_KEYS[lv]))
         for lv in ("PATIENT", "STUDY", "SERIES", "IMAGE")],
    )  # fmt: skip
    for told, level in _LEVELS:
        keys = search_keys(level)
        lines += [f"### {told} ({len(keys)} keys)", "", ", ".join(keys), ""]
    return lines


def _web(document: dict[str, Any]) -> list[str]:
    rows = []
    for operation in web_operations(document):
        media = ", ".join(operation.media) or "-"
        rows.append((operation.method, f"`{operation.path}`", media))
    targets = [(_name(uid), f"`{uid}`") for uid in sorted(TARGETS)]
    return [
        "## 7. DICOMweb",
        "",
        "The root is `/dicomweb/{space}`; `OPTIONS` on it returns the same list as WADL or JSON.",
        "",
        *_table(("Method", "Resource", "Media types of a success"), rows),
        "### 7.1 Transfer syntaxes made on request",
        "",
        *_table(("Transfer syntax", "UID"), targets),
    ]


def _made() -> list[str]:
    rows = [(_name(uid), f"`{uid}`", told) for uid, told in _MADE]
    return [
        "## 8. Objects we create",
        "",
        "All carry references to the images they were made from and, where these have one, their",
        "Frame of Reference; SOP Instance UIDs follow from the task, so a repeated task writes",
        "the same objects.",
        "",
        *_table(("SOP class", "UID", "What for"), rows),
    ]


def _texts() -> list[str]:
    terms = sorted(t for t in python_encoding if t)
    return [
        "## 9. Character sets",
        "",
        "Read, also as code extensions: " + ", ".join(terms) + ".",
        "DICOM JSON is UTF-8; what we create and C-FIND answers are ISO_IR 192.",
        "",
        "## 10. Security",
        "",
        "- `HV_DIMSE_TLS=bcp195`: TLS 1.2 or 1.3 with forward secrecy and authenticated",
        "  encryption only (PS3.15 B.12); `tls13`: TLS 1.3 alone; client certificates with",
        "  `HV_DIMSE_TLS_CLIENT_CERT`.",
        "- DICOMweb: OAuth 2.0 bearer tokens or API keys behind TLS 1.3.",
        "- Every association's operations and every read over DICOMweb are in the audit log.",
        "",
    ]


def _rejections() -> list[str]:
    settings = ArchiveSettings.model_fields["iocm"]
    rows = [
        (f"({title}, DCM)", code, "by right, one by one" if code in READABLE else "nobody")
        for code, title in TITLES.items()
    ]
    return [
        "## 11. Rejection notes (IHE RAD IOCM, RAD-66 as Image Manager)",
        "",
        f"A stored {_name(KEY_OBJECTS)} (`{KEY_OBJECTS}`) with one",
        "of these titles (CID 7011) asks that the objects of its study that it names in Current",
        "Requested Procedure Evidence Sequence are not used any more. Rejected objects are in no",
        "query, retrieval, analysis or export until a person takes the rejection back; the note",
        "itself stays. Objects of other studies are left alone, whatever the note names.",
        "",
        *_table(("Title", "Our code", "Who gets the original"), rows),
        f"`HV_ARCHIVE_IOCM` (default `{settings.default}`): `apply` follows a note at once, `hold`",
        "keeps it for a person who may correct. Notes are not sent: our own rejections and",
        "Instance Availability Notifications do not go out.",
        "",
    ]


def page(document: dict[str, Any]) -> str:
    """Return the statement as Markdown; ``document``: the OpenAPI document of this version."""
    parts = (
        _overview(),
        _timers(),
        _services(),
        _storage(),
        _statuses(),
        _query(),
        _web(document),
        _made(),
        _texts(),
        _rejections(),
    )
    return "\n".join(line for part in parts for line in part)
