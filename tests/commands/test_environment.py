"""The variables of `heliograph env`: merged with the user's own, quoted for a shell, and taken back."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.commands import environment

URL, BUNDLE = "http://127.0.0.1:8787", Path("/data/heliograph-ca-bundle.pem")


def test_every_kind_of_client_is_sent_through_the_proxy_and_trusts_its_certificates() -> None:
    values = environment.variables(URL, BUNDLE, {})
    assert {values[name] for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")} == {URL}
    cas = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
    assert {values[name] for name in (*cas, "CODEX_CA_CERTIFICATE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")} == {
        str(BUNDLE)
    }
    assert values["NODE_USE_ENV_PROXY"] == "1"
    # ALL_PROXY no client needs; NODE_OPTIONS ends Node 20; base URLs change what agents send.
    assert not {"ALL_PROXY", "NODE_OPTIONS", "OPENAI_BASE_URL", "NODE_TLS_REJECT_UNAUTHORIZED"} & values.keys()


@pytest.mark.parametrize(
    ("environ", "no_proxy"),
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "intern.example, .corp"}, "localhost,127.0.0.1,::1,intern.example,.corp"),
        ({"no_proxy": "a b,localhost"}, "localhost,127.0.0.1,::1,a,b"),
        ({"NO_PROXY": "upper", "no_proxy": "lower"}, "localhost,127.0.0.1,::1,upper"),
    ],
)
def test_what_the_user_excludes_stays_excluded(environ: dict[str, str], no_proxy: str) -> None:
    values = environment.variables(URL, BUNDLE, environ)
    assert (values["NO_PROXY"], values["no_proxy"]) == (no_proxy, no_proxy)


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (("127.0.0.1", 8787, None), "http://127.0.0.1:8787"),
        (("127.0.0.1", 8787, "shop"), "http://shop:x@127.0.0.1:8787"),
        (("127.0.0.1", 8787, None, "sk-1"), "http://:sk-1@127.0.0.1:8787"),
        (("::1", 9000, "shop", "sk-1"), "http://shop:sk-1@[::1]:9000"),
    ],
)
def test_project_and_key_are_user_and_password_of_the_url(arguments: tuple[str, int, str | None], url: str) -> None:
    assert environment.proxy_url(*arguments) == url


def test_a_project_is_the_git_checkout_that_a_folder_is_in(tmp_path: Path) -> None:
    inside = tmp_path / "my shop (2)" / "src" / "deep"
    inside.mkdir(parents=True)
    assert environment.project_name(inside) is None
    (tmp_path / "my shop (2)" / ".git").mkdir()
    assert environment.project_name(inside) == "myshop2"


VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(before=VALUES, during=VALUES)
def test_a_shell_reads_the_lines_and_the_way_back_restores_what_was_set(before: str, during: str) -> None:
    values = {"HTTPS_PROXY": during, "NO_PROXY": "x"}
    environ = {"HTTPS_PROXY": before}
    exports = environment.export_lines(values, environ)
    saved = {environment.SAVED: json.dumps({"HTTPS_PROXY": before})}
    shown = 'printf "%s\\0" "$HTTPS_PROXY" "${NO_PROXY-unset}"'
    script = "\n".join([*exports, shown, *environment.unset_lines(values, saved), shown])
    ended = subprocess.run(["/bin/sh", "-c", script], capture_output=True, env=environ, check=True)
    assert ended.stdout.decode().split("\0")[:4] == [during, "x", before, "unset"]


def test_what_was_saved_survives_a_second_eval_and_nonsense_restores_nothing() -> None:
    twice = environment.export_lines(
        {"HTTPS_PROXY": "b"}, {"HTTPS_PROXY": "a", environment.SAVED: '{"HTTPS_PROXY": "first"}'}
    )
    assert f'export {environment.SAVED}=\'{{"HTTPS_PROXY": "first"}}\'' in twice
    assert environment.unset_lines({"HTTPS_PROXY": ""}, {environment.SAVED: "not json"})[0] == "unset HTTPS_PROXY"
