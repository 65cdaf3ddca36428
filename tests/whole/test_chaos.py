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
_PATIENCE = 1300.0  # seconds; a busy machine takes minutes to start everything, and long for each wave
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
# What the run must have met, at least: without it nothing would be proved.
LEAST = {
    "messages expected": 50, "messages delivered": 50, "without a receipt, allowed": 1, "proofs kept": 10,
    "payments": 10, "order mails": 5, "withdrawals": 1, "accounts deleted": 1, "exports": 1, "cents withdrawn": 1,
    "looks": 10, "told of looks": 10,
}  # fmt: skip
KILLED = {
    "spider", "worker", "sweep", "notifier master", "planner", "gunicorn worker", "scrapyd", "proofs",
    "background master", "job-worker", "payments-worker",
}  # fmt: skip


def run_chaos(folder: Path) -> tuple[int, str, dict[str, Any]]:
    """Run it; return its exit code, what it printed, and its figures."""
    waves, found = ";".join(",".join(wave) for wave in WAVES), folder / "figures.json"
    command = [sys.executable, "-m", "tests.lab.chaos", "--seed", "7", "--waves", waves, "--to", str(found)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    with (folder / "said").open("wb") as sink:
        run = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=sink, stderr=sink)
        try:
            code = run.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            run.terminate()  # asked, so that it ends its stack
            code = run.wait(60)
    said = (folder / "said").read_text()
    assert found.exists(), said
    return code, said, json.loads(found.read_text())


@pytest.mark.rule("3.5")
def test_whatever_dies_nothing_is_lost_doubled_or_paid_wrongly(tmp_path: Path) -> None:
    code, said, figures = run_chaos(tmp_path)
    assert code == 0, said  # what is lost, doubled, late or differs in a book is named there
    left_out = {name for wave in WAVES for name in wave if f"{name} is left out" in said}
    assert left_out <= {name for name, each in faults().items() if each.needs_disk}
    assert set(figures["struck"]) == {name for wave in WAVES for name in wave} - left_out, figures["missed"]
    assert set(figures["killed"]) >= KILLED
    assert figures["rounds"] == len(WAVES)
    assert {name: figures[name] for name, least in LEAST.items() if figures[name] < least} == {}
    assert figures["proofs kept"] > figures.get("proofs lost, allowed", 0)
    assert figures["cents paid"] > figures["cents refunded"] >= figures["cents withdrawn"]
    # Bills of a house have one before they are paid; one too many would differ in a book.
    assert figures["invoices"] >= figures["payments"]
    assert figures["credit notes"] >= figures["withdrawals"]
