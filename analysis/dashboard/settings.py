"""The page Settings: every setting with its value and where that comes from. Nothing can be changed here."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.config.models import File
from addon.config.read import SECRET, model_in
from addon.config.remote_copy import place_of
from addon.config.settings import load_what_can_be_read
from analysis.dashboard.pages import Page, Site
from analysis.dashboard.view import view_of

PAGE: Final = Page("/settings", "Settings", "t", "Data")
_HIDDEN: Final = "(not shown)"
_FILE, _DEFAULT = "file", "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. `value` as TOML has it; `source`: file or default."""

    key: str
    value: str
    source: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """`title` as it stands in the file: `[cache]`, `[[limits]]`, `[keys.laptop]`."""

    title: str
    meaning: str
    settings: tuple[Setting, ...]

    @property
    def is_set(self) -> bool:
        """The file says something of it."""
        return any(each.source == _FILE for each in self.settings)


def routes(site: Site) -> list[Route]:
    def page(request: Request) -> Response:
        view = view_of(request)
        config = site.dashboard.api.settings.config
        _, problems = load_what_can_be_read(site.dashboard.api.settings.data, config if config.exists() else None)
        return site.page(
            request,
            "settings.html",
            view,
            file=place_of(config),
            exists=config.exists(),
            problems=[problem.text for problem in problems],
            sections=list(sections(_table(config))),
        )

    return [Route(PAGE.path, page)]


def _table(config: Path) -> Mapping[str, Any]:
    """What the file says. Where it cannot be read, the page says so among the problems."""
    try:
        with config.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def sections(table: Mapping[str, Any]) -> Iterator[Section]:
    """All sections, in the order of the reference page. Pure."""
    for name, field in File.model_fields.items():
        given, meaning = table.get(name), field.description or ""
        model = model_in(field.annotation)
        if get_origin(field.annotation) is list and model:
            for entry in given if isinstance(given, list) else []:
                yield Section(f"[[{name}]]", meaning, tuple(_settings(model, entry, name in SECRET)))
            if not given:
                yield Section(f"[[{name}]]", f"{meaning} There are none.", ())
        elif get_origin(field.annotation) is dict:
            yield from _named(name, model, given if isinstance(given, dict) else {}, meaning)
        elif model:
            yield Section(f"[{name}]", meaning, tuple(_settings(model, given or {}, name in SECRET)))


def _named(name: str, model: type[BaseModel] | None, given: Mapping[str, Any], meaning: str) -> Iterator[Section]:
    """`[upstreams]`, whose keys are names, and `[keys.NAME]`."""
    if model is None:
        values = tuple(Setting(key, _shown(value), _FILE, "") for key, value in given.items())
        yield Section(f"[{name}]", meaning if values else f"{meaning} There are none.", values)
        return
    for key, entry in given.items():
        yield Section(f"[{name}.{key}]", meaning, tuple(_settings(model, entry, False)))
    if not given:
        yield Section(f"[{name}]", f"{meaning} There are none.", ())


def _settings(model: type[BaseModel], given: Any, is_secret: bool) -> Iterator[Setting]:
    """Every key of a section; keys that the model does not know are among the problems of the page."""
    table = given if isinstance(given, dict) else {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        hidden = is_secret or key in SECRET or key == "hash"
        if key in table:
            yield Setting(key, _HIDDEN if hidden else _shown(table[key]), _FILE, field.description or "")
        else:
            yield Setting(key, _default(field), _DEFAULT, field.description or "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    return (
        ""
        if value is None
        else _shown(value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else value)
    )


def _shown(value: Any) -> str:
    """As TOML writes it, near enough for a reader."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case dict():
            return "{ " + ", ".join(f"{key} = {_shown(each)}" for key, each in value.items()) + " }" if value else "{}"
        case list() | tuple():
            return f"[{', '.join(map(_shown, value))}]"
    return str(value)
