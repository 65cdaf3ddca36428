"""Events of webhooks: written with what they tell of, in its transaction. They name references, a desk and times."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import database_clock
from api.models.organisation_access import TEST_EVENT, Webhook, WebhookDelivery, WebhookEvent

# One event for each person that an organisation helps, and each of its webhooks that is told of such events.
_WRITE = sa.text("""
INSERT INTO webhook_deliveries (id, webhook_id, dedupe_key, body, created_at, next_attempt_at)
SELECT gen_random_uuid(), w.id, :event || ':' || p.key,
  CAST(:body AS jsonb)
    || jsonb_build_object('data', CAST(:data AS jsonb) || jsonb_build_object('reference', b.reference)),
  CAST(:now AS timestamptz), CAST(:now AS timestamptz)
FROM json_to_recordset(CAST(:people AS json)) AS p(user_id uuid, key text)
JOIN beneficiaries b ON b.user_id = p.user_id
JOIN webhooks w ON w.organisation_id = b.organisation_id AND w.ended_at IS NULL AND :event = ANY(w.events)
ON CONFLICT (webhook_id, dedupe_key) DO NOTHING
""")


def write_event(
    session: Session, event: WebhookEvent, people: Mapping[UUID, object], at: datetime, **data: Any
) -> None:
    """Write an event of each of these users whom an organisation helps; others have none.

    `people` has what is told of each once: the same key writes nothing a second time.
    """
    if people:
        rows = [{"user_id": str(user), "key": str(key)} for user, key in people.items()]
        given = {"people": rows, "body": _build_body(event, at), "data": data}
        texts = {name: json.dumps(value) for name, value in given.items()}
        session.execute(_WRITE, texts | {"event": event.value, "now": database_clock(session)})


def write_test_event(session: Session, webhook: Webhook, at: datetime) -> None:
    """Write an event that an owner asked for, to see it arrive."""
    body = _build_body(TEST_EVENT, at) | {"data": {}}
    session.add(
        WebhookDelivery(webhook_id=webhook.id, dedupe_key=f"{TEST_EVENT}:{at.isoformat()}", body=body)
    )


def _build_body(event: str, at: datetime) -> dict[str, Any]:
    return {"type": event, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
