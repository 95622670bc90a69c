// The map: a tip beside the point under the pointer or with the focus, and topics that can be picked out.
"use strict";

if (document.getElementById("map")) {
  const { element } = Kindred;
  const [map, tip, legend] = ["map", "tip", "legend"].map((id) => document.getElementById(id));
  const points = [...map.querySelectorAll(".point")];
  const nameOf = (button) => button.querySelector("span").textContent;

  const showTip = function (point) {
    tip.replaceChildren(element("span", { dir: "auto" }, point.getAttribute("aria-label")));
    tip.hidden = false;
    const box = map.getBoundingClientRect();
    const at = point.getBoundingClientRect();
    const left = Math.min(Math.max(at.left - box.left - tip.offsetWidth / 2, 0), box.width - tip.offsetWidth);
    const above = at.top - box.top - tip.offsetHeight - 6;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 0 ? above : at.bottom - box.top + 6}px`;
  };
  const hideTip = () => (tip.hidden = true);

  const pick = function (name) {
    const chosen = [...legend.querySelectorAll("button")].find((button) => name !== null && nameOf(button) === name);
    for (const button of legend.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
    for (const point of points) {
      point.classList.toggle("dimmed", chosen !== undefined && point.dataset.topic !== chosen.dataset.topic);
    }
  };

  for (const point of points) {
    point.addEventListener("pointerenter", () => showTip(point));
    point.addEventListener("focus", () => showTip(point));
    point.addEventListener("pointerleave", hideTip);
    point.addEventListener("blur", hideTip);
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const topic = button.getAttribute("aria-pressed") === "true" ? null : nameOf(button);
    Kindred.state.write({ q: "", topic }, true);
    pick(topic);
  });
  const apply = () => Kindred.state.read().q || pick(Kindred.state.read().topic);
  window.addEventListener("popstate", apply);
  apply();
}
