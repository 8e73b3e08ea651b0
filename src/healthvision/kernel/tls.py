# SPDX-License-Identifier: Apache-2.0
"""TLS contexts for connections of our own (DICOM, MLLP).

Profiles: 'bcp195' is TLS 1.3 or 1.2 with forward secrecy and authenticated encryption only
(BCP 195, RFC 9325; PS3.15 B.12), 'tls13' is TLS 1.3 alone.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Profile = Literal["bcp195", "tls13"]
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM files: our certificate chain and key, and the authorities we trust."""

    certificate: Path | None = None
    key: Path | None = None
    trusted: Path | None = None


def server_context(
    profile: Profile, identity: Identity, *, client_certificate: bool
) -> ssl.SSLContext:
    """Return the context of a listener; ``client_certificate``: callers must show a trusted one.

    Raises OSError, ssl.SSLError or ValueError when the files do not serve.
    """
    if identity.certificate is None or identity.key is None:
        raise ValueError("TLS needs a certificate and its key")
    if client_certificate and identity.trusted is None:
        raise ValueError("checking client certificates needs the authorities to trust")
    context = _of(ssl.PROTOCOL_TLS_SERVER, profile)
    context.load_cert_chain(identity.certificate, identity.key)
    if identity.trusted is not None:
        context.load_verify_locations(identity.trusted)
        context.verify_mode = ssl.CERT_REQUIRED if client_certificate else ssl.CERT_OPTIONAL
    return context


def client_context(profile: Profile, identity: Identity) -> ssl.SSLContext:
    """Return the context of a caller: checks chain and host name, shows our certificate if any.

    Without ``trusted`` the system's authorities count.
    """
    context = _of(ssl.PROTOCOL_TLS_CLIENT, profile)
    if identity.trusted is not None:
        context.load_verify_locations(identity.trusted)
    else:
        context.load_default_certs()
    if identity.certificate is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


def _of(protocol: int, profile: Profile) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    newest = profile == "tls13"
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context
