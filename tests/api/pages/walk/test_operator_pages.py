"""A walk over operators' pages and forms by each role: only operators see them, only admins act, all is audited."""

from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from api.admin.announcements import count_people
from api.models.audit import ActorKind, AuditEntry
from api.models.base import session
from api.models.login import Login
from api.models.notification import Announcement
from api.models.user import Role
from api.pages.area import Access
from configs.ground.clock import clock
from tests.api.pages.walk import addresses
from tests.api.pages.walk.population import ROLES, SECRETS, Population
from tests.api.pages.walk.test_bad_input import MARKUP, TAKEN, check_escaped
from tests.clients import Browser
from tests.factories import add_incident, change, give_role, rows, save
from tests.in_turn import in_turn

# What filters of operators' lists are called.
QUERY_NAMES = (
    "prefectureId", "deskId", "status", "subject", "subjectType", "subjectId", "action", "actorId", "job", "after", "before",
    "limit", "hours", "userId", "reason", "q", "amount", "channel", "first", "flag", "kind", "months", "objectId", "open",
    "role", "type",
)  # fmt: skip
LEADING = {"admin.show_proof": 303}  # pages that lead to another one
# By page: the row that it leaves, as action, subject's kind, and its id where there is one; of asked actions the view.
ROWS = {
    "admin.show_status": ("status.view", "status", None),
    "admin.list_incidents": ("incidents.list", "incident", None),
    "admin.show_incident": ("incident.view", "incident", "{trouble}"),
    "admin.list_desks": ("desks.list", "desk", None),
    "admin.show_desk": ("desk.view", "desk", "bobigny_93/titre-sejour"),
    "admin.list_checks": ("checks.list", "check", None),
    "admin.list_candidates": ("candidates.list", "candidate", None),
    "admin.show_candidate": ("candidate.view", "candidate", "{candidate}"),
    "admin.list_hosts": ("hosts.list", "host", None),
    "admin.show_host": ("host.view", "host", "127.77.0.93:8800"),
    "admin.list_reports": ("reports.list", "report", None),
    "admin.show_reporter": ("reports.view", "user", "{user}"),
    "admin.list_detections": ("detections.list", "detection", None),
    "admin.show_detection": ("detection.view", "detection", "{detection}"),
    "admin.show_proof": ("detection.proof", "detection", "{detection}"),
    "admin.list_alerts": ("alerts.search", "alert", None),
    "admin.show_alert": ("alert.view", "alert", "{alert}"),
    "admin.list_answers": ("answers.list", "answer", None),
    "admin.list_messages": ("notifications.list", "notification", None),
    "admin.list_dead_letters": ("dead-letters.list", "notification", None),
    "admin.list_delivery": ("delivery.view", "delivery", None),
    "admin.list_organisations": ("organisations.list", "organisation", None),
    "admin.show_organisation": ("organisation.view", "organisation", "{organisation}"),
    "admin.list_requests": ("support.list", "support", None),
    "admin.show_request": ("support.view", "support", "{request}"),
    "admin.list_users": ("users.search", "user", None),
    "admin.show_user": ("user.view", "user", "{user}"),
    "admin.ask_end_grant": ("user.grants", "user", "{user}"),
    "admin.list_payments": ("payments.list", "payment", None),
    "admin.show_payment": ("payment.view", "payment", "{payment}"),
    "admin.list_declarations": ("declarations.list", "declaration", None),
    "admin.list_differences": ("payment-differences.list", "payment-difference", None),
    "admin.list_totals": ("invoice-totals.export", "invoice", None),
    "admin.list_announcements": ("announcements.list", "announcement", None),
    "admin.show_announcement": ("announcement.view", "announcement", "{announcement}"),
    "admin.show_activity": ("activity.view", "activity", None),
    "admin.send_sales_journal": ("sales-journal.export", "invoice", None),
    "admin.send_totals": ("invoice-totals.export", "invoice", None),
    "admin.list_events": ("stripe-events.list", "stripe-event", None),
    "admin.ask_replay_event": ("stripe-event.view", "stripe-event", "{event}"),
    "admin.list_jobs": ("jobs.list", "job", None),
    "admin.list_audit": ("audit.list", "audit", None),
}
POLLED = {"admin.show_live"}  # by a page whose view was audited
_LOGS = ("audit", "logins", "users")  # views are audited; a login of the staff notes its use


