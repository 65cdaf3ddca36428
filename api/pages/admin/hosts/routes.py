"""Operators' pages of web hosts: the list, one host, and the orders to stop asking it and to ask it again."""

from flask import render_template
from flask.typing import ResponseReturnValue

from api.admin.access import audited
from api.admin.watch import queries, service
from api.admin.watch.schemas import HostQuery, Reason
from api.pages.admin.confirmation import Confirmation, NoFields, ask_confirmation, carry_out
from api.pages.admin.hosts.view_data import describe_release, describe_stop, read_host_view
from api.pages.admin.listing import build_first_url, build_next_url
from api.pages.area import Access, Area
from api.pages.forms import Form

area = Area("admin_hosts", __name__)


@area.page("/admin/sites", Access.OPERATOR)
def list_hosts() -> str:
    """List the hosts that are watched or remembered."""
    form = Form.read_query(HostQuery)
    with audited("hosts.list", "host") as work:
        found = queries.list_hosts(work.session, form.value)
    following = build_next_url(form, after=found.next)
    return render_template(
        "admin_hosts/hosts.html", hosts=found.items, first=build_first_url(form), next=following, form=form
    )


@area.page("/admin/sites/<host>", Access.OPERATOR)
def show_host(host: str) -> str:
    """Show one host with its desks and its latest incidents."""
    with audited("host.view", "host", host) as work:
        view = read_host_view(work, host)
    return render_template("admin_hosts/host.html", view=view)


@area.page("/admin/sites/<host>/arret", Access.ADMIN)
def ask_stop(host: str) -> str:
    """Ask once more before a host is stopped."""
    return ask_confirmation(_read_stop(host), Reason)


@area.action("/admin/sites/<host>/arret", Access.ADMIN)
def stop_host(host: str) -> ResponseReturnValue:
    """Have a host asked nothing more."""

    def act(wanted: Reason) -> str:
        with audited("host.stop", "host", host) as work:
            work.changes.update(service.stop_host(work.session, host, wanted.reason))
        return f"{host} est arrêté : plus aucune requête n’y part."

    return carry_out(_read_stop(host), Reason, act)


@area.page("/admin/sites/<host>/reprise", Access.ADMIN)
def ask_release(host: str) -> str:
    """Ask once more before a stopped host is asked again."""
    return ask_confirmation(_read_release(host), NoFields)


@area.action("/admin/sites/<host>/reprise", Access.ADMIN)
def release_host(host: str) -> ResponseReturnValue:
    """Let a stopped host be asked again."""

    def act(_: NoFields) -> str:
        with audited("host.go", "host", host) as work:
            work.changes.update(service.release_host(work.session, host))
        return f"{host} est de nouveau consulté."

    return carry_out(_read_release(host), NoFields, act)


def _read_stop(host: str) -> Confirmation:
    with audited("host.view", "host", host) as work:
        return describe_stop(work, host)


def _read_release(host: str) -> Confirmation:
    with audited("host.view", "host", host) as work:
        return describe_release(work, host)
