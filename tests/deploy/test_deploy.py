"""The files under deploy/: each is read by the tool it is for, and names commands, ports and folders that exist."""

import ipaddress
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from addon.commands.service_units import Service, unit_text
from addon.config.settings import load
from addon.routing.own_endpoints import HEALTH_PATH
from addon.sending.fallbacks import variables_in
from tests.command_lines import options_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TEXTS = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.name not in (".env", "secret")]


# Commands


def parse(words: list[str]) -> dict[str, Any]:
    """The options of one command line of heliograph. Fails where a command or an option does not exist."""
    if "--config" in words:  # it must exist, and is a place on another machine
        place = words.index("--config") + 1
        words = [*words[:place], str(DEPLOY / "settings" / "heliograph.toml"), *words[place + 1 :]]
    return options_of(words)


def said_commands(path: Path) -> Iterator[list[str]]:
    """The words after the last `heliograph` of each line of a comment's block of commands."""
    for line in path.read_text().splitlines():
        if (found := re.match(r"#   (?=\S)(.*)", line)) and "heliograph" in found[1]:
            words = shlex.split(found[1], comments=True)
            places = [place for place, word in enumerate(words) if Path(word).name == "heliograph"]
            if places and (rest := words[places[-1] + 1 :]) and rest[0].isalpha():
                yield rest


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_commands_in_comments_exist(path: Path) -> None:
    for words in said_commands(path):
        parse(words)


def test_commands_are_found_in_the_comments() -> None:
    found = [words[0] for path in TEXTS for words in said_commands(path)]
    assert sorted(set(found)) == ["keys", "report"]


# Dockerfile


def instructions() -> Any:
    dockerfile = pytest.importorskip("dockerfile", reason="dockerfile has no wheel for this machine")
    return dockerfile.parse_file(str(DEPLOY / "Dockerfile"))


def last_stage() -> dict[str, Any]:
    """Instruction -> the last of its kind in the image that is made."""
    stage: dict[str, Any] = {}
    for each in instructions():
        stage = {} if each.cmd == "FROM" else stage | {each.cmd: each}
    return stage


def start_of_image() -> list[str]:
    return [*last_stage()["ENTRYPOINT"].value, *last_stage()["CMD"].value]


def port_of_image() -> str:
    return str(parse(start_of_image()[1:])["listen"][1])


def test_the_image_starts_a_proxy_at_the_port_that_it_names() -> None:
    assert start_of_image()[:2] == ["heliograph", "up"]
    assert last_stage()["EXPOSE"].value == (port_of_image(),)
    assert f"http://127.0.0.1:{port_of_image()}{HEALTH_PATH}" in last_stage()["HEALTHCHECK"].value[-1]


def test_the_image_is_not_root_and_its_data_are_a_volume() -> None:
    stage = last_stage()
    user = stage["USER"].value[0]
    assert int(user.split(":")[0]) >= 1000
    (folder,) = stage["VOLUME"].value
    assert f"HELIOGRAPH_DATA={folder} " in stage["ENV"].original


def test_signals_reach_the_proxy_itself() -> None:
    """No shell between: the exec form of ENTRYPOINT and CMD."""
    stage = last_stage()
    assert (stage["ENTRYPOINT"].json, stage["CMD"].json) == (True, True)
    assert stage["STOPSIGNAL"].value == ("SIGTERM",)


