"""sslyze looks for what is weak, and judges by Mozilla's guidelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sslyze import (
    CertificateInfoExtraArgument,
    ScanCommand,
    ScanCommandAttemptStatusEnum,
    ScanCommandsExtraArguments,
    Scanner,
    ServerNetworkLocation,
    ServerScanRequest,
    ServerScanResult,
)
from sslyze.mozilla_tls_profile.tls_config_checker import (
    MozillaTlsConfiguration,
    TlsConfigurationEnum,
    check_server_against_tls_configuration,
)

from .conftest import Serve
from .harness import Server
from .tls_pki import authority, localhost


def scan(server: Server, room: Path) -> ServerScanResult:
    """What sslyze finds by all of its commands but that for a site's own headers."""
    assert isinstance(server.address, tuple)
    host, port = server.address
    roots = CertificateInfoExtraArgument(Path(authority().write_root(room / "root.pem")))
    asked = ServerScanRequest(
        ServerNetworkLocation("localhost", port, ip_address=host),
        scan_commands=set(ScanCommand) - {ScanCommand.HTTP_HEADERS},
        scan_commands_extra_arguments=ScanCommandsExtraArguments(certificate_info=roots),
    )
    scanner = Scanner()
    scanner.queue_scans([asked])
    [result] = scanner.get_results()
    return result


def results_of(found: ServerScanResult) -> dict[str, Any]:
    """The result of each command, all of which have come to their end."""
    assert found.scan_result is not None, found
    attempts = {each.value: getattr(found.scan_result, each.value) for each in ScanCommand}
    del attempts[ScanCommand.HTTP_HEADERS.value]
    for name, attempt in attempts.items():
        assert attempt.status is ScanCommandAttemptStatusEnum.COMPLETED, (name, attempt)
    return {name: attempt.result for name, attempt in attempts.items()}


def suites(results: dict[str, Any], version: str) -> set[str]:
    """Those that are accepted."""
    accepted = results[f"{version}_cipher_suites"].accepted_cipher_suites
    return {each.cipher_suite.name for each in accepted}


@pytest.mark.filterwarnings("ignore::Warning")  # about roots that sslyze brings
def test_scan(serve_tls: Serve, room: Path) -> None:
    server = serve_tls("--certfile", localhost().write(room / "both.pem"))
    found = scan(server, room)
    results = results_of(found)
    old = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
    assert [version for version in old if suites(results, version)] == []
    assert suites(results, "tls_1_2")
    assert [name for name in suites(results, "tls_1_2") if not name.startswith("TLS_ECDHE_")] == []
    assert len(suites(results, "tls_1_3")) == 3
    assert results["robot"].robot_result.name.startswith("NOT_VULNERABLE")
    assert not results["tls_1_3_early_data"].supports_early_data
    renegotiation = results["session_renegotiation"]
    assert not renegotiation.is_vulnerable_to_client_renegotiation_dos
    resumption = results["session_resumption"]
    assert resumption.tls_ticket_resumption_result.name == "FULLY_SUPPORTED"
    [deployment] = results["certificate_info"].certificate_deployments
    assert deployment.verified_certificate_chain
    # Raises where the server falls short of the guideline: versions, suites, curves, certificate,
    # compression, CCS injection, Heartbleed, fallback, renegotiation, extended master secret.
    guideline = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    check_server_against_tls_configuration(found, guideline)
