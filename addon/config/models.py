"""What `heliograph.toml` may contain: one pydantic model a section. Imported only where there is a file to read.

The kinds of values are in `addon/config/values.py`. To walk the models (docs/settings.md is generated so): `File.model_fields` are the sections. Each `FieldInfo` has `.annotation`
(a model, `list[model]`, `dict[str, model]` or a value), `.description`, `.is_required()`, `.get_default()`, and `.alias`
where the key is not the field's name; a model's docstring is an example in TOML. The models only check; `made()` turns
one into the frozen type that the rest of the code knows. What no single field can tell (a name that is used twice, one
key of two) is in `addon/config/read.py`.
"""

from decimal import Decimal
from typing import Annotated, Any, Final

from annotated_types import Gt, Le, MinLen
from pydantic import AfterValidator, Field, Strict

from addon.config.capacity_models import MemoryTable, OverloadTable
from addon.config.iceberg_table import IcebergTable
from addon.config.keys import Key, Role
from addon.config.outgoing_models import AlertTable, OtlpTable, SmtpTable, WebhookTable
from addon.config.redaction_models import RedactTable
from addon.config.retention_table import RetentionTable
from addon.config.section import Section
from addon.config.shared_table import SharedTable
from addon.config.shipping_table import LakeUrl, ShippingTable
from addon.config.spark_table import SparkTable
from addon.config.upstreams import Origin, parse_origin
from addon.config.values import (
    NUMBER,
    UNIT_S,
    Bytes,
    Code,
    Day,
    Flag,
    HeaderName,
    HeaderValue,
    HostName,
    Name,
    PageOrigin,
    Per,
    Price,
    Provider,
    RowsProvider,
    Seconds,
    Text,
    Url,
    as_json,
    body_members,
    key_hash,
    says,
    window_text,
)
from addon.limits.policy import Policy, Unit, checked_quota, checked_window
from addon.limits.rules import PROPERTY, Budget, Limit, Match, Period
from addon.metering.overrides import PriceOverride
from addon.sending.fallbacks import USUAL_CODES, Fallback, FallbackRule, parse_members, parse_target
from addon.sending.timeouts import HEAD_S, Timeouts

_TIMEOUTS: Final = Timeouts()


class TimeoutsTable(Section):
    """
    [timeouts]
    first_byte_s = 600
    """

    connect_s: Seconds = Field(
        default=_TIMEOUTS.connect_s, description="Seconds until a connection to the provider stands."
    )
    first_byte_s: Seconds = Field(
        default=_TIMEOUTS.first_byte_s, description="Seconds until the first byte of the answer."
    )
    idle_s: Seconds = Field(default=_TIMEOUTS.idle_s, description="Seconds between two pieces of an answer.")
    total_s: Seconds = Field(default=_TIMEOUTS.total_s, description="Seconds for the whole call.")
    head_s: Seconds = Field(
        default=HEAD_S, description="Seconds for begun headers or a TLS handshake, and for each 16 KiB of a body."
    )

    def made(self) -> Timeouts:
        return Timeouts(self.connect_s, self.first_byte_s, self.idle_s, self.total_s)


class TargetsTable(Section):
    """
    [targets]
    allow = ["https://llm.example.org"]
    """

    allow: list[Url] = Field(
        default=[], description="More origins that a caller's header may name as the target of a call."
    )

    def made(self) -> frozenset[Origin]:
        return frozenset(parse_origin(url) for url in self.allow)


class BrowserTable(Section):
    """
    [browser]
    allow_origins = ["https://app.example.org"]
    """

    allow_origins: list[PageOrigin] = Field(
        default=[], description="Origins of pages and apps that may send requests to this proxy; all others get a 403."
    )


class HostsTable(Section):
    """
    [hosts]
    allow = ["llm.example.org"]
    """

    allow: list[HostName] = Field(
        default=[],
        description="Names of this proxy, beside loopback names and Helicone's, each with all names below it.",
    )


class CaptureTable(Section):
    """
    [capture]
    max_body_bytes = 16777216
    """

    max_body_bytes: Bytes = Field(
        default=16 * 2**20, description="How much of each body is stored; bodies of any size pass."
    )
    client_process: Flag = Field(
        default=True, description="Store command, folder and git repository of the program on this machine that called."
    )


class CacheTable(Section):
    """
    [cache]
    max_bytes = 1073741824
    """

    max_bytes: Bytes = Field(
        default=2**30, description="Size of cache.sqlite; the answers that were used least recently are removed first."
    )


class LimitsStoreTable(Section):
    """
    [limits_store]
    fail_closed = true
    """

    fail_closed: Flag = Field(
        default=False, description="true: refuse calls whose limits cannot be checked. false: let them pass unlimited."
    )


class UsageTable(Section):
    """
    [usage]
    inject = true
    """

    inject: Flag = Field(
        default=False,
        description="Ask each OpenAI-shaped stream to state its usage, and remove it for callers that did not ask for it.",
    )


