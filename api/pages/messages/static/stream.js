// New notices at once: an EventSource at data-stream. Each event has the live part (live.js) asked for again; in a
// hidden tab, whose live part rests, the number in the title grows by one. Where no stream opens, the page asks now and
// then, as it does without this file, and that renews its login; then the stream is tried again.

const AGAIN_MS = 30000;

export default function stream(element) {
  open(element, new Set());
}

function open(element, known) {
  const source = new EventSource(element.dataset.stream, { withCredentials: true });
  source.addEventListener("notice", (event) => {
    if (known.has(event.lastEventId) || document.getElementById(`n-${event.lastEventId}`)) return;
    known.add(event.lastEventId);
    if (document.hidden) grow();
    element.dispatchEvent(new CustomEvent("live:ask"));
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS, element, known);
  });
}

function grow() {
  const [, number = "0", title] = /^(?:\((\d+)\+?\) )?(.*)$/.exec(document.title);
  document.title = `(${Number(number) + 1}) ${title}`;
}
