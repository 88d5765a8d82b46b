// SPDX-License-Identifier: Apache-2.0
// Short ways to touch the document: everything that is set often is set only when it changed.

export const $ = (id) => document.getElementById(id);

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function attr(node, name, value) {
  const wanted = String(value);
  if (node.getAttribute(name) !== wanted) node.setAttribute(name, wanted);
}

/** make("button.card", {type: "button"}, child, "text") */
export function make(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A row of radio buttons drawn as one segmented control. Returns select(value), which sends nothing. */
export function segments(place, name, choices, picked) {
  const inputs = choices.map(([value, words]) => {
    const input = make("input", { type: "radio", name, value, id: `${name}-${value}` });
    input.addEventListener("change", () => picked(value));
    place.append(input, make("label", { for: input.id }, words));
    return [value, input];
  });
  return (value) => {
    for (const [own, input] of inputs) if (input.checked !== (own === value)) input.checked = own === value;
  };
}

const quiet = matchMedia("(prefers-reduced-motion: reduce)");
export const calm = () => quiet.matches;

/** Calls `then(value)` only when the value differs from the one before (compared as JSON). */
export function onChange(then) {
  let before;
  return (value) => {
    const now = JSON.stringify(value);
    if (now === before) return;
    before = now;
    then(value);
  };
}

let toastShelf = null;
export function toast(words, tone = "bad") {
  toastShelf ??= $("toasts");
  const note = make("div.toast", { "data-tone": tone }, make("span", {}, words));
  const close = make("button", { type: "button", "aria-label": "Dismiss" }, "×");
  close.addEventListener("click", () => note.remove());
  note.append(close);
  toastShelf.append(note);
  while (toastShelf.children.length > 4) toastShelf.firstChild.remove();
  setTimeout(() => note.remove(), tone === "bad" ? 8000 : 4000);
}
