// Live parts: <div data-module="…/live.js" data-live="/twin" data-live-seconds="5"> holds elements with data-part, whose
// HTML the JSON twin answers. One loop for each address, with one request at a time; slower when the server is slow,
// paused in hidden tabs, asked for at once by the event "live:ask", ended by `stop`, after which the page is loaded again where the element has data-live-reload.
// After a change the element gets the event "live:changed" with the names of the parts. What has data-late is shown while
// no answer comes.

const SLOWEST_MS = 60000;
const PATIENCE_MS = 30000;
const LATE_MS = 15000;
const loops = new Map();

export default function live(element) {
  const loop = loops.get(element.dataset.live);
  if (loop) {
    loop.elements.push(element);
    return;
  }
  const seconds = Number(element.dataset.liveSeconds) || 5;
  const made = { url: element.dataset.live, elements: [element], gap: seconds * 1000, failures: 0, etag: null };
  loops.set(made.url, made);
  element.addEventListener("live:ask", () => (made.timer ? go(made) : (made.again = true)));
  wait(made, made.gap);
}

function wait(loop, ms) {
  loop.timer = setTimeout(go, Math.min(ms, SLOWEST_MS), loop);
}

function go(loop) {
  clearTimeout(loop.timer);
  loop.timer = null;
  return document.hidden ? resume(loop) : ask(loop);
}

function resume(loop) {
  document.addEventListener("visibilitychange", () => go(loop), { once: true });
}

// A phone that was without a network asks at once, unless a request is on its way.
addEventListener("online", () => {
  for (const loop of loops.values()) if (loop.timer) go(loop);
});

async function ask(loop) {
  const began = performance.now();
  loop.again = false; // the answer on its way may be older than what "live:ask" is about
  const late = setTimeout(mark, LATE_MS, loop, true);
  try {
    const headers = { Accept: "application/json", ...(loop.etag && { "If-None-Match": loop.etag }) };
    const response = await fetch(loop.url, { headers, cache: "no-store", signal: AbortSignal.timeout?.(PATIENCE_MS) });
    if (response.status === 401) return location.reload();
    if (response.status === 404) return undefined;
    if (!response.ok && response.status !== 304) throw new Error(response.status);
    const answer = response.ok && (await response.json());
    loop.failures = 0;
    mark(loop, false);
    if (answer && show(loop, answer, response.headers.get("ETag"))) return end(loop);
  } catch {
    loop.failures += 1;
    if (loop.failures > 1) mark(loop, true);
  } finally {
    clearTimeout(late);
  }
  const took = performance.now() - began;
  return wait(loop, loop.again ? 0 : Math.max(loop.gap, 10 * took) * 2 ** Math.min(loop.failures, 5));
}

function mark(loop, isLate) {
  for (const element of loop.elements) {
    for (const note of element.querySelectorAll("[data-late]")) note.hidden = !isLate;
  }
}

function end(loop) {
  if (loop.elements.some((element) => "liveReload" in element.dataset)) location.reload();
}

function show(loop, answer, etag) {
  loop.etag = etag;
  for (const element of loop.elements) {
    const changed = [];
    for (const part of element.querySelectorAll("[data-part]")) {
      const html = answer.parts[part.dataset.part];
      if (html === undefined || part.dataset.shown === html) continue;
      if (part.contains(document.activeElement)) {
        loop.etag = null; // asked for again once the person has moved on
        continue;
      }
      part.dataset.shown = html;
      part.innerHTML = html;
      changed.push(part.dataset.part);
    }
    if (changed.length) element.dispatchEvent(new CustomEvent("live:changed", { detail: changed, bubbles: true }));
  }
  return answer.stop;
}
