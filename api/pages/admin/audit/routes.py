"""Operators' page of the audit: what operators did and saw."""

from flask import render_template

from api.admin.access import audited
from api.admin.system import queries
from api.admin.system.schemas import AuditQuery
from api.middleware.auth import current_identity
from api.pages.admin.audit.view_data import describe_entry
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form

area = Area("admin_audit", __name__)


@area.page("/admin/journal", Access.OPERATOR)
def list_audit() -> str:
    """List what operators did and saw, the newest first."""
    form = Form.read_query(AuditQuery)
    with audited("audit.list", "audit") as work:
        found = queries.list_audit(work.session, form.value)
        names = queries.name_actors(work.session, found.items, full=work.actor.sees_addresses)
    zone = current_identity().time_zone
    return render_template(
        "admin_audit/audit.html",
        form=form,
        entries=[describe_entry(each, names, zone) for each in found.items],
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )
