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

// A file that is too large is told before it is sent.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-largest]");
  if (!form || event.target.type !== "file") return;
  const file = event.target.files[0];
  const most = Number(form.dataset.largest);
  const large = file && file.size > most;
  event.target.setCustomValidity(large ? `This is ${Math.round(file.size / 1e6)} MB, and the limit is ${most / 1e6} MB. Split the file.` : "");
  event.target.reportValidity();
});
