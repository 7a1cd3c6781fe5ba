"""The sections of `heliograph.toml` about what is sent to others: webhooks, spans, alerts, and the mail server. As in models.py."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import AfterValidator, Field, Strict, StringConstraints, ValidationInfo

from addon.config.alerts import ALLOWED_RECIPIENTS, Alert, Condition, Smtp, Tls, recipient
from addon.config.otlp import Otlp, traces_url
from addon.config.section import Section
from addon.config.values import (
    NUMBER,
    UNIT_S,
    Flag,
    HeaderName,
    HeaderValue,
    Name,
    Text,
    says,
    signing_secret,
    window_text,
)
from addon.config.webhooks import Webhook


class WebhookTable(Section):
    """
    [[webhooks]]
    url = "https://example.org/hook"
    secret = "$HOOK_SECRET"
    """

    url: Annotated[
        str,
        StringConstraints(strict=True, pattern=r"^https?://[^/\s?#]"),
        says("is not an http(s) URL; write e.g. https://example.org/hook"),
    ] = Field(description="Where finished calls are sent.")
    secret: Annotated[
        str,
        Strict(),
        MinLen(1),
        AfterValidator(signing_secret),
        says('is not a text; write e.g. "$HOOK_SECRET", an environment variable'),
    ] = Field(description="Signs each delivery; `$NAME` is that environment variable.")
    sample_rate: Annotated[float, Ge(0), Le(100), NUMBER, says("is not a percentage; write a number from 0 to 100")] = (
        Field(default=100.0, description="Percent of the calls.")
    )
    properties: dict[str, Text] = Field(default={}, description="Only calls that have all of these properties.")
    include_data: Flag = Field(
        default=True, description="Send model, provider, tokens, cost and latency beside the bodies."
    )

    def made(self) -> Webhook:
        properties = {name.lower(): value for name, value in self.properties.items()}
        return Webhook(**self.model_dump(exclude={"properties"}), properties=properties)


def _recipient(text: str, info: ValidationInfo) -> str:
    recipient(text, (info.context or {}).get("environ"))
    return text


def _endpoint(url: str) -> str:
    traces_url(url)
    return url


class AlertTable(Section):
    """
    [[alerts]]
    name = "spending"
    when = "spend"
    at_least = 20
    window = "1h"
    to = ["https://example.org/hook"]
    """

    name: Name = Field(description="A name of its own, for messages.")
    when: Condition | None = Field(
        default=None,
        description="spend: US dollars of the window. error_rate: errors per call, e.g. 0.05. latency: the 95th percentile in"
        " milliseconds. unpriced: calls without a price. budget: share of each of [[budgets]], e.g. 0.8.",
    )
    sql: Text | None = Field(
        default=None,
        description="In place of `when`: a file with a question over the view calls, relative to this file. Its column value is"
        " compared, in each row; a column subject names the row.",
    )
    at_least: Annotated[float, NUMBER, says("is not a number; write e.g. 20")] = Field(
        description="It fires from this value on, and is over below it."
    )
    window: Annotated[
        str,
        Strict(),
        AfterValidator(window_text),
        says('is not a time; write window = "1h" (s, m, h, d)'),
    ] = Field(
        default="1h", description="The calls of how long before now are looked at; a budget has a period of its own."
    )
    where: Annotated[str, Strict(), says("is not an SQL condition; write e.g. \"model like 'gpt-%'\"")] = Field(
        default="", description="Only calls that fit this SQL condition over the columns of requests; not for budget."
    )
    min_calls: Annotated[int, Strict(), Ge(1), says("is not a count; write a whole number from 1, e.g. 20")] = Field(
        default=10, description="With fewer calls in the window, error_rate and latency do not fire."
    )
    to: Annotated[
        list[Annotated[str, Strict(), AfterValidator(_recipient), says(f"is not a recipient; {ALLOWED_RECIPIENTS}")]],
        MinLen(1),
    ] = Field(
        description="Recipients: URLs (JSON), slack+https URLs, mailto: addresses; `$NAME` is that environment variable."
    )

    def made(self) -> Alert:
        return Alert(
            name=self.name,
            condition=self.when,
            sql=self.sql,
            at_least=self.at_least,
            window_s=int(self.window[:-1]) * UNIT_S[self.window[-1]],
            where=self.where,
            min_calls=self.min_calls,
            to=tuple(self.to),
        )


class OtlpTable(Section):
    """
    [otlp]
    endpoint = "https://otel.example.org"
    headers = { Authorization = "Bearer $OTLP_TOKEN" }
    """

    endpoint: Annotated[
        str,
        Strict(),
        AfterValidator(_endpoint),
        says("is not an http(s) URL; write e.g. http://127.0.0.1:4318"),
    ] = Field(description="Takes OTLP over HTTP in protobuf; `/v1/traces` is added to a URL without a path.")
    headers: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Headers; `$NAME` in a value is that environment variable, `$$` is a dollar sign."
    )
    bodies: Flag = Field(default=False, description="Send what was said, too: messages as attributes.")

    def made(self) -> Otlp:
        return Otlp(**self.model_dump())


class SmtpTable(Section):
    """
    [smtp]
    host = "mail.example.org"
    sender = "heliograph@example.org"
    user = "heliograph"
    password = "$SMTP_PASSWORD"
    """

    host: Text = Field(description="The mail server.")
    sender: Text = Field(description="The address that the mails come from.")
    port: Annotated[int, Strict(), Gt(0), Le(65535), says("is not a port; write e.g. 587")] = Field(
        default=587, description="Its port."
    )
    tls: Tls = Field(default="starttls", description="How the connection is encrypted.")
    user: Text | None = Field(default=None, description="For signing in; left out: without.")
    password: (
        Annotated[
            str,
            Strict(),
            MinLen(1),
            AfterValidator(signing_secret),
            says('is not a text; write e.g. "$SMTP_PASSWORD", an environment variable'),
        ]
        | None
    ) = Field(default=None, description="For signing in; `$NAME` is that environment variable.")

    def made(self) -> Smtp:
        return Smtp(**self.model_dump())
