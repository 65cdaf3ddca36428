"""A page by keyboard only: where Tab stops, in which order, and whether the focus can be seen there."""

from playwright.sync_api import Page

_MORE = 20  # presses beyond the number of controls: fields of dates have several stops
# All controls that a keyboard must reach, in the order of the page, with their looks while they have no focus. Of the
# radio buttons of one question, Tab reaches one.
_PREPARE = """() => {
  // Tab begins at the top, also on a page that led to what is wrong.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  const one = new Set();
  const selector = ":is(a[href], button, input, select, textarea, summary, [tabindex='0']):not([tabindex='-1'])";
  const looks = (each) => {
    const style = getComputedStyle(each);
    const isDrawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return (isDrawn ? style.outline : "") + style.boxShadow;
  };
  window.controls = [...document.querySelectorAll(selector)].filter((each) => {
    if (each.disabled || each.type === "hidden" || !each.checkVisibility({ visibilityProperty: true })) return false;
    if (each.type !== "radio") return true;
    const isNew = !one.has(each.name);
    one.add(each.name);
    return isNew;
  });
  window.looksBefore = new Map(window.controls.map((each) => [each, looks(each)]));
  window.looksOf = looks;
  return window.controls.length;
}"""
# The stop that has the focus: its place among the controls, and what is wrong with it.
_STOP = """() => {
  const each = document.activeElement;
  if (each === document.body) return null;
  const box = each.getBoundingClientRect();
  const name = each.outerHTML.slice(0, 120);
  const place = window.controls.findIndex((one) => one === each || (each.type === "radio" && one.name === each.name));
  const wrong = [];
  if (place < 0) wrong.push(`no control: ${name}`);
  else if (window.looksOf(each) === window.looksBefore.get(window.controls[place])) wrong.push(`focus not seen: ${name}`);
  if (box.bottom <= 0 || box.top >= innerHeight) wrong.push(`focus out of the window: ${name}`);
  return { place, wrong };
}"""
# Which parts about push messages a page shows, its script says a moment later.
_SETTLED = """() => {
  const parts = [...document.querySelectorAll("[data-push]")];
  return !parts.length || parts.some((each) => !each.hidden);
}"""
# Tab goes to these before all others.
_AHEAD = (
    "() => window.controls.filter((each) => each.tabIndex > 0).map((each) => each.outerHTML.slice(0, 120))"
)
_NAMES = "places => places.map((each) => window.controls[each].outerHTML.slice(0, 120))"


def check_keyboard(page: Page) -> None:
    """Press Tab through a page.

    Raises:
        AssertionError: a control is not reached, comes out of order, or does not show the focus.
    """
    page.wait_for_function(_SETTLED)
    number = page.evaluate(_PREPARE)
    stops: list[int] = []
    problems = [f"out of order: {each}" for each in page.evaluate(_AHEAD)]
    for _ in range(number + _MORE):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if stop is None or (stops and stop["place"] == stops[0] != stops[-1]):
            break  # after the last one, the page begins again
        problems += stop["wrong"]
        if stop["place"] not in stops[-1:]:
            stops.append(stop["place"])
    missed = sorted(set(range(number)) - set(stops))
    if missed:
        problems.append(f"not reached: {page.evaluate(_NAMES, missed)}")
    if stops != sorted(stops):
        problems.append(f"out of order: {stops}")
    assert not problems, "\n".join(problems)
