// "Explore related" opens a note's list in place; without this script it leads to the list on the note's page.
"use strict";

{
  const { element } = Kindred;

  const listElement = (list) =>
    element("ol", { class: "list" },
      ...list.map(([title, page, , grade, reason, bridge, linked]) =>
        element("li", {},
          element("a", { href: Kindred.address(page), dir: "auto" }, title),
          element("p", { class: "facts" },
            element("span", { class: `grade ${grade}` }, grade),
            ...(bridge ? [" ", element("span", { class: "badge" }, "bridge to another topic")] : []),
            ...(linked ? [" ", element("span", { class: "badge" }, "linked already")] : []),
            " ", element("span", { dir: "auto" }, reason)))));

  const toggle = async function (button) {
    const opened = document.getElementById(button.getAttribute("aria-controls"));
    if (opened) {
      opened.hidden = !opened.hidden;
      button.setAttribute("aria-expanded", String(!opened.hidden));
      return;
    }
    const place = Number(button.dataset.place);
    const id = `related-${place}`;
    const { perShard } = await Kindred.load("core");
    const shard = await Kindred.load(`related-${Math.floor(place / perShard)}`);
    if (document.getElementById(id)) return; // a second click came first
    const list = listElement(shard[place % perShard]);
    list.id = id;
    button.setAttribute("aria-controls", id);
    button.setAttribute("aria-expanded", "true");
    button.closest(".note").append(list);
  };

  for (const link of document.querySelectorAll("a.explore")) {
    link.setAttribute("role", "button");
    link.setAttribute("aria-expanded", "false");
    const act = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      toggle(link).catch(() => location.assign(link.href));
    };
    link.addEventListener("click", act);
    link.addEventListener("keydown", (event) => event.key === " " && act(event));
  }
}
