"""The list of pages that `make screenshots` shows: every page of the URL map is among them."""

from urllib.parse import urlsplit
from uuid import uuid4

from flask import Flask
from werkzeug.exceptions import NotFound

from deploy.screenshots.page_list import Shot, list_shots
from deploy.screenshots.people_rows import People, Who

_STATES = ("active", "long", "paused", "waiting", "closed")
NOT_SHOWN = {  # what is no page: redirects, parts of live pages, files
    "admin_status.show_live",
    "admin_detections.show_proof",
    "alert_pages.list_alerts",
    "alert_pages.send_event",
    "alert_pages.show_parts",
    "alert_pages.show_proof",
    "calendar.send_feed",
    "channels.poll_telegram",
    "channels.send_push_worker",
    "invoice_pages.send_pdf",
    "map.show_parts",
    "messages.show_live_notices",
    "open_web.send_robots",
    "open_web.send_security",
    "open_web.send_sitemap",
    "personal_data.download_export",
    "plan.show_confirmation",
    "security.show_codes",
    "status.show_live",
}


def list_all_shots() -> list[Shot]:
    people = People({name: uuid4() for name in _STATES}, {}, {})
    return list_shots(people, uuid4(), uuid4())


def list_pages(app: Flask) -> set[str]:
    """Return the endpoints of all views that an area declares and that answer GET."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and hasattr(app.view_functions[rule.endpoint], "access")
    }


def find_endpoint(app: Flask, shot: Shot) -> str:
    try:
        endpoint, _ = app.url_map.bind("x").match(urlsplit(shot.path).path, "GET")
    except NotFound:
        return ""
    return str(endpoint)


def test_every_page_is_shown(app: Flask) -> None:
    shown = {find_endpoint(app, shot) for shot in list_all_shots()}
    pages = list_pages(app)
    assert pages - shown == NOT_SHOWN, "add a Shot to deploy/screenshots/page_list.py"
    assert shown - pages <= {"", "links.ask_stop", "links.ask_unsubscribe"}


def test_each_picture_has_a_name_of_its_own_and_an_account_where_it_needs_one(app: Flask) -> None:
    shots = list_all_shots()
    assert len({shot.name for shot in shots}) == len(shots)
    for shot in shots:
        view = app.view_functions.get(find_endpoint(app, shot))
        if getattr(view, "is_personal", False):
            assert shot.who is not Who.VISITOR, shot.name
