// Keys for the curators' queue; every button works without them.
"use strict";

const work = () => document.getElementById("work");

function press(key) {
  const found = work() && work().querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!found) return false;
  if (found.matches("select, input[name=note]")) found.focus();
  else found.click();
  return true;
}

function nextKind() {
  const kinds = [...work().querySelectorAll("input[name=kind]")];
  const at = kinds.findIndex((one) => one.checked);
  if (kinds.length) kinds[(at + 1) % kinds.length].checked = true;
  return kinds.length > 0;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "Escape" && work() && work().contains(document.activeElement)) {
    document.activeElement.blur();
    return;
  }
  const typing = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select");
  if (typing || !work()) return;
  if (event.key === "k" ? nextKind() : press(event.key)) event.preventDefault();
});

// The next paper is read from its top, and said aloud by its heading.
document.addEventListener("htmx:afterSettle", (event) => {
  const heading = work() && work().querySelector("h2");
  if (!heading || event.target.id === "said") return;
  heading.setAttribute("tabindex", "-1");
  heading.focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
});