def test_what_the_image_is_made_of_is_in_the_build_context() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for each in instructions()
        if each.cmd in ("COPY", "ADD") and not any(flag.startswith("--from") for flag in each.flags)
        for source in each.value[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_is_made_by_the_versions_that_the_project_uses() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    uv = re.search(r"^UV_VERSION=(\S+)", (ROOT / "scripts" / "setup").read_text(), re.MULTILINE)
    assert uv
    assert f"uv=={uv[1]}" in text
    base = next(each.value[0] for each in instructions() if each.cmd == "ARG")
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+-slim-\w+", base), "a version, not `latest`"


@pytest.mark.long
def test_the_image_can_be_built() -> None:
    base = "docker.io/library/python:3.13-slim-bookworm"
    builders = {"buildah": ["images", "--quiet"], "podman": ["image", "inspect"], "docker": ["image", "inspect"]}
    for builder, has in builders.items():
        if shutil.which(builder) and subprocess.run([builder, *has, base], capture_output=True).returncode == 0:
            command = [builder, "build", "--file", str(DEPLOY / "Dockerfile"), "--tag", "heliograph-test", str(ROOT)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=540)
            assert done.returncode == 0, done.stderr
            return
    pytest.skip(f"there is no builder that has {base}")


# Compose


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def proxies() -> dict[str, Any]:
    return {name: service for name, service in compose()["services"].items() if name.startswith("proxy-")}


def test_the_compose_file_is_one() -> None:
    """As the reader of `compose-spec` reads it, which knows no other keys than the specification."""
    import orjson
    from compose_spec import PyCompose

    PyCompose.from_json(orjson.dumps(compose()).decode()).to_spec()


def test_proxies_of_the_fleet_have_the_same_command_and_their_own_data() -> None:
    found = proxies()
    assert len(found) >= 3
    folder = last_stage()["VOLUME"].value[0]
    volumes = {
        volume.split(":")[0] for each in found.values() for volume in each["volumes"] if volume.endswith(f":{folder}")
    }
    assert volumes == set(found) <= set(compose()["volumes"])
    for each in found.values():
        options = parse(each["command"])
        assert str(options["listen"][1]) == port_of_image()
        config = Path(each["command"][each["command"].index("--config") + 1])
        assert f"./settings:{config.parent}:ro" in each["volumes"]
        assert (DEPLOY / "settings" / config.name).exists()


def test_the_settings_of_the_fleet_name_its_services(tmp_path: Path) -> None:
    settings = load(tmp_path, DEPLOY / "settings" / "heliograph.toml")
    assert settings.shared
    assert settings.lake
    services, environment = compose()["services"], proxies()["proxy-1"]["environment"]
    assert settings.shared.url.split("@")[1].split(":")[0] in services
    assert set(variables_in(settings.shared.url)) <= set(environment)
    assert environment["AWS_ENDPOINT_URL"].split("//")[1].split(":")[0] in services
    bucket = settings.lake.removeprefix("s3://").split("/")[0]
    assert services["bucket"]["command"][0].endswith(f"/{bucket}")
    named = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text()))
    assert named == set(re.findall(r"^(\w+)=", (DEPLOY / "environment.example").read_text(), re.MULTILINE))


def test_images_have_versions() -> None:
    images = {each["image"] for each in compose()["services"].values()} - {"heliograph"}
    assert all(re.fullmatch(r"docker\.io/\w+/\w+:.*\d.*", image) for image in images)


def test_a_stop_takes_as_long_as_a_service_of_systemd_has() -> None:
    stop = setting("TimeoutStopSec", usual_unit())
    assert {each["stop_grace_period"] for each in proxies().values()} == {f"{stop}s"}
    assert f"--stop-timeout {stop} " in (DEPLOY / "Dockerfile").read_text()


# The load balancer


def test_the_load_balancer_has_all_proxies_and_asks_for_their_health() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text()
    servers = dict(re.findall(r"^    server (\S+) (\S+)$", text, re.MULTILINE))
    assert servers == {name: f"{name}:{port_of_image()}" for name in proxies()}
    assert f" uri {HEALTH_PATH} " in text
    assert f"bind :{port_of_image()}\n" in text
    assert compose()["services"]["balancer"]["ports"] == [f"127.0.0.1:{port_of_image()}:{port_of_image()}"]


def test_haproxy_accepts_its_file(tmp_path: Path) -> None:
    haproxy = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if haproxy is None:
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    file = tmp_path / "haproxy.cfg"
    # The names of containers are known to containers only.
    file.write_text(re.sub(r"^(    server \S+) [^:]+:", rf"\1 {ipaddress.ip_address('127.0.0.1')}:", (DEPLOY / "haproxy.cfg").read_text(), flags=re.MULTILINE))  # fmt: skip
    done = subprocess.run([haproxy, "-c", "-f", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# systemd


def unit() -> str:
    return (DEPLOY / "heliograph.service").read_text()


def usual_unit() -> str:
    """That of `heliograph service install`."""
    return unit_text(Service(["heliograph"], Path("/data")), "systemd")


def setting(name: str, text: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return str(found)


def test_the_unit_starts_a_proxy_on_its_state_folder() -> None:
    program, *words = shlex.split(setting("ExecStart", unit()))
    options = parse(words)
    assert (Path(program).name, words[0]) == ("heliograph", "up")
    assert str(options["data"]) == f"/var/lib/{setting('StateDirectory', unit())}"
    assert ipaddress.ip_address(options["listen"][0]).is_loopback, "it has no keys yet"


@pytest.mark.parametrize(
    "name",
    ["Type", "ExecReload", "Restart", "RestartPreventExitStatus", "TimeoutStopSec", "KillMode", "LimitNOFILE", "UMask"],
)
def test_the_unit_ends_and_starts_again_as_that_of_a_user(name: str) -> None:
    assert setting(name, unit()) == setting(name, usual_unit())


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd on this machine")
    program = shlex.split(setting("ExecStart", unit()))[0]
    file = tmp_path / "heliograph.service"
    file.write_text(unit().replace(program, "/bin/true"))  # it must exist
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", str(file)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
