"""Addresses of the operators' pages of desks and of what incidents are about."""

from flask import url_for

from api.admin.watch.queries import count_watched_desks
from configs.world.prefecture import desks


def build_desk_url(desk_id: str) -> str:
    """Return the address of a desk's page."""
    prefecture, _, slug = desk_id.partition("/")
    return url_for("admin_desks.show_desk", prefecture=prefecture, slug=slug)


def find_subject_url(subject: str) -> str | None:
    """Return the address of the desk or host that an incident is about; None of any other subject."""
    if subject in desks():
        return build_desk_url(subject)
    return url_for("admin_hosts.show_host", host=subject) if count_watched_desks()[subject] else None
