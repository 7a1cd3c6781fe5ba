"""TLS for a server of a test at `localhost`, with a certificate authority that nobody else trusts."""

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mitmproxy.certs import CertStore


def server_tls(folder: Path) -> ssl.SSLContext:
    folder.mkdir(exist_ok=True)
    entry = CertStore.from_store(folder, "fake", 2048).get_cert("localhost", [x509.DNSName("localhost")])
    key = entry.privatekey.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "localhost.pem").write_bytes(key + entry.cert.to_pem())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "localhost.pem")
    return tls


def authority(folder: Path) -> Path:
    """The certificate that vouches for the one of `server_tls`."""
    return folder / "fake-ca-cert.pem"
