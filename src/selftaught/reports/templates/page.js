"use strict";
// Shared by the parts of the page: theme, copying, the current section and one tooltip.
const page = {
  tip: document.getElementById("tip"),
  owner: null,

  make(name, className, text) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  },

  // Puts `nodes` beside the point (x, y) of the window, `gap` clear of it; where neither side has room they go above
  // or below it, or under `floor` if that is given.
  show(owner, nodes, x, y, gap, pinned, floor) {
    const tip = page.tip;
    page.owner = owner;
    tip.replaceChildren(...nodes);
    tip.classList.toggle("pinned", Boolean(pinned));
    tip.hidden = false;
    tip.style.transform = "translate(0,0)";
    const box = tip.getBoundingClientRect(), width = document.documentElement.clientWidth;
    let left = x + gap + box.width > width - 10 ? x - gap - box.width : x + gap;
    left = Math.max(10, Math.min(left, width - box.width - 10));
    let top = y - box.height / 2;
    if (left < x && left + box.width > x) {
      top = floor !== undefined ? floor + 8 : y - box.height - gap < 10 ? y + gap : y - box.height - gap;
    }
    if (top !== floor + 8) top = Math.max(10, Math.min(top, window.innerHeight - box.height - 10));
    tip.style.transform = `translate(${left + window.scrollX}px,${top + window.scrollY}px)`;
  },

  hide(owner) {
    if (owner && owner !== page.owner) return;
    page.tip.hidden = true;
    page.owner = null;
  },

  colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  },
};

(function theme() {
  const root = document.documentElement, button = document.getElementById("theme");
  const preference = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (preference.matches ? "dark" : "light")) === "dark";
  const tell = () => {
    button.querySelector(".word").textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
    document.dispatchEvent(new CustomEvent("themechange"));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  preference.addEventListener("change", tell);
  window.matchMedia("print").addEventListener("change", tell);
  tell();
})();

(function copying() {
  for (const button of document.querySelectorAll(".copy")) {
    const code = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        // Clipboard access is refused on some file pages: select the text, so that one key copies it.
        window.getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }
})();

(function currentSection() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const mark = () => {
    let current = "verdict";
    for (const id of links.keys()) {
      const section = document.getElementById(id);
      if (section && section.getBoundingClientRect().top < window.innerHeight * 0.35) current = id;
    }
    for (const [id, link] of links) {
      if (id === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  window.addEventListener("scroll", mark, { passive: true });
  mark();
})();

document.addEventListener("keydown", (event) => { if (event.key === "Escape") page.hide(); });
document.addEventListener("pointerdown", (event) => {
  if (page.owner && !page.tip.contains(event.target) && !page.owner.contains(event.target)) page.hide();
});
