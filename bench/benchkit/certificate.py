"""The certificate that every server shows where TLS is measured: ECDSA on P-256, made once."""

from __future__ import annotations

import subprocess

from benchkit import OUT, BenchError

CERTIFICATE = OUT / "certificate.pem"
KEY = OUT / "key.pem"


def make_certificate() -> None:
    """Make it, unless it is there.

    :raises BenchError: openssl failed.
    """
    if CERTIFICATE.exists() and KEY.exists():
        return
    OUT.mkdir(exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    name = ["-days", "3650", "-subj", "/CN=localhost"]
    files = ["-keyout", str(KEY), "-out", str(CERTIFICATE)]
    command = ["openssl", "req", "-x509", *curve, *name, *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"openssl made no certificate:\n{done.stderr}")
