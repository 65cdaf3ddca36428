"""A short run of `make chaos` with fixed faults: whole processes die, servers go, sites hang; every message comes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lab.chaos.faults import faults
from tests.whole.conftest import STACK_JOURNEY

pytestmark = STACK_JOURNEY
_PATIENCE = 1100.0  # seconds; a busy machine takes minutes to start everything
ROOT = Path(__file__).resolve().parents[2]
WAVES = (
    ("half-of-the-sites-hang", "provider-is-slow"),
    (
        "kill-spider", "kill-workers", "kill-sweep", "kill-notifier", "kill-planner", "kill-gunicorn-worker",
        "kill-scrapyd",
        "empty-redis", "restart-postgres", "provider-breaks", "site-breaks-off",
        "fill-the-disk", "kill-proofs", "kill-background",
        "stripe-is-away",
    ),
    ("store-of-proofs-is-away",),
    ("kill-payments-worker", "stripe-events-are-troubled"),
    (
        "stripe-acts-and-breaks-off", "open-many-slots",
        "kill-job-worker",
    ),
    ("first-provider-of-mail-is-away", "receipts-come-late", "receipts-are-repeated"),
    ("receipts-are-lost",),
    ("step-clock", "restore-older-redis"),
)  # fmt: skip
Figures = dict[str, Any]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    folder = tmp_path_factory.mktemp("chaos")
    waves = ";".join(",".join(wave) for wave in WAVES)
    command = [sys.executable, "-m", "tests.lab.chaos", "--seed", "7", "--waves", waves]
    with (folder / "said").open("wb") as sink:
        run = subprocess.Popen(
            [*command, "--to", str(folder / "figures.json")],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("TEST_")},
            stdout=sink,
            stderr=sink,
        )
        try:
            code = run.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            run.terminate()  # asked, so that it ends its stack
            code = run.wait(60)
    said = (folder / "said").read_text()
    found = folder / "figures.json"
    assert found.exists(), said
    read: Figures = json.loads(found.read_text())
    return read | {"said": said, "code": code}


@pytest.mark.rule("3.5")
def test_nothing_is_lost_and_nothing_doubled_without_leave(figures: Figures) -> None:
    assert figures["lost"] == figures["doubled, not allowed"] == figures["told to strangers"] == 0, figures[
        "said"
    ]
    assert figures["messages expected"] >= 50
    assert figures["code"] == 0, figures["said"]


def test_the_stack_recovers_without_a_hand(figures: Figures) -> None:
    assert figures["rounds"] == len(WAVES)
    assert figures["rounds that were not well in time"] == 0, figures["said"]


def test_every_fault_struck(figures: Figures) -> None:
    left_out = {name for wave in WAVES for name in wave if f"{name} is left out" in figures["said"]}
    assert left_out <= {name for name, each in faults().items() if each.needs_disk}
    assert set(figures["struck"]) == {name for wave in WAVES for name in wave} - left_out, figures["missed"]
    assert {
        "spider",
        "worker",
        "sweep",
        "notifier master",
        "planner",
        "gunicorn worker",
        "scrapyd",
        "proofs",
        "background master",
        "job-worker",
        "payments-worker",
    } <= set(figures["killed"])


def test_every_detection_has_its_page_or_lost_it_with_its_spider(figures: Figures) -> None:
    assert figures["proofs lost"] == 0, figures["said"]
    assert figures["proofs kept"] >= 10
    assert figures["proofs kept"] > figures.get("proofs lost, allowed", 0)


def test_payments_agree_with_stripe_to_the_cent(figures: Figures) -> None:
    assert figures["payments that differ"] == 0, figures["said"]
    assert figures["payments"] >= 10
    assert figures["cents paid"] > figures["cents refunded"] > 0
    assert figures["order mails"] >= 5


def test_every_message_ends_by_its_receipt_and_copies_are_counted(figures: Figures) -> None:
    assert figures["messages that differ"] == 0, figures["said"]
    assert figures["messages delivered"] >= 50
    assert figures["without a receipt, allowed"] >= 1


def test_withdrawals_documents_exports_and_deletions_are_as_the_law_asks(figures: Figures) -> None:
    for name in ("withdrawals that differ", "deletions that differ", "promises that are broken"):
        assert figures[name] == 0, figures["said"]
    assert figures["invoices"] == figures["payments"]
    assert min(figures["withdrawals"], figures["accounts deleted"], figures["exports"]) >= 1
    assert figures["cents refunded"] >= figures["cents withdrawn"] > 0
    assert figures["credit notes"] >= figures["withdrawals"]


def test_the_seed_is_said_with_how_to_repeat_and_the_last_line_is_the_summary(figures: Figures) -> None:
    lines = figures["said"].strip().splitlines()
    assert "--seed 7" in lines[0]
    assert {"lost: 0", "doubled, not allowed: 0", "cents that differ: 0"} <= set(lines[-1].split(" · "))
