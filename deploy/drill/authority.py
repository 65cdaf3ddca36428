"""A certificate authority of our own, in place of the public ones."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@dataclass(frozen=True)
class Authority:
    """An authority in its folder; `certificate` is what clients trust."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """Return its certificate."""
        return self.folder / "authority.pem"

    def issue(self, folder: Path, *names: str, days: int = 30) -> None:
        """Write `fullchain.pem` and `privkey.pem` for these names; with a negative number of days it has expired.

        The certificate comes last, as deploy/nginx/certificates.sh writes it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        request, key, chain = (self.folder / f"new.{kind}" for kind in ("csr", "key", "pem"))
        alternatives = ",".join(f"DNS:{name}" for name in names)
        subject = ["-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}"]
        _run("req", "-new", *_KEY.split(), *subject, "-keyout", str(key), "-out", str(request))
        signer = [
            "-CA",
            str(self.certificate),
            "-CAkey",
            str(self.folder / "authority.key"),
            "-CAcreateserial",
        ]
        served = ["-days", str(days), "-copy_extensions", "copy"]
        _run("x509", "-req", "-in", str(request), *signer, *served, "-out", str(chain))
        for made, name, mode in ((key, "privkey.pem", 0o600), (chain, "fullchain.pem", 0o644)):
            made.chmod(mode)
            made.rename(folder / name)


def found_authority(folder: Path, name: str = "authority of the drill") -> Authority:
    """Make a new authority."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Authority(folder)
    options = [*_KEY.split(), "-x509", "-days", "30", "-subj", f"/CN={name}"]
    limits = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    _run("req", *options, *limits, "-keyout", str(folder / "authority.key"), "-out", str(made.certificate))
    return made


def _run(*command: str) -> None:
    subprocess.run(["openssl", *command], check=True, capture_output=True)  # noqa: S607 -- the machine's own
