"""Checks by browser beside bare Playwright on the same page, and what a process holds after very many of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from configs.browser_binary import missing_browser
from deploy.bench.figures import Effort, Figure, Say, at_most
from deploy.sandbox.running import running

_SITE, _FORM, _PLANNING = "rendered", 992095, 992195
_FILES = Path(__file__).parents[1] / "sandbox" / "prefectures"
Turn = dict[str, dict[str, float]]
_FLAT = 1.15  # times; what was held after the first browsers


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure in turns; the ratio is the median of three.

    Raises:
        RuntimeError: there is no browser, or a check did not see the slots that are open.
    """
    if missing := missing_browser():
        raise RuntimeError(f"no browser: {missing}")
    with running() as sandbox:
        sandbox.open_slots(_SITE, _FORM, count=3, planning=_PLANNING)
        told = _measured(f"{sandbox.site(_SITE)}/calendrier/{_FORM}", effort.of(20, 2), effort.of(500, 100))
    held = told["held"]
    for turn in (*told["alone"], *told["together"]):
        say("; ".join(f"{name}: {1 / each['seconds']:.2f} checks/s" for name, each in turn.items()))
    say(f"held after each 50 checks: {' '.join(map(str, held))} MB")
    first, last = max(held[:2]), max(held[-2:])
    return [
        *_compared("one after the other", told["alone"]),
        *_compared("two at once", told["together"]),
        Figure(
            "CPU a check, browser and all, ms", median(each["ours"]["cpu"] * 1000 for each in told["alone"])
        ),
        Figure(
            "CPU ÷ bare Playwright",
            median(each["ours"]["cpu"] / each["bare"]["cpu"] for each in told["alone"]),
        ),
        Figure("held after the first 100 checks (PSS, browser and all), MB", first),
        Figure(f"held after {50 * len(held)} checks, MB", last),
        Figure("÷ that after the first 100", last / first, at_most(_FLAT)),
    ]


def _compared(how: str, turns: list[Turn]) -> list[Figure]:
    rates = [
        (1 / each["ours"]["seconds"], each["bare"]["seconds"] / each["ours"]["seconds"]) for each in turns
    ]
    return [
        Figure(f"checks by browser, {how}, checks/s", median(ours for ours, _ in rates)),
        Figure(f"{how}, ÷ bare Playwright", median(ratio for _, ratio in rates)),
    ]


def _measured(url: str, checks: int, many: int) -> dict[str, Any]:
    """Return what deploy/bench/browsing.py measured; `held`: MB after each 50 checks."""
    command = [sys.executable, "-W", "ignore", "-m", "deploy.bench.browsing", url, str(checks), str(many)]
    environment = {
        **os.environ,
        "APP_ENV": "sandbox",
        "PREFECTURES_DIR": str(_FILES),
        "ANTS_TOKEN": "sandbox-token",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"deploy.bench.browsing: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
