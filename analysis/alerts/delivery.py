"""Sends one message to one recipient, over HTTP or SMTP. What went wrong is the answer, not an exception."""

import smtplib
import ssl
from collections.abc import Mapping

from addon.config.alerts import Recipient, Smtp
from addon.config.webhooks import secret_variable
from analysis.alerts.message import Told
from analysis.posting import TIMEOUT_S, post_json


def deliver(recipient: Recipient, message: Told, smtp: Smtp | None, environ: Mapping[str, str]) -> str | None:
    """None: it was taken. The reason never contains an address or a password."""
    if recipient.form == "mail":
        return "no [smtp] in the settings" if smtp is None else _mail(recipient.address, message, smtp, environ)
    body = message.as_slack() if recipient.form == "slack" else message.as_json()
    return post_json(recipient.address, body.encode())


def _mail(address: str, message: Told, smtp: Smtp, environ: Mapping[str, str]) -> str | None:
    password = smtp.password or ""
    if (name := secret_variable(password)) is not None:
        password = environ.get(name, "")
    try:
        with _server(smtp) as server:
            if smtp.tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            if smtp.user is not None:
                server.login(smtp.user, password)
            server.send_message(message.as_mail(smtp.sender, address))
    except smtplib.SMTPResponseException as error:
        return f"the mail server answered {error.smtp_code}"
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _server(smtp: Smtp) -> smtplib.SMTP:
    if smtp.tls == "tls":
        return smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    return smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT_S)
