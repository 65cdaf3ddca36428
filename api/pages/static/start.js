// Loads the modules that elements name in data-module (addresses), and guards forms against being sent twice.
// A page is complete without any of them: what fails is left out.

const SLOW_MS = 3000; // then the page says that it waits
const AGAIN_MS = 30000; // for so long one press is one form, however slow the server

function load(element) {
  for (const address of element.dataset.module.split(/\s+/)) {
    import(address).then((module) => module.default(element)).catch((error) => console.warn(address, error));
  }
}

function note(isSlow) {
  for (const element of document.querySelectorAll("[data-waiting]")) element.hidden = !isSlow;
}

function release(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
  note(false);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
  setTimeout(() => form.dataset.sent && note(true), SLOW_MS);
  setTimeout(release, AGAIN_MS, form);
});

// Back from the next page, the browser may show this one as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(release);
});

document.querySelectorAll("[data-module]").forEach(load);

// Pages of an account keep one page for where there is no network (channels/push-worker.js).
const { worker } = document.body.dataset;
if (worker && "serviceWorker" in navigator) navigator.serviceWorker.register(worker, { scope: "/" }).catch(console.info);
