# SPDX-License-Identifier: Apache-2.0
"""Facts that identity tells."""

from dataclasses import dataclass
from typing import ClassVar

from healthvision.kernel.events import Event


@dataclass(frozen=True, slots=True)
class OrganisationCreated(Event):
    """A new organisation; the subject is its id."""

    topic: ClassVar[str] = "identity.organisation_created.v1"


@dataclass(frozen=True, slots=True)
class UserInvited(Event):
    """A person was invited into the organisation; the subject is the user id."""

    topic: ClassVar[str] = "identity.user_invited.v1"


@dataclass(frozen=True, slots=True)
class UserDisabled(Event):
    """A person may no longer act in the organisation; the subject is the user id."""

    topic: ClassVar[str] = "identity.user_disabled.v1"


@dataclass(frozen=True, slots=True)
class AccountLocked(Event):
    """An account was locked after failed sign-ins; the subject is the user id."""

    topic: ClassVar[str] = "identity.account_locked.v1"
