"""An example of a request to each route of /api/admin."""

from typing import Any

HOST = "127.77.0.93:8800"

# By route: what to send for an answer without error, after {names} are filled in; the subject's type, action and id.
EXAMPLES: dict[tuple[str, str], tuple[dict[str, Any] | None, str, str, str | None]] = {
    ("GET", "/users"): (None, "user", "users.search", None),
    ("POST", "/users/search"): ({"email": "camille@example.org"}, "user", "users.search", None),
    ("GET", "/users/<uuid:id>"): (None, "user", "user.view", "{user}"),
    ("PATCH", "/users/<uuid:id>/role"): ({"role": "support"}, "user", "user.role", "{user}"),
    ("GET", "/users/<uuid:id>/grants"): (None, "user", "user.grants", "{user}"),
    ("POST", "/users/<uuid:id>/grants"): ({"plan": "URGENCE_7J"}, "user", "grant.give", "{user}"),
    ("DELETE", "/users/<uuid:id>/grants/<uuid:grant_id>"): (None, "grant", "grant.end", "{grant}"),
    ("GET", "/alerts"): (None, "alert", "alerts.search", None),
    ("GET", "/alerts/<uuid:id>"): (None, "alert", "alert.view", "{alert}"),
    ("POST", "/alerts/<uuid:id>/pause"): (None, "alert", "alert.pause", "{alert}"),
    ("POST", "/alerts/<uuid:id>/resume"): (None, "alert", "alert.resume", "{alert}"),
    ("GET", "/desks"): (None, "desk", "desks.list", None),
    ("GET", "/desks/<prefecture>/<slug>"): (None, "desk", "desk.view", "{desk}"),
    ("POST", "/desks/<prefecture>/<slug>/pause"): ({"reason": "a test"}, "desk", "desk.pause", "{desk}"),
    ("POST", "/desks/<prefecture>/<slug>/resume"): (None, "desk", "desk.resume", "{desk}"),
    ("POST", "/desks/<prefecture>/<slug>/check"): (None, "desk", "desk.check", "{desk}"),
    ("GET", "/hosts"): (None, "host", "hosts.list", None),
    ("POST", "/hosts/<host>/stop"): ({"reason": "a test"}, "host", "host.stop", HOST),
    ("POST", "/hosts/<host>/go"): (None, "host", "host.go", HOST),
    ("GET", "/checks"): (None, "check", "checks.list", None),
    ("GET", "/detections"): (None, "detection", "detections.list", None),
    ("GET", "/incidents"): (None, "incident", "incidents.list", None),
    ("POST", "/incidents/<id>/acknowledge"): (None, "incident", "incident.acknowledge", "{incident}"),
    ("GET", "/notifications"): (None, "notification", "notifications.list", None),
    ("GET", "/dead-letters"): (None, "notification", "dead-letters.list", None),
    ("POST", "/dead-letters/replay"): ({}, "notification", "dead-letters.replay", None),
    ("GET", "/delivery"): (None, "delivery", "delivery.view", None),
    ("GET", "/queues"): (None, "queue", "queues.list", None),
    ("GET", "/audit"): (None, "audit", "audit.list", None),
    ("GET", "/payments"): (None, "payment", "payments.list", None),
    ("GET", "/payments/<uuid:id>"): (None, "payment", "payment.view", "{payment}"),
    ("POST", "/payments/<uuid:id>/refunds"): ({"note": "a test"}, "payment", "payment.refund", "{payment}"),
    ("GET", "/declarations"): (None, "declaration", "declarations.list", None),
    ("GET", "/stripe-events"): (None, "stripe-event", "stripe-events.list", None),
    ("POST", "/stripe-events/<id>/replay"): (None, "stripe-event", "stripe-event.replay", "{event}"),
    ("GET", "/payment-differences"): (None, "payment-difference", "payment-differences.list", None),
    ("GET", "/invoice-totals"): (None, "invoice", "invoice-totals.export", None),
    ("GET", "/invoice-totals.csv"): (None, "invoice", "invoice-totals.export", None),
    ("GET", "/settings"): (None, "settings", "settings.view", None),
    ("GET", "/status"): (None, "status", "status.view", None),
}  # fmt: skip
# What has to be done before a route can succeed.
FIRST = {
    "/alerts/<uuid:id>/resume": ("/alerts/<uuid:id>/pause", None),
    "/desks/<prefecture>/<slug>/resume": ("/desks/<prefecture>/<slug>/pause", {"reason": "a test"}),
    "/hosts/<host>/go": ("/hosts/<host>/stop", {"reason": "a test"}),
}
