// "Explore related" opens a note's list in place; without this script it leads to the list on the note's page.
"use strict";

{
  const { element } = Kindred;
  let opened = 0; // lists so far: each has an id of its own

  const listElement = (list) =>
    list.length
      ? element("ol", { class: "list" },
          ...list.map((other) =>
            element("li", {},
              element("a", { href: other.address, dir: "auto" }, other.title),
              element("p", { class: "facts" },
                element("span", { class: `grade ${other.grade}` }, other.grade),
                ...(other.bridge ? [" ", element("span", { class: "badge" }, "bridge to another topic")] : []),
                ...(other.linked ? [" ", element("span", { class: "badge" }, "linked already")] : []),
                " ", element("span", { dir: "auto" }, other.reason)))))
      : element("p", { class: "list facts" }, "No other note is near enough to this one.");

  // Opens and closes, in the entry that a control stands in, what `make` gives a promise of; it is asked for once.
  Kindred.toggle = async function (control, make) {
    const id = control.getAttribute("aria-controls");
    if (id) {
      const panel = document.getElementById(id);
      panel.hidden = !panel.hidden;
      control.setAttribute("aria-expanded", String(!panel.hidden));
      return;
    }
    if (control.hasAttribute("aria-busy")) return; // a second click before the answer
    control.setAttribute("aria-busy", "true");
    try {
      const panel = await make();
      panel.id = `opened-${++opened}`;
      control.setAttribute("aria-controls", panel.id);
      control.setAttribute("aria-expanded", "true");
      control.closest(".note, li").append(panel);
    } finally {
      control.removeAttribute("aria-busy");
    }
  };

  const asButton = function (link) {
    link.setAttribute("role", "button");
    link.setAttribute("aria-expanded", "false");
    return link;
  };

  // The control for a note that is shown by a script: {address, place, id}.
  Kindred.exploreLink = function ({ address, place, id }) {
    const link = element("a", { class: "explore", href: `${address}#related`, "data-id": id }, "Explore related");
    if (place !== undefined) link.dataset.place = String(place);
    return asButton(link);
  };

  const act = function (event) {
    const link = event.target.closest?.("a.explore");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const note = { place: Number(link.dataset.place), id: link.dataset.id };
    Kindred.toggle(link, async () => listElement(await Kindred.searcher.related(note))).catch(
      (error) => error.isAway || location.assign(link.href),
    );
  };
  document.addEventListener("click", act);
  document.addEventListener("keydown", (event) => event.key === " " && act(event));
  document.querySelectorAll("a.explore").forEach(asButton);
}
