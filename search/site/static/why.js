// "Why is it here?" opens in place what the server tells of a note's rank: its figures, and what is ahead of it.
"use strict";

{
  const { element } = Kindred;
  const MOST = 6; // words of the query that are told one by one
  const figure = (value) => (Math.round(value * 100) / 100 + 0).toFixed(2);
  const notes = (number) => (number ? `${number} ${number === 1 ? "note" : "notes"}` : "no note");
  const some = (parts) =>
    parts.slice(0, MOST).join(", ") + (parts.length > MOST ? ` and ${parts.length - MOST} more` : "");
  const placed = ({ rank, of, score, counts }) =>
    `rank ${rank ?? "none"} of ${of}${counts ? "" : ", too deep to count"}, score ${figure(score)}`;

  // Name -> sentence, as the command line has them.
  const facts = function (why) {
    const found = [];
    const held = why.words.filter((word) => word.fields.length).sort((one, other) => other.added - one.added);
    const lacking = why.words.filter((word) => !word.fields.length).sort((one, other) => one.notes - other.notes);
    if (held.length && why.lexical) {
      const parts = held.map((word) => `${word.text} ${figure(word.added)} (${word.fields.join(", ")})`);
      found.push(["Words", `${placed(why.lexical)}: ${some(parts)}`]);
    }
    if (lacking.length) found.push(["Lacks", some(lacking.map((word) => `${word.text} (in ${notes(word.notes)})`))]);
    if (why.semantic && why.background !== null) {
      found.push(["Meaning", `${placed(why.semantic)}; a note on average has ${figure(why.background)}`]);
    }
    if (why.late !== null && why.late_background !== null) {
      found.push(["Word by word", `${figure(why.late)}; a note on average has ${figure(why.late_background)}`]);
    }
    return found;
  };

  const panel = (why) =>
    element("div", { class: "list" },
      element("p", { dir: "auto" }, why.conclusion),
      element("dl", {},
        ...facts(why).map(([name, fact]) =>
          element("div", {}, element("dt", {}, name), element("dd", { dir: "auto" }, fact)))),
      ...(why.ahead.length ? [element("p", { class: "facts" }, "Ahead of it:")] : []),
      element("ol", {},
        ...why.ahead.map((other) =>
          element("li", { value: other.rank },
            element("a", { href: Kindred.addressOf(other.id), dir: "auto" }, other.title)))));

  // The control for a hit of the query `text`.
  Kindred.whyButton = function (text, { id }) {
    const button = element("button", { type: "button", class: "why", "aria-expanded": "false" }, "Why is it here?");
    const told = async () => panel(await Kindred.searcher.why(text, id));
    const failed = (error) => element("p", { class: "list" }, `That cannot be told: ${error.message}.`);
    button.addEventListener("click", () =>
      Kindred.toggle(button, told).catch((error) => error.isAway || Kindred.toggle(button, async () => failed(error))));
    return button;
  };
}
