"""Operators' pages of incidents: the list, one incident, and the acknowledgement of its alarm."""

from flask import render_template
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.incidents import queries, service
from api.admin.incidents.schemas import IncidentEntry, IncidentQuery
from api.pages.admin.confirmation import NoFields, ask_confirmation, carry_out
from api.pages.admin.incidents.view_data import IncidentView, describe_acknowledgement
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form

area = Area("admin_incidents", __name__)
_ONE = "/admin/incidents/<int:id>"


@area.page("/admin/incidents", Access.OPERATOR)
def list_incidents() -> str:
    """List incidents, the newest first."""
    form = Form.read_query(IncidentQuery)
    with audited("incidents.list", "incident") as work:
        found = queries.list_incidents(work.session, form.value)
    return render_template(
        "admin_incidents/incidents.html",
        form=form,
        incidents=found.items,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.page(_ONE, Access.OPERATOR)
def show_incident(id: int) -> str:  # noqa: A002 -- the name in the address
    """Show one incident with what became of its alarm."""
    view = IncidentView.of(_read_incident(id))
    return render_template("admin_incidents/incident.html", view=view)


@area.page(f"{_ONE}/acquittement", Access.ADMIN)
def ask_acknowledgement(id: int) -> str:  # noqa: A002 -- the name in the address
    """Ask once more before an alarm is acknowledged."""
    return ask_confirmation(describe_acknowledgement(_read_incident(id)), NoFields)


@area.action(f"{_ONE}/acquittement", Access.ADMIN)
def acknowledge_incident(id: int) -> ResponseReturnValue:  # noqa: A002 -- the name in the address
    """Acknowledge an alarm, so that it is not sent once more."""

    def act(_: NoFields) -> str:
        with audited("incident.acknowledge", "incident", id) as work:
            work.changes.update(service.acknowledge_incident(work.session, id))
        return f"L’incident {id} est acquitté."

    return carry_out(describe_acknowledgement(_read_incident(id)), NoFields, act)


def _read_incident(incident_id: int) -> IncidentEntry:
    with audited("incident.view", "incident", incident_id) as work:
        return queries.read_incident(work.session, incident_id)
