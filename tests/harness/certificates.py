"""A certificate authority and what it signs, made by the openssl command."""

import subprocess
from pathlib import Path


def self_signed(directory: Path, name: str = "tls") -> tuple[Path, Path]:
    """A certificate for localhost and 127.0.0.1 that is its own authority, and its key."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate)
    return certificate, key


class Certificates:
    """One authority, a server certificate for localhost and 127.0.0.1, and a client certificate."""

    def __init__(self, directory: Path):
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = directory / "ca.crt"
        self._ca_key = directory / "ca.key"
        _openssl("req", "-x509", *_KEY, "-days", "30", "-subj", "/CN=penstock test authority",
                      "-keyout", self._ca_key, "-out", self.ca)
        self.server_cert, self.server_key = self.issue("server")
        self.client_cert, self.client_key = self.issue("client")

    def issue(self, name: str, days: int = 30) -> tuple[Path, Path]:
        cert, key = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial",
                      "-days", str(days), "-extfile", extensions, "-out", cert)
        return cert, key


def _openssl(*arguments) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
