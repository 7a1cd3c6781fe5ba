"""Checks a whole `heliograph.toml`: every mistake at once, one line each, and what the sections without one mean.

Pure. Imports pydantic, so only `addon.config.settings` imports it, and only where there is a file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from addon.config.alerts import Condition
from addon.config.keys import ROLES
from addon.config.mistakes import Problem, did_you_mean, shown
from addon.config.models import File, PriceTable
from addon.config.retention import too_short_for_budgets
from addon.config.retention_table import RetentionTable
from addon.config.upstreams import parse_origin

# Values under these keys are never shown: they may be secrets.
SECRET: Final = ("keys", "secret", "headers", "body", "password", "to")


def read_table(
    path: Path, table: Mapping[str, Any], environ: Mapping[str, str] | None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Fields of Settings from the sections that have no mistake, of [[prices]] from each entry without one, and the
    mistakes of the others.

    With `environ` each `$NAME` must be set in it; None: not checked.
    """
    problems = [*_of_fields(path, table, environ), *_of_rules(path, table)]
    wrong = {problem.section for problem in problems}
    good = {name: value for name, value in table.items() if name not in wrong}
    if "prices" in wrong:  # each stands for itself
        good["prices"] = [item for _, item in _tables(table, "prices") if _is_price(item)]
    return _fields(File.model_validate(good)), tuple(problems)


def _is_price(item: dict[str, Any]) -> bool:
    try:
        PriceTable.model_validate(item)
    except ValidationError:
        return False
    return True


def _fields(file: File) -> dict[str, Any]:
    """As Settings names them."""
    return {
        "lake": file.lake,
        "shipping": file.shipping.made(),
        "iceberg": file.iceberg.made() if file.iceberg else None,
        "upstreams": {name: parse_origin(url) for name, url in file.upstreams.items()},
        "targets": file.targets.made(),
        "page_origins": frozenset(file.browser.allow_origins),
        "hosts": frozenset(file.hosts.allow),
        "timeouts": file.timeouts.made(),
        "head_s": file.timeouts.head_s,
        "held_bytes": file.memory.max_request_bytes,
        "overload": file.overload.made(),
        "max_body_bytes": file.capture.max_body_bytes,
        "looks_up_callers": file.capture.client_process,
        "redact": file.redact.made() if file.redact else None,
        "cache_bytes": file.cache.max_bytes,
        "limits_fail_closed": file.limits_store.fail_closed,
        "shared": file.shared.made() if file.shared else None,
        "spark_master": file.spark.master if file.spark else None,
        "inject_usage": file.usage.inject,
        "prices": tuple(price.made() for price in file.prices),
        "limits": tuple(limit.made() for limit in file.limits),
        "budgets": tuple(budget.made() for budget in file.budgets),
        "retention": file.retention.made(),
        "webhooks": tuple(webhook.made() for webhook in file.webhooks),
        "alerts": tuple(alert.made() for alert in file.alerts),
        "otlp": file.otlp.made() if file.otlp else None,
        "smtp": file.smtp.made() if file.smtp else None,
        "fallbacks": tuple(fallback.made() for fallback in file.fallbacks),
        "keys": tuple(key.made(name) for name, key in file.keys.items()),
    }