@pytest.fixture
def staff(population: Population) -> Population:
    """Give the operators their second factor, and something to look at."""
    for role in (Role.SUPPORT, Role.ADMIN):
        give_role(population.users[role.value], role)
    population.ids["trouble"] = str(add_incident())
    row = Announcement(is_news=False, texts={"fr": ["Titre", "Texte."]}, created_at=clock())
    population.ids["announcement"] = str(save(row).id)
    with session() as s:
        population.ids["people"] = str(count_people(s, row))
    population.ids["support"] = str(population.users["support"])
    return population


_SUPPORTS = (Access.OPERATOR, Access.PROVEN_OPERATOR)


def read_access(population: Population, endpoint: str) -> Access:
    return Access(vars(population.app.view_functions[endpoint])["access"])


def expect_status(role: str, endpoint: str, access: Access) -> int:
    if role == "visitor":
        return 303
    if role == "admin" or (role == "support" and access in _SUPPORTS):
        return LEADING.get(endpoint, 200)
    return 403 if role == "support" else 404


def post(
    browser: Browser, population: Population, endpoint: str, token: str | None, **headers: str
) -> TestResponse:
    address, fields = read_form(population, endpoint)
    data = fields | ({"csrf_token": token} if token else {})
    return browser.client.post(address, data=data, headers=browser.headers | headers)


def read_form(population: Population, endpoint: str) -> tuple[str, dict[str, str]]:
    """Return the address of a form, and its fields."""
    address, fields = addresses.OPERATOR_FORMS[endpoint]
    filled = {name: text.format(**population.ids) for name, text in fields.items()}
    return addresses.fill_address(address, population.ids), filled


def read_token(browser: Browser) -> str:
    return str(browser.get("/dashboard").find_form("/logout")["fields"]["csrf_token"][0])


def read_contents() -> dict[str, str]:
    return {name: digest for name, digest in addresses.read_digests().items() if name not in _LOGS}


SEEN = [role for role in ROLES if role not in ("newcomer", "anna")]  # users are one role here


@in_turn("role", SEEN)
def test_each_role_gets_what_it_may_see_and_changes_nothing(staff: Population, role: str) -> None:
    browser, before = staff.browse(role), read_contents()
    for endpoint, address in addresses.list_operator_addresses(staff.app).items():
        answer = browser.client.get(addresses.fill_address(address, staff.ids), headers=browser.headers)
        expected = expect_status(role, endpoint, read_access(staff, endpoint))
        assert answer.status_code == expected, (endpoint, answer.text[-900:])
        addresses.check_answer(answer)
        addresses.check_keeping(answer, "personal")
        if expected != 200:
            shown = [secret for secret in SECRETS.values() if secret in answer.text]
            assert shown == [], endpoint
    assert read_contents() == before


@in_turn("role", [role for role in SEEN if role != "admin"])
def test_nobody_but_an_admin_acts(staff: Population, role: str) -> None:
    browser = staff.browse(role)
    token = read_token(browser) if role != "visitor" else None
    before = read_contents()
    for endpoint in addresses.OPERATOR_FORMS:
        access = read_access(staff, endpoint)
        if role == "support" and access in _SUPPORTS:
            continue  # a search, or the end of a lost second factor
        answer = post(browser, staff, endpoint, token)
        expected = {"visitor": 401, "support": 403}.get(role, 404)
        assert answer.status_code == expected, (endpoint, answer.status_code)
        addresses.check_answer(answer)
    assert read_contents() == before
    assert rows(AuditEntry) == []


