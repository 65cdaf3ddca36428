// The number of unread notices in the page's title: an element with data-unread inside has it, after each live change.

export default function count(element) {
  element.addEventListener("live:changed", () => {
    const unread = element.querySelector("[data-unread]")?.dataset.unread;
    const title = document.title.replace(/^\(\d+\+?\) /, "");
    document.title = unread ? `(${unread}) ${title}` : title;
  });
}