def _of_retention(path: Path, table: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules that say nothing, and rows that would go while a budget still counts them."""
    section = table.get("retention")
    if not isinstance(section, dict):
        return
    for index, item in _tables(section, "rules"):
        if "requests" not in item and "bodies" not in item:
            told = 'neither requests nor bodies; write e.g. bodies = "7d"'
            yield Problem("retention", f"{path}: retention.rules[{index}]: {told}")
        if not item.get("provider") and not item.get("properties"):
            told = "fits every call; write these times under [retention], or name a provider or properties"
            yield Problem("retention", f"{path}: retention.rules[{index}]: {told}")
    try:
        retention = RetentionTable.model_validate(section).made()
    except ValidationError:
        return  # told already
    periods = {str(item.get("name")): str(item.get("period")) for _, item in _tables(table, "budgets")}
    if short := too_short_for_budgets(retention, periods):
        yield Problem("retention", f"{path}: retention.requests: {short}")


def _of_fields(path: Path, table: Mapping[str, Any], environ: Mapping[str, str] | None) -> Iterator[Problem]:
    try:
        File.model_validate(table, context={"environ": environ})
    except ValidationError as error:
        for details in error.errors():
            yield Problem(str(details["loc"][0]), f"{path}: {_key(details['loc'])}: {_message(details)}")


def _of_rules(path: Path, table: Mapping[str, Any]) -> Iterator[Problem]:
    """What no single field can tell. Reads the table as it is: what has no other mistake is checked, whatever else has."""
    for section in ("limits", "budgets", "alerts"):
        names: set[str] = set()
        for index, item in _tables(table, section):
            if isinstance(name := item.get("name"), str):
                if name.strip() in names:
                    told = f"{name!r} is taken; give each of {section} a name of its own"
                    yield Problem(section, f"{path}: {section}[{index}].name: {told}")
                names.add(name.strip())
    own_names: set[str] = set()
    redact = table.get("redact")
    for index, item in _tables(redact if isinstance(redact, dict) else {}, "own"):
        if isinstance(name := item.get("name"), str):
            if name in own_names:
                yield Problem(
                    "redact", f"{path}: redact.own[{index}].name: {name!r} is taken; give each a name of its own"
                )
            own_names.add(name)
    if isinstance(redact, dict) and redact.get("patterns") == [] and not redact.get("own") and not redact.get("users"):
        told = "nothing would be redacted; name a pattern, or leave the section out"
        yield Problem("redact", f"{path}: redact.patterns: {told}")
    for index, item in _tables(table, "limits"):
        if ("window" in item) == ("window_s" in item):
            told = 'write one of window = "1h" and window_s = 3600'
            yield Problem("limits", f"{path}: limits[{index}].window: {told}")
    for index, item in _tables(table, "alerts"):
        if ("when" in item) == ("sql" in item):
            told = f'write one of when = "spend" ({", ".join(get_args(Condition))}) and sql = "FILE.sql"'
            yield Problem("alerts", f"{path}: alerts[{index}].when: {told}")
        if item.get("when") == "budget" and item.get("where"):
            told = "a budget has a match of its own; leave it out"
            yield Problem("alerts", f"{path}: alerts[{index}].where: {told}")
        mails = isinstance(to := item.get("to"), list) and any(str(each).startswith("mailto:") for each in to)
        if mails and "smtp" not in table:
            yield Problem("alerts", f"{path}: alerts[{index}].to: mailto: needs a section [smtp] with host and sender")
    yield from _of_retention(path, table)
    for index, item in _tables(table, "fallbacks"):
        if "target_url" not in item and "body" not in item:
            told = "neither target_url nor body: it would send the same call again; for that see Helicone-Retry-Enabled"
            yield Problem("fallbacks", f"{path}: fallbacks[{index}]: {told}")


def _tables(table: Mapping[str, Any], section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    items = table.get(section)
    return (
        (index, item) for index, item in enumerate(items if isinstance(items, list) else ()) if isinstance(item, dict)
    )


def _key(location: tuple[int | str, ...]) -> str:
    """`limits[0].match.user`."""
    parts = [part for part in location if part != "[key]"]  # pydantic's mark for a key of a table
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def _message(details: ErrorDetails) -> str:
    location, given = details["loc"], details["input"]
    value = "this value" if any(part in SECRET for part in location) else shown(given)
    name = str(location[-1])
    match details["type"]:
        case "value_error":
            return str(details["ctx"]["error"])
        case "extra_forbidden":
            allowed = _keys_at(location[:-1])
            return f"no such key{did_you_mean(name, allowed)}; allowed are {', '.join(allowed)}"
        case "missing":
            model = _model_at(location[:-1])
            needed = [field.alias or key for key, field in model.model_fields.items() if field.is_required()]
            return f"missing; needed are {', '.join(needed)}"
        case "literal_error":
            names = [part.strip(" '") for part in str(details["ctx"]["expected"]).replace(" or ", ",").split(",")]
            key = next(str(part) for part in reversed(location) if isinstance(part, str))
            noun = "condition" if key == "when" else key.removesuffix("s")
            near = did_you_mean(given, names) if isinstance(given, str) else ""
            return f"{value} is not a {noun}{near}; allowed are {', '.join(names)}"
        case "list_type":
            return f"{value} is not a list{f' of tables; write sections [[{name}]]' if len(location) == 1 else ''}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{value} is not a table{f'; write a section [{name}]' if len(location) == 1 else ''}"
        case "too_short":
            return f"it is empty; allowed are {', '.join(ROLES)}" if name == "roles" else "it is empty"
    return f"{value}: {details['msg']}"


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    return [field.alias or name for name, field in _model_at(location).model_fields.items()]


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table at a place in the file."""
    found: type[BaseModel] = File
    for part in location:
        if isinstance(part, str) and part in found.model_fields:
            found = model_in(found.model_fields[part].annotation) or found
    return found


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `Model`, `Model | None`, `list[Model]` or `dict[str, Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_in(part))), None)
