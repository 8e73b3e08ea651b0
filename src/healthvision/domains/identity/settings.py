# SPDX-License-Identifier: Apache-2.0
"""Settings of identity."""

from typing import Literal

from pydantic import Field

from healthvision.kernel.settings import RoomSettings


class IdentitySettings(RoomSettings, room="identity"):
    """Tokens, passwords and lock-out (prefix ``HV_IDENTITY_``)."""

    signing_algorithm: Literal["EdDSA", "RS256"] = Field(
        default="EdDSA",
        description="Algorithm of new tokens; RS256 for gateways that do not know EdDSA.",
    )
    key_rotation_days: int = Field(
        default=90, ge=1, description="Age at which a signing key is replaced by itself."
    )
    audience: str = Field(default="healthvision", description="The 'aud' of access tokens.")
    access_token_s: int = Field(
        default=900, ge=60, le=86400, description="Life of an access token in seconds."
    )
    refresh_token_days: int = Field(
        default=30, ge=1, description="Life of a refresh token family that is not used, in days."
    )
    code_s: int = Field(default=60, ge=10, le=600, description="Life of an authorization code.")
    device_code_s: int = Field(default=600, ge=60, le=3600, description="Life of a device code.")
    device_interval_s: int = Field(default=5, ge=1, description="Least seconds between polls.")
    invite_days: int = Field(default=7, ge=1, description="Life of an invitation.")
    reset_minutes: int = Field(default=60, ge=5, description="Life of a password reset.")
    password_grant: bool = Field(
        default=False, description="Allow the OAuth password grant (tests and old clients only)."
    )
    password_min_length: int = Field(default=12, ge=8, description="Shortest password accepted.")
    lockout_failures: int = Field(
        default=5, ge=1, description="Failed sign-ins in a row before the account is locked."
    )
    lockout_s: int = Field(
        default=60, ge=1, description="First lock in seconds; doubles with each further failure."
    )
    lockout_max_s: int = Field(default=3600, ge=1, description="Longest lock in seconds.")
    cache_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="Seconds for which an account's state is remembered in a process: a disabled "
        "account or revoked key still works that long in other processes.",
    )
    session_idle_minutes: int = Field(
        default=20,
        ge=1,
        le=1440,
        description="Minutes without the person's doing after which the web interface signs out.",
    )
    session_hours: int = Field(
        default=12, ge=1, le=168, description="Longest life of a session of the web interface."
    )
    argon2_memory_kib: int = Field(default=65536, ge=8192, description="argon2id memory in KiB.")
    argon2_time: int = Field(default=3, ge=1, description="argon2id passes.")
    clock_leeway_s: int = Field(
        default=30, ge=0, le=300, description="Clock difference accepted in 'iat' and 'nbf'."
    )
