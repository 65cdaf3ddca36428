"""End of the site's certificate, as its file has it."""

from pathlib import Path

from cryptography import x509

from api.health.metric_reads.sample import Sample


def read_certificate(path: Path) -> list[Sample]:
    """Return when the first certificate of the file ends: those behind it are of its issuers.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no certificate.
    """
    first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return [Sample("certificate_end_timestamp_seconds", first.not_valid_after_utc.timestamp())]
