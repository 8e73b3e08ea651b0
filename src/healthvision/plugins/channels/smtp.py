# SPDX-License-Identifier: Apache-2.0
"""Mail over SMTP (RFC 5321) with TLS, STARTTLS or, to allowed private servers, neither."""

import asyncio
import re
import smtplib
import socket
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.domains.notify.ports import Message, Receipt
from healthvision.domains.notify.settings import NotifySettings
from healthvision.kernel.clock import now
from healthvision.kernel.egress import (
    Checked,
    Resolver,
    check_host,
    system_resolver,
    tls_context,
)
from healthvision.kernel.schemas import Input
from healthvision.plugins.channels.egress import checked_address

_ADDRESS = re.compile(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$")


def _mail_address(value: str) -> str:
    if not _ADDRESS.match(value):
        raise ValueError("not a mail address")
    return value


MailAddress = Annotated[str, AfterValidator(_mail_address)]


class SmtpConfig(Input):
    """The mail server and who gets the mail."""

    host: Annotated[str, AfterValidator(check_host)]
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "starttls"
    username: str | None = Field(default=None, max_length=200)
    password: SecretStr | None = None
    sender: MailAddress
    recipients: list[MailAddress] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> "SmtpConfig":
        if self.password is not None and self.security == "none":
            raise ValueError("a password needs security tls or starttls")
        return self


class _Pinned(smtplib.SMTP):
    """An SMTP client that connects to a checked address and keeps the name for TLS."""

    def __init__(self, host: str, port: int, *, address: str, timeout: float) -> None:
        self._address = address
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        return socket.create_connection((self._address, port), timeout)


class _PinnedTls(_Pinned):
    """The same with TLS from the first byte (RFC 8314)."""

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        context = tls_context(NotifySettings().ca_file)
        return context.wrap_socket(plain, server_hostname=host)


def letter(message: Message, config: SmtpConfig) -> EmailMessage:
    """Return the mail; its Message-ID comes from the event, so a repeat can be seen."""
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = config.sender
    mail["To"] = ", ".join(config.recipients)
    mail["Date"] = format_datetime(now())
    domain = config.sender.rsplit("@", 1)[1]
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["X-HealthVision-Event"] = str(message.id)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text + "\n")
    return mail


class SmtpChannel:
    """Sends one mail per event to all recipients in one SMTP transaction."""

    name = "smtp"
    config: type[BaseModel] = SmtpConfig

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._resolve = resolve

    async def send(self, message: Message, config: SmtpConfig) -> Receipt:
        """Send one mail; raises DeliveryFailed."""
        settings = NotifySettings()
        checked = await checked_address(config.host, config.port, settings.allowed(), self._resolve)
        if config.security == "none" and not checked.private:
            raise DeliveryFailed("mail without TLS to a public server", permanent=True)
        try:
            mail = letter(message, config)
            refused = await asyncio.to_thread(_deliver, mail, config, checked, settings)
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(f"SMTP {error.smtp_code}") from None
        except smtplib.SMTPException as error:
            raise DeliveryFailed(f"SMTP failed: {type(error).__name__}") from None
        except OSError as error:
            raise DeliveryFailed(f"connection failed: {type(error).__name__}") from None
        taken = len(config.recipients) - refused
        return Receipt(f"accepted for {taken} of {len(config.recipients)} recipients")


def _deliver(
    mail: EmailMessage, config: SmtpConfig, checked: Checked, settings: NotifySettings
) -> int:
    """Hand the mail over; returns how many recipients the server refused (not all of them)."""
    kind = _PinnedTls if config.security == "tls" else _Pinned
    address = str(checked.address)
    with kind(config.host, config.port, address=address, timeout=settings.timeout_s) as client:
        if config.security == "starttls":
            client.starttls(context=tls_context(settings.ca_file))
        if config.username is not None and config.password is not None:
            client.login(config.username, config.password.get_secret_value())
        return len(client.send_message(mail))


CHANNEL = SmtpChannel()
