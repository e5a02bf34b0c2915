// Comfort only: every page works without it.
"use strict";

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing) {
    const box = document.querySelector("main input[type=search]") || document.querySelector("input[type=search]");
    if (box) { event.preventDefault(); box.focus(); box.select(); }
  }
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.closest("[data-search]")) {
    const links = [...document.querySelectorAll("#results .listing h3 a")];
    const at = links.indexOf(document.activeElement);
    const next = links[at + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { event.preventDefault(); next.focus(); }
    else if (at === 0) { event.preventDefault(); document.querySelector("[data-search] input[type=search]").focus(); }
  }
});

// The count is announced from one place that stays, since results are replaced as a whole.
document.addEventListener("htmx:afterSettle", () => {
  const count = document.querySelector("[data-announce]");
  const announcer = document.getElementById("announce");
  if (count && announcer) announcer.textContent = count.textContent.replace(/Narrow down/, "").trim();
});
