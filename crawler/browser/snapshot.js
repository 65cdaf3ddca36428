// Returns the page as a person sees it, as HTML: what is not displayed is left out, what stands in open shadow trees
// and in frames of the same site is put in its place. The page itself is not touched. Of a page with more characters
// than `largest` their number is returned.
(largest) => {
  const copy = document.implementation.createHTMLDocument("");
  const WHOLE = new Set(["HEAD", "SCRIPT", "STYLE", "LINK", "META", "TITLE", "SELECT", "TEXTAREA", "NOSCRIPT", "SVG"]);
  const unseen = (style) => style.visibility === "hidden" || style.visibility === "collapse";

  const inside = (node) => {
    if (node.shadowRoot) return node.shadowRoot.childNodes;
    if (node.tagName === "SLOT" && node.assignedNodes().length) return node.assignedNodes({ flatten: true });
    return node.childNodes;
  };
  const frame = (node) => {
    try {
      return node.contentDocument && node.contentDocument.body;
    } catch {
      return null;
    }
  };
  const put = (node, parent, silent) => {
    if (node.nodeType === Node.TEXT_NODE) {
      if (!silent) parent.append(copy.importNode(node, false));
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE || node.tagName === "TEMPLATE") return;
    if (WHOLE.has(node.tagName.toUpperCase())) {
      const style = getComputedStyle(node);
      const drawn = node.tagName === "SELECT" || node.tagName === "TEXTAREA" || node.tagName.toUpperCase() === "SVG";
      if (!drawn || (style.display !== "none" && !unseen(style))) parent.append(copy.importNode(node, true));
      return;
    }
    const style = getComputedStyle(node);
    if (style.display === "none" && node.tagName !== "INPUT") return;
    const made = copy.importNode(node, false);
    parent.append(made);
    for (const child of inside(node)) put(child, made, unseen(style));
    const body = node.tagName === "IFRAME" && frame(node);
    if (body) {
      const held = copy.createElement("div");
      parent.append(held);
      for (const child of body.childNodes) put(child, held, false);
    }
  };

  const root = copy.importNode(document.documentElement, false);
  for (const child of document.documentElement.childNodes) put(child, root, true);
  const html = "<!DOCTYPE html>\n" + root.outerHTML;
  return html.length > largest ? html.length : html;
}
