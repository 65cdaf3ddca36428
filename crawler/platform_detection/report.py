"""Report of `scrapy detect`: YAML entries for `desks:`, with everything else as comments."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from configs.clock import clock
from configs.desk import Desk
from configs.formatting import pluralize, truncate_line
from configs.prefecture import Prefecture, desks, prefectures
from crawler.block_pages import classify_page, detect_block_page
from crawler.booking import visit
from crawler.catalogue import visit_of
from crawler.parsing.html_text import title
from crawler.platform_detection.booking_links import find_leads
from crawler.platform_detection.desk_candidate import DeskCandidate
from crawler.platform_detection.draft import DeskDraft
from crawler.platform_detection.identify import by_shape, is_web, understands
from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.platform_detection.page_search import Findings, Tell
from crawler.platform_detection.rule_hints import find_hints
from crawler.platforms import example, platform
from crawler.reading import Outcome, Page, PageRequest
from crawler.scheduling.desk_budgets import visit_limit
from crawler.scheduling.queues import VISIT_REQUESTS
from crawler.url_policy import same_site
from crawler.visit_state import VisitResult, VisitState

UNKNOWN = "platform unknown"
_NOWHERE = "inconnue_00"  # a prefecture's id for a desk without a prefecture
_FEW = 8
_LONGEST = 300  # characters of an address or a reason


@dataclass(frozen=True)
class Said:
    """The result of a desk's check: its outcome with the evidence, or why it was not checked."""

    text: str
    outcome: Outcome | None = None


def at_home(url: str, places: Collection[Prefecture] | None = None) -> Prefecture | None:
    """Return the prefecture whose own site has an address."""
    known = prefectures().values() if places is None else places
    return next((each for each in known if same_site(each.site, url)), None)


def add_department(found: DeskCandidate, place: Prefecture | None) -> DeskCandidate:
    """Return a desk with its department code, if its platform has such a parameter and it is known."""
    fields = platform(found.sign.platform).Parameters.model_fields
    if place is None or found.sign.complete or "department_code" not in fields:
        return found
    return found.with_parameters({"department_code": place.department})


async def check_desk(opener: PageFetcher, found: DeskCandidate, place: Prefecture | None, tell: Tell) -> Said:
    """Check a desk once, as the crawl does; return the result, or why it cannot be checked."""
    if found.trouble:
        return Said(f"{found.trouble.outcome.upper()}: {_short(found.trouble.reason)}", found.trouble.outcome)
    if missing := found.missing:
        return Said(f"not asked: parameters are missing: {missing}")
    desk = _desk(found, place)
    if because := desk.unwatched_because:
        return Said(f"not asked: {because}")
    if not understands(platform(desk.platform), desk.url):
        return Said("not asked: it is known by its marks, and its address is none that can be asked")
    seen = visit_of(desk)
    limit = int(min(visit_limit(desk), VISIT_REQUESTS()))
    state = VisitState(
        platform(desk.platform).first_request(seen), limit=limit, now=clock().astimezone(desk.zone)
    )
    tell(f"checking {desk.url}")
    session = await opener.session(desk.url)
    try:
        await visit(desk, seen, state, session)
    finally:
        await opener.end_session(desk.url, session)
    if not session.requests:
        return Said("not asked: no request is left, see --requests")
    return _of(state.result())


def read_saved(found: DeskCandidate, page: Page) -> Said:
    """Return the result of reading a saved page."""
    reader = platform(found.sign.platform)
    url = found.url if understands(reader, found.url) else reader.EXAMPLE
    seen = example(reader, page.visit.today, page.visit.zone, url)
    reading = classify_page(reader, replace(page, url=url, visit=seen, ask=PageRequest(url)))
    outcome = reading.outcome.upper() if reading.outcome else "leads on"
    return Said(f"{outcome}: {_short(reading.reason)}", reading.outcome)


def describe_desk(
    found: DeskCandidate, said: Said, start: str, place: Prefecture | None, taken: Collection[str]
) -> tuple[str, str]:
    """Return the text about one desk (platform, evidence, result, entry) and its slug."""
    head = [
        f"{found.sign.platform}: {_short(found.url)}",
        f"because {_short(found.sign.evidence)}",
        said.text,
        *_in_service(found.url),
    ]
    if not understands(platform(found.sign.platform), found.url):
        nowhere = "its address is no desk's: say the one that people open (scrapy detect URL, with --file or without)"
        return _comments([*head, *found.remarks, nowhere]), ""
    if place:
        head.append(f"for configs/prefectures/{place.id}.yaml")
    if said.outcome is Outcome.CLOSED:
        head.append("its page says that it is over: put it in service only if you know better")
    draft = DeskDraft(
        found.sign,
        found.url,
        found.label,
        f"found by scrapy detect from {_short(start)}",
        clock().date(),
        "presence" if said.outcome is Outcome.CAPTCHA else None,
        found.missing,
        found.remarks,
    )
    return _comments(head) + draft.block(taken), draft.entry(taken)["slug"]


