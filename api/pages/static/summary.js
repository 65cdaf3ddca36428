// The summary of a form's errors takes the focus, and its links the fields.

export default function summary(element) {
  element.focus();
  element.addEventListener("click", (event) => {
    const link = event.target.closest("a"); // translators wrap a link's text in elements of their own
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    field.scrollIntoView({ block: "center" });
    (field.matches("fieldset") ? field.querySelector("input") : field).focus({ preventScroll: true });
  });
}
