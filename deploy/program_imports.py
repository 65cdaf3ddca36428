"""`python -m deploy.program_imports IMAGE`: imports all that an image's programs import, in the present environment.

An image is built with it: what a lock lacks fails there, and only what is imported is kept compiled. A clean
environment of a lock is tried the same way.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

_CRAWLER = (
    "api.models",
    "configs",
    "crawler",
    "deploy.health_check",
    "deploy.local.run_supervisord",
    "deploy.local.scrapyd",
    # what the crawler calls of the notifier's front door
    "notifier.message_kinds",
    "notifier.notification_writer",
    "notifier.nudges",
)
# Our packages and modules, by image.
OURS = {
    "api": ("api", "configs", "deploy.health_check", "deploy.metrics", "deploy.status", "notifier"),
    "backup": ("configs", "deploy.backup", "deploy.health_check", "deploy.postgres_tools"),
    "browser": _CRAWLER,
    "crawler": _CRAWLER,
    "notifier": ("api.models", "configs", "deploy.health_check", "notifier"),
}
# Modules that need a browser's libraries: loaded where a browser is found only.
NEED_BROWSER = ("crawler.browser", "crawler.proofs.screenshots")
# Programs and drivers of third parties: our code imports them nowhere by name.
_NAMED_ELSEWHERE = {
    "api": ("flask.cli", "gunicorn.app.wsgiapp", "s3fs"),
    "backup": ("s3fs",),
    "browser": ("s3fs", "scrapy.cmdline", "scrapyd.__main__", "supervisor.supervisord"),
    "crawler": ("s3fs", "scrapy.cmdline", "scrapyd.__main__", "supervisor.supervisord"),
    "notifier": (),
}
LARGEST = 300  # MB of environment, of every image but the browser's


def list_modules(image: str) -> Iterator[str]:
    """Yield the names of our modules that the image's programs import."""
    for name in OURS[image]:
        yield name
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
            if image == "browser" or not found.name.startswith(NEED_BROWSER):
                yield found.name


def find_failures(image: str) -> dict[str, str]:
    """Import everything; return the modules that cannot be imported, each with its error."""
    failures = {}
    for name in (*list_modules(image), *_NAMED_ELSEWHERE[image]):
        if name.startswith("api.migrations."):
            continue  # Alembic runs these
        try:
            importlib.import_module(name)
        except ImportError as error:
            failures[name] = str(error)
    return failures


def measure_environment() -> int:
    """Return the size of this Python's environment, in MB on the disk."""
    files = (Path(folder) / name for folder, _, names in os.walk(sys.prefix) for name in names)
    return sum(file.lstat().st_blocks * 512 for file in files) // 1_000_000


def main(arguments: list[str]) -> int:
    """Import them; return 0 if all can be imported and the environment is not too large."""
    if len(arguments) != 1 or arguments[0] not in OURS:
        raise SystemExit(f"usage: python -m deploy.program_imports {'|'.join(OURS)}")
    (image,) = arguments
    failures, size = find_failures(image), measure_environment()
    for name, error in failures.items():
        print(f"{name} cannot be imported: {error}")
    print(f"{image}: {size} MB")
    return int(bool(failures) or (image != "browser" and size > LARGEST))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