def _in_service(url: str) -> list[str]:
    there = [desk.id for desk in desks().values() if desk.url == url][:_FEW]
    return [
        f"it is already the desk {id_}: copy nothing, unless this is a second desk of that page"
        for id_ in there
    ]


def describe_unknown(findings: Findings) -> str:
    """Return the text about pages of an unknown platform, and what to do."""
    lines = [UNKNOWN, *findings.troubles]
    for page in findings.pages:
        lines += _describe_page(page)
    walls = [detect_block_page(page) for page in findings.pages]
    if any(each and each.outcome in (Outcome.CAPTCHA, Outcome.BLOCKED) for each in walls):
        return _comments([*lines, *_STOPPED])
    bodies = [page for page in findings.pages if page.body.strip()]
    if bodies and not any(page.is_html for page in bodies):
        return _comments([*lines, *_NO_HTML])
    shown = [page for page, stands in zip(findings.pages, walls, strict=True) if not stands]
    return _comments([*lines, *(_BY_RULES if any(not page.is_error for page in shown) else _LATER)])


_STOPPED = (
    "what to do: open it in a browser, save it when it shows, and say: scrapy detect URL --file SAVED",
    "a site that refuses is left alone: nothing is solved and no way around it is taken",
)
_NO_HTML = (
    "what to do: name the page that people open in a browser: this is a file, or what such a page asks for",
)
_LATER = (
    "what to do: look at the address in a browser: is it right? If it shows there, save it (2 MB",
    "at most) and say: scrapy detect URL --file SAVED; else try again later",
)
_BY_RULES = (
    "what to do: if its slots show as HTML, write rules for it in its desk's YAML: docs/platforms/selectors.md",
    "if it is one of much used software, write its platform once: scrapy newplatform NAME",
    "if it only leads to the booking page, name that one: scrapy detect URL",
)


def _describe_page(page: Page) -> Iterator[str]:
    kind = page.headers.get("content-type", "").partition(";")[0] or "of no named type"
    status = f"HTTP {page.status}, {kind}, " if is_web(page.url) else ""
    yield f"seen: {_short(page.url)}: {status}{pluralize(len(page.body), 'byte')}"
    if stands := detect_block_page(page):
        yield f"  {(stands.outcome or Outcome.UNREADABLE).upper()}: {_short(stands.reason)}"
        return
    if not page.is_html:
        names = [sign.platform for sign in by_shape(page)]
        yield f"  no HTML; it could be an answer of {' or of '.join(names)}" if names else "  no HTML"
        return
    yield f"  title {_short(title(page.root))!r}"
    yield f"  {_count_parts(page)}"
    for hint in find_hints(page):
        yield f"  {_short(hint)}"


def _count_parts(page: Page) -> str:
    """Count the parts of a page; the hosts of embedded scripts and frames hint at its software."""
    fields = len(page.root.xpath("//*[self::input or self::select][ancestor::form]"))
    embedded = map(str, page.root.xpath("//*[self::iframe or self::script]/@src"))
    hosts = Counter(host for source in embedded if (host := _named_host(page, source)))
    parts = [
        pluralize(len(page.root.xpath("//form")), "form") + f" with {pluralize(fields, 'field')}",
        f"{pluralize(len(find_leads(page)), 'link')} that could be booking",
        f"scripts and frames from {', '.join(list(hosts)[:_FEW]) or 'nowhere else'}",
    ]
    cookies = page.headers.get("set-cookie", "")
    names = [
        cookie.partition("=")[0].strip() for cookie in cookies.split(", ") if "=" in cookie.partition(";")[0]
    ]
    return ", ".join([*parts, f"cookies {', '.join(names[:_FEW])}" if names else "no cookies"])


def _named_host(page: Page, source: str) -> str:
    try:
        host = urlsplit(page.link(source)).hostname or ""
    except ValueError:
        return ""
    return "" if host == urlsplit(page.url).hostname else host


def _desk(found: DeskCandidate, place: Prefecture | None) -> Desk:
    draft = DeskDraft(found.sign, found.url, found.label, "a check", clock().date())
    around = {"prefecture_id": place.id if place else _NOWHERE}
    zone = {"time_zone": place.time_zone} if place else {}
    return Desk.model_validate(around | zone | draft.entry())


def _of(result: VisitResult) -> Said:
    return Said(
        f"{result.outcome.upper()}: {_short(result.reason)} ({pluralize(result.asked, 'page')} asked)",
        result.outcome,
    )


def _short(text: str) -> str:
    return truncate_line(text, _LONGEST)


def _comments(lines: list[str]) -> str:
    return "".join(f"# {''.join(each if each.isprintable() else ' ' for each in line)}\n" for line in lines)
