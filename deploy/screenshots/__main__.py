"""`make screenshots`: writes a picture of every page in every variant to .state/screenshots, and an index.html.

A server of pages runs for it on a world that is filled with rows; nothing watches or sends. `--only` and `--variants`
take fewer. `--docs` writes the pictures of the documentation to docs/ instead.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from random import Random

import sqlalchemy as sa

from configs.browser_binary import missing_browser
from configs.settings import PREFECTURES
from deploy.screenshots.camera import VARIANTS, Camera, Variant, open_camera
from deploy.screenshots.gallery import write_gallery
from deploy.screenshots.money_rows import write_customer
from deploy.screenshots.operator_rows import write_operations
from deploy.screenshots.page_list import WATCHED_HOST, Shot, list_shots
from deploy.screenshots.payment_rows import write_invoices, write_payments
from deploy.screenshots.people_rows import WATCHED, People, Who, enable_second_factor, write_people
from deploy.screenshots.watching_rows import write_watching
from tests.lab.bench.figures import forget
from tests.lab.bench.servers import API, Servers, serve_app, servers

_FOLDER = Path(".state/screenshots")
_DOCS = Path("docs")
_SEED = 7
# The pictures of the documentation: page, window. They show what fits into it.
_DOCS_SHOTS = (
    ("advice", Variant("page", 1100, 1000)),
    ("map", Variant("page", 1100, 860)),
    ("alert", Variant("page", 1000, 900)),
    ("admin-incident", Variant("page", 1000, 720)),
    ("home", Variant("arabic", 390, 844, language="ar")),
)


def main(arguments: list[str]) -> int:
    """Take the pictures; return 1 where a page looks wrong."""
    options = _read_options(arguments)
    if missing := missing_browser():
        raise SystemExit(f"make screenshots: no browser: {missing}")
    began = time.monotonic()
    settings = {"PREFECTURES_DIR": str(PREFECTURES), "RECENT_PROOF_SECONDS": "3600"}
    with servers(lambda _: settings) as made:
        people, shots = _write_world(made)
        folder = _DOCS if options.docs else _FOLDER
        with (
            serve_app(made, API, PROGRAM="api") as port,
            open_camera(f"http://127.0.0.1:{port}", folder) as camera,
        ):
            _sign_in(camera, people)
            flaws = _take_docs(camera, shots) if options.docs else _take_all(camera, shots, options)
    print(f"{flaws} flaws, {time.monotonic() - began:.0f} s")
    return int(flaws > 0)


def _write_world(made: Servers) -> tuple[People, list[Shot]]:
    os.environ |= made.environment
    forget()
    write_watching(Random(_SEED))  # noqa: S311 -- no secret
    people = write_people()
    payment_id = write_payments(people.users[Who.CAMILLE])
    invoice_id = write_invoices(payment_id)
    write_operations(people.users[Who.OPERATOR], WATCHED_HOST)
    write_customer(WATCHED)
    with made.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
    return people, list_shots(people, payment_id, invoice_id)


def _sign_in(camera: Camera, people: People) -> None:
    for who in people.users:
        camera.sign_in(who)
    for who in (Who.LONG, Who.OPERATOR):
        enable_second_factor(people.users[who])  # afterwards: its sign-in asks for a code from now on


def _take_all(camera: Camera, shots: list[Shot], options: argparse.Namespace) -> int:
    """Take every picture that is asked for, print what looks wrong, and return how much does."""
    wanted = [each for each in shots if not options.only or each.name in options.only]
    variants = [each for each in VARIANTS if not options.variants or each.name in options.variants]
    flaws = 0
    for variant in variants:
        for shot in wanted:
            for flaw in camera.take(shot, variant):
                flaws += 1
                print(f"{shot.name}-{variant.name}: {flaw}", flush=True)
    print(f"{len(wanted) * len(variants)} pictures: {write_gallery(_FOLDER, shots, VARIANTS)}")
    return flaws


def _take_docs(camera: Camera, shots: list[Shot]) -> int:
    by_name = {each.name: each for each in shots}
    return sum(len(camera.take(by_name[name], window, whole=False)) for name, window in _DOCS_SHOTS)


def _read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.screenshots", description=__doc__)
    parser.add_argument("--only", type=_split, help="names of pages, separated by commas", metavar="NAMES")
    parser.add_argument("--variants", type=_split, help="names of variants, likewise", metavar="NAMES")
    parser.add_argument("--docs", action="store_true", help="the pictures of the documentation, to docs/")
    return parser.parse_args(arguments)


def _split(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
