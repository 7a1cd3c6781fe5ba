"""The pytest plugin: a test's calls are answered from a recording beside it.

    def test_refund(heliograph_replay):
        client = OpenAI()  # through the proxy, by the usual variables
        ...

The recording is `recordings/MODULE/TEST.jsonl` beside the test file. `pytest --heliograph-record` makes it: then calls go to their
providers. pytest loads this module wherever heliograph is installed, so the proxy is imported when a test asks for it.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from addon.recordings.tape import Tape
    from addon.serve import ProxyThread

_RECORD: Final = "--heliograph-record"
_CONFIG: Final = "heliograph_config"
_MARKER: Final = "heliograph"
_FOLDER: Final = "recordings"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Replay:
    """What a test gets. `variables` are set in its environment already."""

    url: str  # of the proxy
    file: Path  # the recording
    variables: dict[str, str] = field(repr=False)

    def base_url(self, provider: str = "openai") -> str:
        """For a client that ignores the variables: what the provider's SDK takes as its base URL."""
        from addon.commands.base_urls import BASE_URLS

        path = next((each.path for each in BASE_URLS if each.provider == provider), "")
        return f"{self.url}/{provider}{path}"


@dataclass(frozen=True, slots=True)
class _Running:
    thread: "ProxyThread"
    bundle: Path  # the roots that programs are to trust


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("heliograph")
    group.addoption(
        _RECORD,
        action="store_true",
        help="Send the calls of tests with heliograph_replay to providers, and record them.",
    )
    parser.addini(_CONFIG, "Settings file for heliograph_replay, e.g. with [upstreams].", type="paths", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(name, *, speed=0, strict=False): which recording heliograph_replay answers from, and how; "
        "name: of a file in recordings/, or its path from the test's folder",
    )


@pytest.fixture
def heliograph_replay(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _heliograph_proxy: "_Running"
) -> Iterator[Replay]:
    """Calls of this test, and of programs that it starts, are answered from its recording; with --heliograph-record they are
    sent and recorded. A call that the recording has no answer for fails the test."""
    from addon.commands import environment

    thread, file = _heliograph_proxy.thread, _file_of(request)
    tape = _tape(request, file)
    variables = environment.variables(thread.url, _heliograph_proxy.bundle, os.environ)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    thread.proxy.tape = tape
    yield Replay(thread.url, file, variables)
    thread.proxy.tape = _nothing()
    tape.save()
    if tape.problems:
        pytest.fail("\n".join(tape.problems), pytrace=False)


@pytest.fixture(scope="session")
def _heliograph_proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["_Running"]:
    """One proxy for all tests. Rows of replayed calls are in a folder of pytest's; those of calls that were sent, and cost money,
    in the usual one."""
    from dataclasses import replace

    from addon.config import trust
    from addon.config.places import data_folder
    from addon.config.settings import load
    from addon.serve import ProxyThread

    is_recording = request.config.getoption(_RECORD)
    configs: list[Path] = request.config.getini(_CONFIG)
    data = data_folder() if is_recording else tmp_path_factory.mktemp("heliograph")
    settings = load(data, configs[0] if configs else None, environ=os.environ)
    settings = replace(settings, keys=(), is_watched=False, looks_up_callers=False)
    if not is_recording:
        settings = settings.offline()
    thread = ProxyThread(settings)
    thread.proxy.tape = _nothing()
    with thread:
        yield _Running(thread, trust.write_bundle(data, os.environ))


def _file_of(request: pytest.FixtureRequest) -> Path:
    folder, marker = request.path.parent, request.node.get_closest_marker(_MARKER)
    if marker and marker.args:
        name = str(marker.args[0])
        return folder / (name if "/" in name or Path(name).suffix else f"{_FOLDER}/{name}.jsonl")
    return folder / _FOLDER / request.path.stem / f"{_NOT_IN_NAMES.sub('-', request.node.name).strip('-')}.jsonl"


def _tape(request: pytest.FixtureRequest, file: Path) -> "Tape":
    from addon.recordings.recording_file import RecordingError
    from addon.recordings.tape import recording, replaying

    marker = request.node.get_closest_marker(_MARKER)
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    if unknown := options.keys() - {"speed", "strict"}:
        pytest.fail(f"pytest.mark.{_MARKER}: {', '.join(unknown)}: there are speed and strict", pytrace=False)
    try:
        if request.config.getoption(_RECORD):
            return recording(file)
        if not file.exists():
            pytest.fail(f"{file}: no such recording; make it with pytest {_RECORD}", pytrace=False)
        return replaying(file, speed=options.get("speed", 0.0), is_strict=options.get("strict", False))
    except RecordingError as error:
        pytest.fail(str(error), pytrace=False)


def _nothing() -> "Tape":
    """Between tests: every call is refused."""
    from addon.recordings.tape import Tape

    return Tape(Path("heliograph_replay: a test without a recording"), [], records=False)
