"""Routes of /l: pages behind the links in messages. GET changes nothing, because mail scanners open every link."""

from api.links import (
    account_routes,
    answer_routes,
    appointment_routes,
    incident_routes,
    payment_routes,
    stop_routes,
)
from api.links.blueprint import blueprint

__all__ = ["SUBJECTS", "blueprint"]

SUBJECTS = (
    account_routes,
    answer_routes,
    appointment_routes,
    incident_routes,
    payment_routes,
    stop_routes,
)  # importing them adds their routes