class PriceTable(Section):
    """
    [[prices]]
    provider = "vllm"
    model = "llama-3.3-*"
    input_usd_per_million = 0.20
    output_usd_per_million = 0.60
    from = 2026-11-01
    """

    provider: RowsProvider = Field(
        description="As in the column provider_name: a provider's name, or the host of another target."
    )
    model: Text = Field(description="The model; `*` stands for anything.")
    name: Text | None = Field(default=None, description="Shown in the column cost_source; left out: provider/model.")
    start: Day | None = Field(
        default=None, alias="from", description="The first day (UTC) of the price; left out: always."
    )
    input_usd_per_million: Price = Field(description="USD per million input tokens.")
    cached_input_usd_per_million: Price | None = Field(
        default=None, description="For cached input; left out: as input."
    )
    cache_creation_usd_per_million: Price | None = Field(
        default=None, description="For input written to the provider's cache; left out: as input."
    )
    cache_creation_1h_usd_per_million: Price | None = Field(
        default=None, description="For input written to the provider's cache for an hour."
    )
    output_usd_per_million: Price | None = Field(
        default=None, description="USD per million output tokens, reasoning included."
    )

    def made(self) -> PriceOverride:
        return PriceOverride(**self.model_dump(exclude={"name"}), name=self.name or f"{self.provider}/{self.model}")


class MatchTable(Section):
    """
    match = { model = "gpt-4*", property.feature = "chat" }
    """

    user: Text | None = Field(default=None, description="Calls with this user_id.")
    repository: Text | None = Field(default=None, description="Calls of programs that run in this git repository.")
    model: Text | None = Field(default=None, description="Calls to this model; `*` stands for anything.")
    key_hash: Text | None = Field(default=None, description="Calls with this api_key_hash or helicone_key_hash.")
    property: dict[str, Text] = Field(default={}, description="Calls that have all of these properties.")

    def made(self) -> Match:
        properties = tuple((name.lower(), value) for name, value in self.property.items())
        return Match(
            user=self.user, repository=self.repository, model=self.model, key_hash=self.key_hash, properties=properties
        )


class LimitTable(Section):
    """
    [[limits]]
    name = "team"
    quota = 1000
    window = "1h"
    per = "user"
    match = { model = "gpt-4*", property.feature = "chat" }
    """

    name: Name = Field(description="A name of its own, for messages.")
    quota: Annotated[Decimal, AfterValidator(checked_quota), NUMBER, says("is not a number; write e.g. 10")] = Field(
        description="How many units may be used in each window."
    )
    window: (
        Annotated[
            str,
            Strict(),
            AfterValidator(window_text),
            says('is not a time; write window = "1h" (s, m, h, d) or window_s = 3600'),
        ]
        | None
    ) = Field(default=None, description='How long a window is: "30s", "5m", "1h" or "7d".')
    window_s: (
        Annotated[
            int,
            Strict(),
            AfterValidator(lambda seconds: checked_window(Decimal(seconds))),
            says('is not a time; write window_s = 3600 or window = "1h" (s, m, h, d)'),
        ]
        | None
    ) = Field(default=None, description="The same in seconds, in place of window.")
    unit: Unit = Field(default="request", description="What is counted.")
    per: Per = Field(default="all", description="Each of these has a bucket of its own.")
    match: MatchTable = Field(default=MatchTable(), description="The calls that it limits; left out: all.")

    def made(self) -> Limit:
        segment = self.per.removeprefix(PROPERTY) if self.per == "user" or self.per.startswith(PROPERTY) else None
        policy = Policy(quota=self.quota, window_s=self._seconds(), unit=self.unit, segment=segment)
        return Limit(name=self.name, policy=policy, per=self.per, match=self.match.made())

    def _seconds(self) -> int:
        return self.window_s or int((self.window or "0s")[:-1]) * UNIT_S[(self.window or "0s")[-1]]


class BudgetTable(Section):
    """
    [[budgets]]
    name = "company"
    usd = 50
    period = "month"
    """

    name: Name = Field(description="A name of its own, for messages.")
    usd: Annotated[Decimal, Gt(0), NUMBER, says("is not a budget; write US dollars above 0, e.g. 50")] = Field(
        description="US dollars for each period."
    )
    period: Period = Field(description="When it starts anew, in UTC.")
    per: Per = Field(default="all", description="Each of these has a budget of its own.")
    match: MatchTable = Field(default=MatchTable(), description="The calls that it pays for; left out: all.")
    warn_at: Annotated[Decimal, Gt(0), Le(1), NUMBER, says("is not a share; write above 0 and up to 1, e.g. 0.8")] = (
        Field(default=Decimal("0.8"), description="From this share on, answers carry a Helicone-Warning.")
    )
    hard: Flag = Field(default=True, description="true: refuse calls once it is spent. false: warn only.")

    def made(self) -> Budget:
        given = self.model_dump(exclude={"match"})
        return Budget(**given, match=self.match.made())


