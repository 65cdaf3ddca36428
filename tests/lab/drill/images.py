"""The images: a Debian by debootstrap, what production.yaml takes from elsewhere, and the shipped Dockerfile's.

They stay for the next run, which makes only what has changed; `docker rmi` takes them away.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from api.models.revision import expected_revision
from deploy.local.valkey import find_embedded
from deploy.postgres_tools import find_in_wheel
from deploy.program_imports import IMAGES
from tests.lab.drill.engine import Engine, StepFailed
from tests.lab.drill.server_files import DEPLOY

_DEBIAN = "rdvdrill/debian"
_SUITE = "bookworm"  # as the Dockerfile's base
_PACKAGES = (
    "ca-certificates", "curl", "gettext-base", "libnginx-mod-stream", "nginx-light", "openssl", "python-is-python3",
    "python3", "python3-pip", "python3-venv", "redis-tools",
)  # fmt: skip
# The machine's authorities: its way out may have one of its own
_TRUSTED = "etc/ssl/certs/ca-certificates.crt"
_EXTERNAL = "usr/lib/python3.11/EXTERNALLY-MANAGED"  # Debian's pip refuses what that of Python's image does
_OURS = Path(__file__).parent


def build_images(engine: Engine) -> str:
    """Build all; return the sizes of those that are shipped.

    Raises:
        StepFailed: one cannot be built.
    """
    _make_debian(engine)
    context = engine.files.folder
    shutil.copytree(_OURS / "images", context / "images")
    (context / "9999_next.py").write_text(
        (_OURS / "next.py").read_text("utf-8").replace("HEAD", expected_revision())
    )
    lock = [sys.executable, str(DEPLOY / "cut_lock.py"), "aiosmtpd"]
    (context / "aiosmtpd.txt").write_text(
        subprocess.run(lock, capture_output=True, text=True, check=True).stdout
    )
    for target in ("python", "postgres", "valkey", "nginx", "certbot"):
        _build_ours(engine, target, f"rdvdrill/{target}", {"debian": _DEBIAN})
    sizes = []
    for image in IMAGES:
        shipped = f"rdvdrill/{image}"
        _build_shipped(engine, image, shipped)
        for target, release in (("release", "v1"), ("next", "v2"), ("bad", "v3")):
            _build_ours(engine, target, f"rdvpriority.invalid/{image}:{release}", {"app": shipped})
        size = int(engine.docker("image", "inspect", "--format", "{{.Size}}", shipped))
        sizes.append(f"{image} {size / 1e6:.0f} MB")
    _build_ours(engine, "stand-ins", "rdvdrill/stand-ins", {"app": "rdvdrill/app"})
    return ", ".join(sizes)


def _make_debian(engine: Engine) -> None:
    """Make the Debian that all begin with, once."""
    if _DEBIAN in engine.docker("images", "--format", "{{.Repository}}").split():
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        included = f"--include={','.join(_PACKAGES)}"
        _run("debootstrap", "--variant=minbase", included, _SUITE, str(root))
        shutil.copy(f"/{_TRUSTED}", root / _TRUSTED)
        (root / _EXTERNAL).unlink(missing_ok=True)
        packed = Path(folder) / "root.tar"
        _run("tar", "--directory", str(root), "--create", "--file", str(packed), ".")
        engine.docker("import", str(packed), _DEBIAN)


def _build_shipped(engine: Engine, target: str, tag: str) -> None:
    """Build a target of the shipped Dockerfile; its bases lead to our images of the same contents."""
    file = DEPLOY / "images" / "Dockerfile"
    bases = [line.split()[1] for line in file.read_text("utf-8").splitlines() if line.startswith("FROM")]
    ours = {base: f"rdvdrill/{base.partition(':')[0]}" for base in bases if "@" in base}
    _build(engine, file, target, tag, images=ours, context=DEPLOY.parent)


def _build_ours(engine: Engine, target: str, tag: str, images: Mapping[str, str]) -> None:
    _build(engine, _OURS / "images" / "Dockerfile", target, tag, images=images, context=engine.files.folder)


def _build(
    engine: Engine, file: Path, target: str, tag: str, *, images: Mapping[str, str], context: Path
) -> None:
    """Build one; `images` replace names that its file begins with or copies from."""
    postgres, valkey = find_in_wheel("postgres"), find_embedded()
    if postgres is None or valkey is None:
        raise StepFailed("the embedded servers are not installed: make setup")
    package = postgres.parents[2]
    folders = {
        "postgresql-wheel": postgres.parents[1],
        "libraries": package.with_name(f"{package.name}.libs"),
        "valkey-wheel": valkey.parent,
    }
    contexts = {name: str(path) for name, path in folders.items()}
    contexts |= {name: f"docker-image://{image}" for name, image in images.items()}
    named = [part for each in contexts.items() for part in ("--build-context", "=".join(each))]
    options = ["--network", "host", "--file", str(file), "--target", target, "--tag", tag]
    engine.docker("buildx", "build", *options, *named, str(context), seconds=1800)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepFailed(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
