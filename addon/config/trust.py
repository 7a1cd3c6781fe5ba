"""The certificate authority that opens providers' connections, and the bundle that programs are told to trust."""

import os
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from addon.config.places import BUNDLE_NAME
from addon.storage.folders import CA_FOLDER

# Variables by which a user may already have named roots of their own; what they name goes into the bundle.
CA_VARIABLES: Final = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
    *("CODEX_CA_CERTIFICATE", "NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
)


OF_YOUR_OWN: Final = "for a certificate authority of your own set SSL_CERT_FILE to the file of its certificate"


def ca_folder(data: Path) -> Path:
    """mitmproxy's `confdir`. It holds the private key of the authority; only this user can read it."""
    return data / CA_FOLDER


def ca_certificate(data: Path) -> Path:
    return ca_folder(data) / "mitmproxy-ca-cert.pem"


def bundle_path(data: Path) -> Path:
    return data / BUNDLE_NAME


def make_ca(data: Path) -> Path:
    """Make the authority if there is none. Returns the path of its certificate."""
    folder = ca_folder(data)
    from mitmproxy.certs import CertStore  # with cryptography half a second, for one command of many

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    CertStore.from_store(folder, "mitmproxy", 2048)
    return ca_certificate(data)


class Named(NamedTuple):
    """The files of certificates that the user's variables name."""

    roots: tuple[Path, ...]
    unreadable: tuple[str, ...]  # a line each: which variables, which file, why


def named_roots(environ: Mapping[str, str]) -> Named:
    files: dict[Path, list[str]] = {}
    for name in CA_VARIABLES:
        if value := environ.get(name):
            files.setdefault(Path(value), []).append(name)
    roots, unreadable = [], []
    for path, names in files.items():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            roots.append(path)
        except OSError as error:  # an ssl.SSLError is one
            reason = (
                "no such file" if isinstance(error, FileNotFoundError) else "no certificates in PEM can be read from it"
            )
            unreadable.append(f"{', '.join(names)}: {path}: {reason}")
    return Named(tuple(roots), tuple(unreadable))


def write_upstream_roots(data: Path, roots: Iterable[Path]) -> Path:
    """One PEM: what the proxy trusts of providers and of the proxy before it. As programs do without us: the usual list, the
    system's roots, where a company adds its own, and the user's (`named_roots`)."""
    import certifi

    return _write(ca_folder(data) / "upstream-roots.pem", [Path(certifi.where()), _system_roots(), *roots])


def write_bundle(data: Path, environ: Mapping[str, str]) -> Path:
    """One PEM: the system's roots, every file the user's own variables name, and our authority.

    The variables replace a program's roots, so the bundle has to hold all of them: tunnelled hosts keep verifying.
    """
    target = bundle_path(data)
    own = (Path(environ[name]) for name in CA_VARIABLES if environ.get(name))
    parts = [_system_roots(), *(path for path in own if path != target and path.is_file()), make_ca(data)]
    return _write(target, parts)


def _write(target: Path, parts: Iterable[Path]) -> Path:
    texts = (path.read_text(encoding="utf-8", errors="replace").strip() for path in parts)
    text = "\n".join(dict.fromkeys(texts)) + "\n"
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return target
    fresh = target.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(target)
    return target


def _system_roots() -> Path:
    import certifi

    known: Iterable[str | None] = (
        ssl.get_default_verify_paths().openssl_cafile,  # not `cafile`: SSL_CERT_FILE moves that one
        "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
        "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    )
    return next((Path(path) for path in known if path and Path(path).is_file()), Path(certifi.where()))