def test_a_form_without_its_token_or_from_another_site_does_nothing(staff: Population) -> None:
    admin = staff.browse("admin")
    token, before = read_token(admin), read_contents()
    for endpoint in addresses.OPERATOR_FORMS:
        assert post(admin, staff, endpoint, None).status_code == 403, endpoint
        answer = post(admin, staff, endpoint, token, **{"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403, endpoint
    assert read_contents() == before
    assert rows(AuditEntry) == []


def test_money_roles_and_factors_need_a_recent_proof(staff: Population) -> None:
    admin = staff.browse("admin")
    token, proven = read_token(admin), (Access.PROVEN_ADMIN, Access.PROVEN_OPERATOR)
    # younger than the second factor, older than what counts as recent
    change(Login, proven_at=clock() - timedelta(hours=1))
    pages = addresses.list_operator_addresses(staff.app)
    asked = [each for each in pages if read_access(staff, each) in proven]
    assert len(asked) == 15
    for endpoint in asked:
        answer = admin.client.get(addresses.fill_address(pages[endpoint], staff.ids), headers=admin.headers)
        assert answer.headers["Location"].startswith(f"/prove?next={endpoint}"), endpoint
        assert post(admin, staff, endpoint.replace("ask_", ""), token).status_code == 403, endpoint
    assert rows(AuditEntry) == []


def test_every_page_leaves_its_row(staff: Population) -> None:
    admin = staff.browse("admin")
    pages = addresses.list_operator_addresses(staff.app)
    asked = {name for name in pages if ".ask_" in name}
    assert set(pages) - asked - POLLED == set(ROWS) - asked
    for endpoint, (action, subject, subject_id) in ROWS.items():
        known = {each.id for each in rows(AuditEntry)}
        answer = admin.client.get(addresses.fill_address(pages[endpoint], staff.ids), headers=admin.headers)
        (row,) = (each for each in rows(AuditEntry) if each.id not in known)
        assert (row.action, row.subject_type) == (action, subject), endpoint
        assert row.subject_id == (subject_id and subject_id.format(**staff.ids)), endpoint
        assert (row.actor_id, row.actor_kind) == (staff.users["admin"], ActorKind.ADMIN)
        assert row.request_id == answer.headers["X-Request-ID"]
        assert not [each for each in SECRETS.values() if each in str(row.changes)]


def test_each_form_of_an_admin_is_taken_and_audited(staff: Population) -> None:
    admin = staff.browse("admin")
    token = read_token(admin)
    for endpoint in addresses.OPERATOR_FORMS:
        known = {each.id for each in rows(AuditEntry)}
        answer = post(admin, staff, endpoint, token)
        is_search = read_access(staff, endpoint) is Access.OPERATOR
        assert answer.status_code == (200 if is_search else 303), (endpoint, answer.text[-900:])
        addresses.check_answer(answer)
        written = [each for each in rows(AuditEntry) if each.id not in known]
        assert {each.actor_id for each in written} == {staff.users["admin"]}, endpoint
        assert is_search or any(not each.action.endswith(".view") for each in written), endpoint


@pytest.mark.journey
@pytest.mark.parametrize(
    "text",
    [MARKUP, *(pytest.param(each, marks=pytest.mark.journey) for each in ("\0", "x" * 10_000, "é\u202e-1"))],
    ids=["markup", "nul", "long", "odd"],
)
def test_no_operator_page_breaks_by_what_is_sent_and_markup_is_text(staff: Population, text: str) -> None:
    admin = staff.browse("admin")
    token = read_token(admin)
    for endpoint in addresses.OPERATOR_FORMS:
        url, fields = read_form(staff, endpoint)
        for name in fields:
            data = fields | {name: text, "csrf_token": token}
            answer = admin.client.post(url, data=data, headers=admin.headers)
            assert answer.status_code in TAKEN, (endpoint, name)
            check_escaped(answer)
    lists = {name: at for name, at in addresses.list_operator_addresses(staff.app).items() if "list_" in name}
    for endpoint, address in lists.items():
        path = addresses.fill_address(address, staff.ids).partition("?")[0]
        for each in (dict.fromkeys(QUERY_NAMES, text), {"after": text}, {"q": text}):
            answer = admin.client.get(path, query_string=each, headers=admin.headers)
            assert answer.status_code in TAKEN, (endpoint, each)
            check_escaped(answer)
