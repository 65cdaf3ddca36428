// New notices at once: an EventSource at data-stream. When it opens, and at each event, the live part (live.js) is asked
// for again; in a hidden tab, whose live part rests, the number in the title grows by one. Where no stream opens, the
// page asks now and then, as it does without this file, and that renews its login; then the stream is tried again.

const AGAIN_MS = 30000;

export default function stream(element) {
  const source = new EventSource(element.dataset.stream, { withCredentials: true });
  const ask = () => element.dispatchEvent(new CustomEvent("live:ask"));
  source.addEventListener("open", ask);
  source.addEventListener("notice", () => {
    if (document.hidden) grow();
    ask();
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(stream, AGAIN_MS, element);
  });
}

function grow() {
  const [, number = "0", title] = /^(?:\((\d+)\+?\) )?(.*)$/.exec(document.title);
  document.title = `(${Number(number) + 1}) ${title}`;
}
