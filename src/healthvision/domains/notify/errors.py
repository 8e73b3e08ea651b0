# SPDX-License-Identifier: Apache-2.0
"""Failures of the notify room."""

from healthvision.kernel.errors import Conflict, Invalid, NotFound


class SubscriptionNotFound(NotFound):
    """No such subscription in this organisation."""

    code, title = "subscription-not-found", "No such subscription"


class DeliveryNotFound(NotFound):
    """No such delivery in this organisation."""

    code, title = "delivery-not-found", "No such delivery"


class NotificationNotFound(NotFound):
    """No such notification for this user."""

    code, title = "notification-not-found", "No such notification"


class ChannelConfigInvalid(Invalid):
    """The channel does not accept this configuration."""

    code, title = "channel-config", "Channel configuration not valid"


class TopicUnknown(Invalid):
    """No event of this installation has this topic; ``known``: those of the same room."""

    code, title = "topic-unknown", "No such topic"


class TooManySubscriptions(Conflict):
    """The organisation has as many subscriptions as it may."""

    code, title = "too-many-subscriptions", "Too many subscriptions"


class NoSecretToRotate(Conflict):
    """The channel of this subscription has no signing secret."""

    code, title = "no-secret", "Nothing to rotate"


class DeliveryFailed(Exception):
    """A channel could not deliver; ``permanent`` means that trying again is of no use.

    The text names a status or a kind of failure, never an address, a secret or content.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