class FallbackTable(Section):
    """
    [[fallbacks]]
    model = "gpt-4o*"
    on_codes = [429, "500-599"]
    target_url = "https://api.groq.com/openai/v1"
    headers = { Authorization = "Bearer $GROQ_API_KEY" }
    body = { model = "llama-3.3-70b-versatile" }
    """

    model: Text = Field(description="For calls to this model; `*` stands for anything.")
    on_codes: list[Code] | None = Field(
        default=None,
        description='Statuses before it that lead to it, e.g. 429 or "500-599"; left out: 408, 429, 500-599.',
    )
    target_url: Annotated[Any, AfterValidator(lambda url: parse_target(url) and url)] = Field(
        default=None, description="The target as an SDK's base_url; left out: the same provider again."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default={},
        description="Headers for the target; `$NAME` in a value is that environment variable, `$$` is a dollar sign.",
    )
    body: Annotated[dict[str, Any], AfterValidator(body_members)] = Field(
        default={}, description="Members of the JSON body that are set."
    )

    def made(self) -> FallbackRule:
        origin, base = parse_target(self.target_url) if self.target_url is not None else (None, "")
        codes = USUAL_CODES if self.on_codes is None else tuple(self.on_codes)
        headers = tuple((name, value.strip()) for name, value in self.headers.items())
        body = parse_members(as_json(self.body))
        fallback = Fallback(origin=origin, base=base, headers=headers, after_codes=codes, body=body)
        return FallbackRule(Match(model=self.model), fallback)


class KeyTable(Section):
    """
    [keys.laptop]
    hash = "sha256:..."
    roles = ["proxy", "read"]
    """

    hash: Annotated[
        str, AfterValidator(key_hash), says("is not a hash of a key; run `heliograph keys add`, which makes both")
    ] = Field(description="Of the key, as `heliograph keys add` writes it.")
    roles: Annotated[list[Role], MinLen(1)] = Field(
        description="What the key may do: send calls (proxy), store feedback, scores and logs (write), ask (read)."
    )

    def made(self, name: str) -> Key:
        return Key(name, self.hash, frozenset(self.roles))


class File(Section):
    """The whole file. Every section may be left out."""

    lake: LakeUrl | None = Field(default=None, description="A bucket that the calls are shipped to, beside this disk.")
    shipping: ShippingTable = Field(default=ShippingTable(), description="What stays on this disk of shipped calls.")
    iceberg: IcebergTable | None = Field(
        default=None, description="The Apache Iceberg catalog that has the calls as tables, for other engines."
    )
    upstreams: dict[Provider, Url] = Field(default={}, description="Where providers live, as --upstream NAME=URL.")
    targets: TargetsTable = Field(default=TargetsTable(), description="Which targets a caller's header may name.")
    browser: BrowserTable = Field(default=BrowserTable(), description="Which web pages may use this proxy.")
    hosts: HostsTable = Field(default=HostsTable(), description="Under which names this proxy is reached.")
    timeouts: TimeoutsTable = Field(default=TimeoutsTable(), description="How long a call may wait.")
    capture: CaptureTable = Field(default=CaptureTable(), description="What is stored of a call.")
    redact: RedactTable | None = Field(
        default=None, description="Secrets that become pseudonyms before a call is stored; without the section none do."
    )
    memory: MemoryTable = Field(default=MemoryTable(), description="How much memory calls may take.")
    overload: OverloadTable = Field(default=OverloadTable(), description="How many calls may be under way at once.")
    cache: CacheTable = Field(default=CacheTable(), description="The cache of answers.")
    limits_store: LimitsStoreTable = Field(
        default=LimitsStoreTable(), description="What happens when limits cannot be checked."
    )
    shared: SharedTable | None = Field(
        default=None, description="The Redis that limits, budgets and cached answers of several proxies are in."
    )
    spark: SparkTable | None = Field(
        default=None, description="The Spark that `heliograph report --engine spark` asks."
    )
    usage: UsageTable = Field(default=UsageTable(), description="Usage of streams.")
    prices: list[PriceTable] = Field(default=[], description="Prices of your own; they win over the list of prices.")
    limits: list[LimitTable] = Field(default=[], description="Rate limits that no caller can loosen.")
    budgets: list[BudgetTable] = Field(default=[], description="Money that may be spent in a period.")
    retention: RetentionTable = Field(default=RetentionTable(), description="How long calls are kept.")
    webhooks: list[WebhookTable] = Field(default=[], description="Addresses that are told of each finished call.")
    alerts: list[AlertTable] = Field(default=[], description="Conditions that people are told of.")
    otlp: OtlpTable | None = Field(
        default=None, description="An OpenTelemetry endpoint that is sent a span of each finished call."
    )
    smtp: SmtpTable | None = Field(
        default=None, description="The mail server that takes the alerts for mailto: addresses."
    )
    fallbacks: list[FallbackTable] = Field(default=[], description="Other targets for calls that fail, by model.")
    keys: dict[str, KeyTable] = Field(default={}, description="Keys; once there is one, calls and endpoints need one.")
