"""Metrics of health: the state of each part, as /api/health of the running API says it."""

import json
import urllib.error
import urllib.request
from typing import Any

from api.health.metric_reads.sample import Sample
from configs.settings import settings

_SECONDS = 2.0
_STATES = {"ok": 0, "degraded": 1, "down": 2}
_MOST_BYTES = 1 << 20
API = "api"  # the part that answers for all others


def read_health() -> list[Sample]:
    """Ask the API; where it does not answer, the part `api` is down and nothing is known of the others."""
    try:
        parts = _ask(f"{_find_address()}/api/health")["parts"]
        states = {name: _STATES[part["status"]] for name, part in parts.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return [Sample("health_part_state", _STATES["down"], (API,))]
    return [Sample("health_part_state", state, (name,)) for name, state in {API: 0, **states}.items()]


def _find_address() -> str:
    return settings().metrics_api_url or f"http://127.0.0.1:{settings().port}"


def _ask(url: str) -> Any:
    # a proxy does not reach our own network
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_SECONDS) as answer:
            return json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as refusal:  # 503: parts are down
        with refusal:
            return json.loads(refusal.read(_MOST_BYTES))
