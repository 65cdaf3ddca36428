"""Operators' pages of detections: the list, one with its slots and messages, and the way to its proof."""

from uuid import UUID

from flask import redirect, render_template
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.detections.queries import MOST_SLOTS, read_detection, read_proof_link
from api.admin.watch.queries import list_detections as select_detections
from api.admin.watch.schemas import DetectionQuery
from api.models.slot import GoneReason
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form
from api.pages.message_words import STATE_WORDS

area = Area("admin_detections", __name__)
_GONE: dict[GoneReason, str] = {
    GoneReason.TAKEN: "pris",
    GoneReason.PAST: "passé",
    GoneReason.LAPSED: "plus confirmé",
    GoneReason.SUPERSEDED: "remplacé par des heures",
}


@area.page("/admin/detections", Access.OPERATOR)
def list_detections() -> str:
    """List detections, the newest first."""
    form = Form.read_query(DetectionQuery)
    with audited("detections.list", "detection") as work:
        found = select_detections(work.session, form.value)
    return render_template(
        "admin_detections/detections.html",
        form=form,
        detections=found.items,
        first=build_first_url(form),
        next=build_next_url(form, before=found.next),
    )


@area.page("/admin/detections/<uuid:id>", Access.OPERATOR)
def show_detection(id: UUID) -> str:  # noqa: A002 -- the name in the address
    """Show a detection with its slots, and what became of the messages about it."""
    with audited("detection.view", "detection", id) as work:
        view = read_detection(work.session, id)
    return render_template(
        "admin_detections/detection.html", view=view, gone=_GONE, states=STATE_WORDS, most=MOST_SLOTS
    )


@area.page("/admin/detections/<uuid:id>/preuve", Access.OPERATOR)
def show_proof(id: UUID) -> ResponseReturnValue:  # noqa: A002
    """Lead to the proof of a detection, its picture and its source: a link that is good for an hour, made now."""
    with audited("detection.proof", "detection", id) as work:
        link = read_proof_link(work.session, id)
    return redirect(link, 303)
