"""Routes of /api/admin: desks, hosts, checks and detections."""

from typing import Annotated, Any

from pydantic import Field

from api.admin.access import audited, check_access
from api.admin.watch import queries, service
from api.admin.watch.schemas import (
    CheckPage,
    CheckQuery,
    DeskEntry,
    DeskPage,
    DeskQuery,
    DetectionLog,
    DetectionQuery,
    HostEntry,
    HostPage,
    HostQuery,
    Reason,
)
from api.middleware.openapi_helpers import BODY, declare_errors, make_blueprint
from api.schemas import Body

blueprint = make_blueprint(
    "admin-watch",
    __name__,
    "/api/admin",
    "admin watch",
    "For operators: desks, hosts, checks, detections",
    signed_in=True,
)
blueprint.before_request(check_access)


class DeskPath(Body):
    """Which desk: the two parts of its id."""

    prefecture: Annotated[str, Field(max_length=100)]
    slug: Annotated[str, Field(max_length=100)]

    @property
    def desk_id(self) -> str:
        """Return the desk's id."""
        return f"{self.prefecture}/{self.slug}"


class HostPath(Body):
    """Which host: `name:port`."""

    host: Annotated[str, Field(max_length=300)]


@blueprint.get("/desks", responses={200: DeskPage, **declare_errors(401, 403, 422)})
def search_desks(query: DeskQuery) -> dict[str, Any]:
    """List desks with how they are watched, in the order of their ids."""
    with audited("desks.list", "desk") as work:
        return queries.list_desks(work.session, query).as_json()


@blueprint.get("/desks/<prefecture>/<slug>", responses={200: DeskEntry, **declare_errors(401, 403, 404, 422)})
def show_desk(path: DeskPath) -> dict[str, Any]:
    """Show one desk."""
    with audited("desk.view", "desk", path.desk_id) as work:
        return queries.read_desk(work.session, queries.find_desk(path.desk_id)).as_json()


@blueprint.post(
    "/desks/<prefecture>/<slug>/pause",
    responses={200: DeskEntry, **declare_errors(*BODY, 401, 403, 404, 409)},
)
def pause_desk(path: DeskPath, body: Reason) -> dict[str, Any]:
    """Have a desk not checked until it is resumed. Its subscribers see it as PAUSED, and an outage is counted."""
    with audited("desk.pause", "desk", path.desk_id) as work:
        desk = queries.find_desk(path.desk_id)
        work.changes.update(service.pause_desk(work.session, desk, body.reason))
        return queries.read_desk(work.session, desk).as_json()


@blueprint.post(
    "/desks/<prefecture>/<slug>/resume", responses={200: DeskEntry, **declare_errors(401, 403, 404, 409, 422)}
)
def resume_desk(path: DeskPath) -> dict[str, Any]:
    """Have a paused desk checked again, and now."""
    with audited("desk.resume", "desk", path.desk_id) as work:
        desk = queries.find_desk(path.desk_id)
        work.changes.update(service.resume_desk(work.session, desk))
        return queries.read_desk(work.session, desk).as_json()


@blueprint.post(
    "/desks/<prefecture>/<slug>/check", responses={202: DeskEntry, **declare_errors(401, 403, 404, 409, 422)}
)
def request_check(path: DeskPath) -> tuple[dict[str, Any], int]:
    """Have a desk checked now. A host that rests or has no budget left is not asked sooner."""
    with audited("desk.check", "desk", path.desk_id) as work:
        desk = queries.find_desk(path.desk_id)
        work.changes.update(service.request_check(work.session, desk))
        return queries.read_desk(work.session, desk).as_json(), 202


@blueprint.get("/hosts", responses={200: HostPage, **declare_errors(401, 403, 422)})
def list_hosts(query: HostQuery) -> dict[str, Any]:
    """List the web hosts that are watched or remembered, in the order of their names."""
    with audited("hosts.list", "host") as work:
        return queries.list_hosts(work.session, query).as_json()


@blueprint.post("/hosts/<host>/stop", responses={200: HostEntry, **declare_errors(*BODY, 401, 403, 404)})
def stop_host(path: HostPath, body: Reason) -> dict[str, Any]:
    """Have a host asked nothing more, from now on. Its desks are PAUSED, and outages are counted."""
    with audited("host.stop", "host", path.host) as work:
        work.changes.update(service.stop_host(work.session, path.host, body.reason))
        return queries.read_host(work.session, path.host).as_json()


@blueprint.post("/hosts/<host>/go", responses={200: HostEntry, **declare_errors(401, 403, 404, 409, 422)})
def release_host(path: HostPath) -> dict[str, Any]:
    """Let a stopped host be asked again."""
    with audited("host.go", "host", path.host) as work:
        work.changes.update(service.release_host(work.session, path.host))
        return queries.read_host(work.session, path.host).as_json()


@blueprint.get("/checks", responses={200: CheckPage, **declare_errors(401, 403, 422)})
def search_checks(query: CheckQuery) -> dict[str, Any]:
    """List checks, the newest first: of one desk, or of all desks in the last hours."""
    with audited("checks.list", "check") as work:
        return queries.list_checks(work.session, query).as_json()


@blueprint.get("/detections", responses={200: DetectionLog, **declare_errors(401, 403, 422)})
def search_detections(query: DetectionQuery) -> dict[str, Any]:
    """List detections of all desks, the newest first."""
    with audited("detections.list", "detection") as work:
        return queries.list_detections(work.session, query).as_json()
