"""`python -m deploy.program_imports IMAGE`: imports all that our programs import, in the present environment.

An image is built with it: what its part of the lock lacks fails there, and what is imported is kept compiled.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator

IMAGES = ("app", "app-browser")
# Our packages and modules that run in an image.
OURS = (
    "api",
    "configs",
    "crawler",
    "deploy.backup",
    "deploy.health_check",
    "deploy.metrics",
    "deploy.postgres_tools",
    "deploy.scrapyd",
    "deploy.keys",
    "deploy.status",
    "notifier",
)
# Modules that need a browser's libraries: loaded where a browser is found only.
NEED_BROWSER = ("crawler.browser", "crawler.proofs.screenshots")
# Programs and drivers of third parties: our code imports them nowhere by name.
_NAMED_ELSEWHERE = ("flask.cli", "gunicorn.app.wsgiapp", "s3fs", "scrapy.cmdline", "scrapyd.__main__")


def list_modules(image: str) -> Iterator[str]:
    """Yield the names of our modules that an image's programs import."""
    for name in OURS:
        yield name
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{name}."):
            if image == "app-browser" or not found.name.startswith(NEED_BROWSER):
                yield found.name


def find_failures(image: str) -> dict[str, str]:
    """Import everything; return the modules that cannot be imported, each with its error."""
    failures = {}
    for name in (*list_modules(image), *_NAMED_ELSEWHERE):
        if name.startswith("api.migrations."):
            continue  # Alembic runs these
        try:
            importlib.import_module(name)
        except ImportError as error:
            failures[name] = str(error)
    return failures


def main(arguments: list[str]) -> int:
    """Import them; return 0 if all can be imported."""
    if len(arguments) != 1 or arguments[0] not in IMAGES:
        raise SystemExit(f"usage: python -m deploy.program_imports {'|'.join(IMAGES)}")
    failures = find_failures(arguments[0])
    for name, error in failures.items():
        print(f"{name} cannot be imported: {error}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
