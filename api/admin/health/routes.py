"""Routes of /api/health. Rate limits do not count them."""

from typing import Any

from api.admin.health.findings import PartState
from api.admin.health.live_report import Health, Live, read_live_report
from api.web.openapi import declare_errors, make_blueprint

blueprint = make_blueprint("health", __name__, "/api/health", "health", "Whether people are told")


@blueprint.get("", responses={**declare_errors(), 200: Health, 503: Health})
def health() -> tuple[dict[str, Any], int]:
    """Return the state of each part; 503 where alerts cannot be delivered."""
    return _build_report()


@blueprint.get("/ready", responses={**declare_errors(), 200: Health, 503: Health})
def ready() -> tuple[dict[str, Any], int]:
    """Readiness: the same checks as `/api/health`."""
    return _build_report()


@blueprint.get("/live", responses={200: Live, **declare_errors()})
def live() -> dict[str, Any]:
    """Tell that this process answers; nothing else is touched."""
    return Live().as_json()


def _build_report() -> tuple[dict[str, Any], int]:
    report = read_live_report()
    return report.as_json(), 503 if report.status == PartState.DOWN else 200
