"""Certificates for the tests of TLS: authorities, what they sign, and files of it."""

from __future__ import annotations

import datetime
import functools
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = CertificateIssuerPrivateKeyTypes

KINDS = ("ecdsa", "rsa", "ed25519")
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)

SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""What an authority's key is for."""


def new_key(kind: str) -> Key:
    """A private key of that kind."""
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(*certs: x509.Certificate) -> bytes:
    """Certificates as PEM, one behind the other."""
    return b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in certs)


def der_of(cert: x509.Certificate) -> bytes:
    """A certificate as it stands on the wire."""
    return cert.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key and with those that stand between it and its root."""

    cert: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return pem_of(self.cert).decode()

    def key_pem(self, password: str = "") -> bytes:
        """The key, encrypted where there is a password."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )

    def write(self, path: Path, password: str = "") -> str:
        """One file of certificate, chain and key; gives its name."""
        path.write_bytes(pem_of(self.cert, *self.chain) + self.key_pem(password))
        return str(path)

    def write_apart(self, path: Path, password: str = "") -> tuple[str, str]:
        """A file of certificate and chain, and one of the key; gives their names."""
        cert, key = path.with_suffix(".crt"), path.with_suffix(".key")
        cert.write_bytes(pem_of(self.cert, *self.chain))
        key.write_bytes(self.key_pem(password))
        return str(cert), str(key)


class Authority:
    """Signs certificates."""

    def __init__(self, name: str, above: Authority | None = None) -> None:
        """An authority of its own, or one that another has signed."""
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = new_key("ecdsa")
        self.above = above
        signer = above or self
        self.cert = (
            signer.builder(self.name, self.key, NOW - DAY, NOW + 300 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(SIGNS, critical=True)
            .sign(signer.key, hashes.SHA256())
        )

    def builder(
        self,
        subject: x509.Name,
        key: Key,
        begin: datetime.datetime,
        end: datetime.datetime,
    ) -> x509.CertificateBuilder:
        """What all certificates have that it signs."""
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(own, critical=False)
            .add_extension(signer, critical=False)
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its own certificate and those above, without the root's."""
        return (self.cert, *self.above.chain) if self.above else ()

    @property
    def root(self) -> x509.Certificate:
        """Whom a peer must trust."""
        return self.above.root if self.above else self.cert

    def sign(
        self,
        *names: str,
        kind: str = "ecdsa",
        begin: datetime.datetime = NOW - DAY,
        end: datetime.datetime = NOW + 90 * DAY,
    ) -> Identity:
        """A server's certificate for these DNS names."""
        key = new_key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = self.builder(subject, key, begin, end)
        builder = builder.add_extension(alternatives, critical=False)
        return self._sign(builder, key, ExtendedKeyUsageOID.SERVER_AUTH)

    def sign_client(
        self, *names: tuple[x509.ObjectIdentifier, str], end: datetime.datetime = NOW + 90 * DAY
    ) -> Identity:
        """A client's certificate for this subject."""
        key = new_key("ecdsa")
        subject = x509.Name([x509.NameAttribute(*name) for name in names])
        builder = self.builder(subject, key, NOW - DAY, end)
        return self._sign(builder, key, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _sign(
        self, builder: x509.CertificateBuilder, key: Key, use: x509.ObjectIdentifier
    ) -> Identity:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        return Identity(builder.sign(self.key, hashes.SHA256()), key, self.chain)

    def vouch(self, cert: x509.Certificate) -> bytes:
        """An OCSP response in DER: the certificate is good."""
        return (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=cert,
                issuer=self.cert,
                algorithm=hashes.SHA256(),
                cert_status=ocsp.OCSPCertStatus.GOOD,
                this_update=NOW - DAY,
                next_update=NOW + DAY,
                revocation_time=None,
                revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.cert)
            .sign(self.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this one's root and no other."""
        return ssl.create_default_context(cadata=pem_of(self.root).decode())

    def write_root(self, path: Path) -> str:
        """A file of whom to trust; gives its name."""
        path.write_bytes(pem_of(self.root))
        return str(path)


@functools.cache
def authority(name: str = "an authority") -> Authority:
    """The authority of that name, one a process."""
    return Authority(name)


@functools.cache
def localhost(kind: str = "ecdsa") -> Identity:
    """A certificate for localhost by the first authority, one a process."""
    return authority().sign("localhost", kind=kind)


@functools.cache
def localhost_file() -> str:
    """A file of that with its key."""
    return localhost().write(Path(tempfile.mkdtemp(prefix="fe-tls-")) / "both.pem")


def repeated(flag: str, values: Sequence[str]) -> list[str]:
    """The flag before each of the values, for a command line."""
    return [part for value in values for part in (flag, value)]
