// What changes under an open page: a new generation, notes that no index holds yet, a server that went away and is back.
"use strict";

{
  const { element } = Kindred;
  const EVERY = 15_000; // milliseconds between two looks at the server while it answers
  const AWAY = 1_000; // and while it does not
  const NAMED = 3; // changed notes that are named
  const notice = document.getElementById("notice");
  const told = new Map(); // what the notice says, by its reason; shown in the order of REASONS
  const REASONS = ["away", "newer", "broken", "changed"];
  let newest = Kindred.version; // the generation of the last answer
  let timer = 0;

  const say = function (reason, ...parts) {
    const before = told.get(reason)?.textContent;
    if (!parts.length) told.delete(reason);
    else {
      const line = element("p", {}, ...parts);
      if (line.textContent === before) return;
      told.set(reason, line);
    }
    notice.replaceChildren(...REASONS.flatMap((known) => told.get(known) ?? []));
  };

  const named = function (kind, ids) {
    const more = ids.length > NAMED ? ` and ${ids.length - NAMED} more` : "";
    return ids.length ? [`${ids.length} ${kind}: ${ids.slice(0, NAMED).join(", ")}${more}`] : [];
  };

  const look = async function () {
    clearTimeout(timer);
    try {
      const { freshness, problem } = await Kindred.ask("info");
      const changes = ["added", "changed", "removed"].flatMap((kind) => named(kind, freshness[kind]));
      say("broken", ...(problem ? [problem] : []));
      if (changes.length) {
        say("changed", "Since the notes were indexed ", element("span", { dir: "auto" }, changes.join("; ")), ". Take it in with ",
          element("code", {}, "kindred index"), ".");
      } else say("changed");
    } catch {
      // told by "server-away"
    }
    clearTimeout(timer);
    timer = setTimeout(() => document.hidden || look(), told.has("away") ? AWAY : EVERY);
  };

  window.addEventListener("server-away", () => {
    if (told.has("away")) return;
    say("away", "The server does not answer. This page goes on as soon as it is back.");
    clearTimeout(timer);
    timer = setTimeout(look, AWAY);
  });

  window.addEventListener("server-answers", ({ detail: generation }) => {
    const wasAway = told.has("away");
    const isNew = generation !== newest;
    newest = generation;
    say("away");
    if (generation === Kindred.version) say("newer");
    else {
      const reload = element("button", { type: "button", onclick: () => location.reload() }, "Show them");
      say("newer", "The notes were indexed anew. ", reload);
    }
    if (wasAway || isNew) Kindred.askAgain();
  });

  for (const event of ["focus", "online"]) window.addEventListener(event, look);
  document.addEventListener("visibilitychange", () => document.hidden || look());
  look();
}
