// Moving headings of the outline: drag one onto another, or use the keys. Without this
// file every heading still has its “Move” page.
"use strict";

(() => {
  const tree = document.querySelector("[data-tree]");
  const form = document.querySelector("#move-form");
  if (!tree || !form) return;
  const nodes = () => [...tree.querySelectorAll("[data-node]")];
  const depth = (node) => Number(node.dataset.depth);

  const move = (node, parent, before) => {
    form.action = node.dataset.move;
    form.elements.version.value = node.dataset.version;
    form.elements.parent.value = parent || "";
    form.elements.stage.value = parent ? "" : tree.dataset.tree;
    form.elements.before.value = before || "";
    form.submit();
  };
  const parentOf = (node) => {
    const all = nodes();
    for (let at = all.indexOf(node) - 1; at >= 0; at -= 1) if (depth(all[at]) < depth(node)) return all[at];
    return null;
  };
  const siblings = (node) => {
    const parent = parentOf(node);
    return nodes().filter((other) => depth(other) === depth(node) && parentOf(other) === parent);
  };
  const name = (node) => (node ? node.dataset.node : "");

  const keys = {
    ArrowUp: (node, around, at) => at > 0 && move(node, name(parentOf(node)), name(around[at - 1])),
    ArrowDown: (node, around, at) => at < around.length - 1 && move(node, name(parentOf(node)), name(around[at + 2])),
    ArrowRight: (node, around, at) => at > 0 && move(node, name(around[at - 1]), ""),
    ArrowLeft: (node) => {
      const parent = parentOf(node);
      if (!parent) return;
      const around = siblings(parent);
      move(node, name(parentOf(parent)), name(around[around.indexOf(parent) + 1]));
    },
  };
  tree.addEventListener("keydown", (event) => {
    const node = event.target.closest("[data-node]");
    if (!node || !event.altKey || !event.shiftKey || !(event.key in keys)) return;
    event.preventDefault();
    const around = siblings(node);
    keys[event.key](node, around, around.indexOf(node));
  });

  let dragged = null;
  tree.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-node]");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", name(dragged));
  });
  tree.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-node]");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    nodes().forEach((node) => node.classList.toggle("drop", node === over));
  });
  tree.addEventListener("drop", (event) => {
    const over = event.target.closest("[data-node]");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    move(dragged, name(over), "");
  });
  tree.addEventListener("dragend", () => {
    dragged = null;
    nodes().forEach((node) => node.classList.remove("drop"));
  });
})();
