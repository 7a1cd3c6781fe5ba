"""The texts of a service: a systemd user unit and a launchd agent. Pure."""

import plistlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Kind = Literal["systemd", "launchd"]
KINDS: Final[tuple[Kind, ...]] = ("systemd", "launchd")

WRITTEN_BY: Final = "Written by `heliograph service install`"
NAME: Final = "heliograph"
# Calls under way get 30 s to end, settling them 120 s (addon/hooks/lifecycle.py).
_STOP_S: Final = 180
_OPEN_FILES: Final = 65_536  # two for each call under way; the usual 1,024, or 256 on macOS, are soon used up
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_@:./=,+-]+")


@dataclass(frozen=True, slots=True)
class Service:
    command: Sequence[str]  # program and arguments
    data: Path

    @property
    def environment_file(self) -> Path:
        """Variables that heliograph.toml names as `$NAME`, a line each."""
        return self.data / "service.env"

    @property
    def log(self) -> Path:
        """Of launchd; systemd has the journal."""
        return self.data / "service.log"


def unit_text(service: Service, kind: Kind) -> str:
    """The whole file."""
    return _systemd(service) if kind == "systemd" else _launchd(service)


def unit_path(kind: Kind, home: Path, environ: Mapping[str, str]) -> Path:
    """Where the system looks for it."""
    if kind == "launchd":
        return home / "Library" / "LaunchAgents" / f"{NAME}.plist"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user" / f"{NAME}.service"


def start_commands(kind: Kind, path: Path, service: Service) -> Sequence[str]:
    """What starts it now and at each login, and where its log is."""
    if kind == "launchd":
        return (f"launchctl bootstrap gui/$(id -u) '{path}'", f"tail -f '{service.log}'")
    return (
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {NAME}",
        "loginctl enable-linger        # it runs without a login, too",
        f"journalctl --user -u {NAME} -f",
    )


def stop_commands(kind: Kind) -> Sequence[str]:
    """What ends one that still runs after its file was removed."""
    if kind == "launchd":
        return (f"launchctl bootout gui/$(id -u)/{NAME}",)
    return (f"systemctl --user stop {NAME}", "systemctl --user daemon-reload")


def _systemd(service: Service) -> str:
    command = " ".join(map(_word, service.command))
    return f"""\
# {WRITTEN_BY}; it will be overwritten by the next one.
[Unit]
Description=heliograph: measures, prices and keeps every LLM call

[Service]
Type=exec
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
# Variables that heliograph.toml names, a line each: NAME=value
EnvironmentFile=-{str(service.environment_file).replace("%", "%%")}
Restart=on-failure
RestartSec=2
# Wrong settings: another try would end in the same way.
RestartPreventExitStatus=2
# Calls under way end, then all is settled. Its child processes end by themselves.
TimeoutStopSec={_STOP_S}
KillMode=mixed
LimitNOFILE={_OPEN_FILES}
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


def _word(text: str) -> str:
    """One word of ExecStart: `%` begins a specifier of systemd, `$` a variable."""
    escaped = text.replace("%", "%%").replace("$", "$$")
    if _PLAIN_WORD.fullmatch(text):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _launchd(service: Service) -> str:
    agent = {
        "Label": NAME,
        "ProgramArguments": list(service.command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": _STOP_S,
        "SoftResourceLimits": {"NumberOfFiles": _OPEN_FILES},
        "Umask": 0o077,
        "StandardOutPath": str(service.log),
        "StandardErrorPath": str(service.log),
    }
    text = plistlib.dumps(agent, sort_keys=False).decode()
    head, body = text.split("<plist", 1)
    return f"{head}<!-- {WRITTEN_BY}; it will be overwritten by the next one. -->\n<plist{body}"
