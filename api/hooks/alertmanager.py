"""Calls of Prometheus' Alertmanager: whether one is genuine, its body, and its alarms with bounded texts.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hmac
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from api.errors import ApiError
from api.operations.prometheus_alarms import PrometheusAlarm
from configs.formatting import truncate_line
from configs.settings import SettingMissing, settings

LARGEST_CALL = 100  # alarms; Alertmanager sends that many at most (max_alerts in alertmanager.yml)
_WATCHDOG = "Watchdog"  # a rule that always fires: its calls prove that Prometheus and Alertmanager work
_SCHEME = "bearer"
_NAME, _VALUE, _SUMMARY, _RUNBOOK = 80, 40, 300, 120  # characters
_LABELS = 5  # of a subject, at most
_IN_NO_SUBJECT = frozenset({"alertname", "severity", "instance"})

Texts = Annotated[dict[str, str], Field(max_length=64)]


class _Alert(BaseModel):
    """One alarm of a call; what else Alertmanager says of it is left out."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    status: Literal["firing", "resolved"]
    labels: Texts
    annotations: Texts = {}
    starts_at: AwareDatetime

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


class AlertmanagerCall(BaseModel):
    """The body of a call, version 4."""

    model_config = ConfigDict(frozen=True)

    version: Literal["4"]
    alerts: Annotated[list[_Alert], Field(max_length=LARGEST_CALL)]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a call.

        Raises:
            ApiError: 422, it is none, or has more than LARGEST_CALL alarms. Alertmanager does not send it again.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(each) for each in first["loc"][:4]) or "the body"
            raise ApiError(
                422,
                "invalid",
                f"no call of Alertmanager (version 4): {place}: {truncate_line(first['msg'], 200)}",
            ) from None

    @property
    def has_watchdog(self) -> bool:
        """Whether it says that alarms can reach us."""
        return any(each.name == _WATCHDOG and each.status == "firing" for each in self.alerts)

    def list_alarms(self) -> list[PrometheusAlarm]:
        """Return its alarms, without the watchdog."""
        return [_read_alarm(each) for each in self.alerts if each.name != _WATCHDOG]


def has_token(authorization: str) -> bool:
    """Return whether a header carries one of ALERTMANAGER_TOKEN; without that setting none does."""
    try:
        known = settings().require_all("alertmanager_token")
    except SettingMissing:
        return False
    scheme, _, given = authorization.partition(" ")
    token = given.strip().encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(token, each.encode()) for each in known]  # each takes the same time
    return scheme.lower() == _SCHEME and any(matches)


def _read_alarm(alert: _Alert) -> PrometheusAlarm:
    return PrometheusAlarm(
        subject=_write_subject(alert),
        is_firing=alert.status == "firing",
        starts_at=alert.starts_at,
        severity="critical" if alert.labels.get("severity") == "critical" else "warning",
        summary=truncate_line(alert.annotations.get("summary", ""), _SUMMARY) or _write_subject(alert),
        runbook=truncate_line(alert.annotations.get("runbook", ""), _RUNBOOK) or "docs/operations.md",
    )


def _write_subject(alert: _Alert) -> str:
    """Return the rule's name and the labels that tell its alarms apart: `QueueOld (queue=critical)`."""
    name = truncate_line(alert.name, _NAME) or "?"
    own = sorted(each for each in alert.labels.items() if each[0] not in _IN_NO_SUBJECT)[:_LABELS]
    pairs = ", ".join(f"{truncate_line(key, _VALUE)}={truncate_line(value, _VALUE)}" for key, value in own)
    return f"{name} ({pairs})" if pairs else name
