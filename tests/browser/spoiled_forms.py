"""Forms sent empty or with nonsense, past what the browser itself checks: the page says so and takes the focus."""

from playwright.sync_api import Page, expect

from tests.browser.arrival import check_arrival

# Forms of the content in which somebody writes or chooses something.
FORMS = "main form[method=post]:has(input:not([type=hidden]), select, textarea)"
_SPOIL = """(form, text) => {
  form.noValidate = true;
  for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) {
    const past = { date: "2020-01-01", time: "09:00" }[field.type];
    if (["checkbox", "radio"].includes(field.type)) field.checked = false;
    else if (past) field.value = text && past;
    else { field.type = "text"; field.value = text; }
  }
  for (const field of form.querySelectorAll("select")) {
    field.options[0].value = text;
    field.value = text;
  }
  // The page's script asks the browser for an endpoint first, where there is none.
  if (form.elements.endpoint) form.elements.endpoint.value = "nowhere";
  form.requestSubmit(form.querySelector("button"));
}"""


def count_forms(page: Page) -> int:
    return page.locator(FORMS).count()


def send_spoiled(page: Page, number: int, text: str, language: str) -> bool:
    """Send a form of the open page with this text in each field; return whether it was refused.

    Raises:
        AssertionError: the page that refuses it breaks a rule, or does not lead to what is wrong.
    """
    with page.expect_navigation() as arrived:
        page.locator(FORMS).nth(number).evaluate(_SPOIL, text)
    if arrived.value.status != 422:
        return False
    check_arrival(page, language)
    expect(page.get_by_role("alert")).to_be_focused()
    return True
