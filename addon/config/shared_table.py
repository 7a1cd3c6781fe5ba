"""The section of `heliograph.toml` about the Redis that several proxies share. As in models.py."""

from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, Strict

from addon.config.section import Section
from addon.config.shared import Shared, checked_prefix
from addon.config.values import says, text_opened_by

_DEFAULTS = Shared(url="")


_url = text_opened_by(lambda text, environ: Shared(url=text).opened_url(environ))


class SharedTable(Section):
    """
    [shared]
    url = "rediss://heliograph:$REDIS_PASSWORD@redis.example.org:6379/0"
    """

    url: Annotated[
        str, Strict(), AfterValidator(_url), says('is not a text; write e.g. url = "redis://127.0.0.1:6379/0"')
    ] = Field(
        description="The Redis or Valkey that limits, budgets and cached answers of all proxies are in; `$NAME` is that"
        " environment variable. `rediss://` is TLS, `redis+cluster://` names a node of a cluster,"
        " `redis+sentinel://HOST:PORT,HOST:PORT/MASTER/0` the sentinels."
    )
    prefix: Annotated[str, Strict(), AfterValidator(checked_prefix), says("is not a text")] = Field(
        default=_DEFAULTS.prefix, description="Of all its keys; fleets that share nothing have different ones."
    )
    timeout_ms: Annotated[int, Strict(), Ge(1), Le(10_000), says("is not a whole number from 1 to 10000")] = Field(
        default=_DEFAULTS.timeout_ms,
        description="How long a call waits for it; then it goes on by its proxy's own limits.",
    )

    def made(self) -> Shared:
        fields: dict[str, Any] = self.model_dump()
        return Shared(**fields)
