// Moving headings of the outline: take one up and choose where, which is for fingers too; or
// drag it, or use the keys. Without this file “Move” leads to a page with a form.
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

  const bar = document.querySelector("#movebar");
  const way = (key) => bar.querySelector(`[data-way="${key}"]`);
  let picked = null;
  const below = (node) => {
    const all = nodes().slice(nodes().indexOf(node) + 1);
    const end = all.findIndex((other) => depth(other) <= depth(node));
    return end < 0 ? all : all.slice(0, end);
  };
  const pick = (node) => {
    picked = node;
    const inside = node ? below(node) : [];
    nodes().forEach((other) => {
      other.classList.toggle("picked", other === node);
      other.classList.toggle("place", Boolean(node) && other !== node && !inside.includes(other));
    });
    bar.hidden = !node;
    if (!node) return;
    const around = siblings(node);
    const at = around.indexOf(node);
    way("ArrowUp").disabled = way("ArrowRight").disabled = at === 0;
    way("ArrowDown").disabled = at === around.length - 1;
    way("ArrowLeft").disabled = !parentOf(node);
    bar.querySelector("[data-page]").href = node.querySelector("[data-grip]").href;
    bar.querySelector("#moving").textContent =
      `Moving “${node.querySelector("strong").textContent}”: choose a heading to put it under, or`;
    bar.querySelector("button:not(:disabled)").focus({ preventScroll: true });
  };
  const release = () => {
    const grip = picked && picked.querySelector("[data-grip]");
    pick(null);
    if (grip) grip.focus({ preventScroll: true });
  };
  tree.addEventListener("click", (event) => {
    const node = event.target.closest("[data-node]");
    const grip = event.target.closest("[data-grip]");
    if (!node || event.ctrlKey || event.metaKey || (!grip && !picked)) return;
    event.preventDefault();
    if (node === picked) release();
    else if (!picked) pick(node);
    else if (node.classList.contains("place")) move(picked, name(node), "");
  });
  bar.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-way]");
    if (!chosen || !picked) return;
    const around = siblings(picked);
    if (chosen.dataset.way) keys[chosen.dataset.way](picked, around, around.indexOf(picked));
    else release();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && picked) release();
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
