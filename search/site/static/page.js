// The search box of every page: asks the searcher as you type, shows what it answers, keeps its state in the address.
"use strict";

{
  const SHOWN = 10; // hits at first, and with each "Show more"
  const { element } = Kindred;
  const byId = (id) => document.getElementById(id);
  const [form, query, results, status, remark, facets, hits, more, content] = [
    "search", "query", "results", "status", "remark", "facets", "hits", "more", "content",
  ].map(byId);
  Kindred.searcher ??= new Kindred.LexicalSearcher();

  // The state in the address, {q, topic}: behind "#" and with "=", or it is the name of a place on the page.
  const state = {
    read() {
      const hash = location.hash.slice(1);
      const values = new URLSearchParams(hash.includes("=") ? hash : "");
      return { q: values.get("q") ?? "", topic: values.get("topic") };
    },
    write({ q, topic }, push) {
      const values = new URLSearchParams();
      if (q) values.set("q", q);
      if (topic !== null) values.set("topic", topic);
      const address = location.pathname + location.search + (values.size ? `#${values}` : "");
      if (push) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
    },
  };
  Kindred.state = state;

  // Text as nodes, its spans marked.
  const withMarks = function ({ text, spans }) {
    const parts = [];
    let at = 0;
    for (const [start, end] of spans) {
      parts.push(text.slice(at, start), element("mark", {}, text.slice(start, end)));
      at = end;
    }
    return [...parts, text.slice(at)];
  };

  const hitElement = (hit) =>
    element("li", { "data-id": hit.id, "data-place": String(hit.place) },
      element("h2", { dir: "auto" }, element("a", { href: Kindred.address(hit.page) }, ...withMarks(hit.heading))),
      element("p", { class: "facts", dir: "auto" }, hit.topicName),
      element("p", { dir: "auto" }, ...withMarks(hit.snippet)));

  const facetElement = (name, count, isPressed, act) =>
    element("li", {},
      element("button", { type: "button", "aria-pressed": String(isPressed), onclick: act },
        element("span", { dir: "auto" }, name || "Without a topic"), " ", element("small", {}, String(count))));

  let latest = 0; // of several searches under way, only the latest may show its answer
  let shown = SHOWN;

  const clear = function () {
    latest++;
    results.hidden = true;
    content.hidden = false;
    document.documentElement.classList.remove("searching");
  };

  const show = async function (text, topicName, typing) {
    const mine = ++latest;
    if (!text.trim()) return clear();
    try {
      const topic = topicName === null ? null : await Kindred.searcher.topicNumber(topicName);
      const answer = await Kindred.searcher.search(text, { typing, topic });
      const first = await Promise.all(answer.hits.slice(0, shown).map(answer.hit));
      if (mine !== latest) return;
      const total = answer.hits.length;
      status.textContent = total === 1 ? "1 note" : `${total.toLocaleString("en")} notes`;
      if (answer.suggestion && total) status.append(" · did you mean ", element("b", { dir: "auto" }, answer.suggestion.trim()), "?");
      const remarks = [];
      if (!total) remarks.push("No note holds these words. Searching by meaning needs the command: kindred search.");
      if (answer.beyond) remarks.push("Alternatives, groups, prefix*, fuzzy~ and fields need the command: kindred search.");
      remark.textContent = remarks.join(" ");
      remark.hidden = !remarks.length;
      facets.replaceChildren(
        ...(answer.topics.length > 1 || topic !== null ? answer.topics : []).map(([name, number, count]) =>
          facetElement(name, count, number === topic, () => change({ q: text, topic: number === topic ? null : name }, true))),
      );
      hits.replaceChildren(...first.map(hitElement));
      more.hidden = total <= shown;
      results.dataset.query = text;
      results.dataset.typing = String(typing);
      results.hidden = false;
      content.hidden = true;
      document.documentElement.classList.add("searching");
    } catch (error) {
      if (mine !== latest) return;
      status.textContent = `The search failed: ${error.message}.`;
      remark.hidden = true;
      facets.replaceChildren();
      hits.replaceChildren();
      more.hidden = true;
      results.hidden = false;
      content.hidden = false;
    }
  };

  // A finished change: a step that "back" undoes.
  const change = function (wanted, push) {
    state.write(wanted, push);
    shown = SHOWN;
    show(wanted.q, wanted.topic, false);
  };

  const apply = function () {
    const { q, topic } = state.read();
    query.value = q;
    shown = SHOWN;
    show(q, topic, false);
  };

  const reset = function () {
    query.value = "";
    state.write({ q: "", topic: null }, false);
    clear();
    query.focus();
  };

  query.addEventListener("input", () => {
    state.write({ q: query.value, topic: null }, false);
    shown = SHOWN;
    show(query.value, null, true);
  });
  query.addEventListener("focus", () => Kindred.searcher.open?.().catch(() => {}), { once: true });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change({ q: query.value, topic: state.read().topic }, true);
  });
  more.addEventListener("click", async () => {
    const next = shown;
    shown += SHOWN;
    await show(query.value, state.read().topic, false);
    hits.children[next]?.querySelector("a").focus();
  });

  document.addEventListener("keydown", (event) => {
    const inField = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "/" && !inField) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape" && (event.target === query || !results.hidden)) {
      event.preventDefault();
      reset();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !results.hidden) {
      const links = [query, ...hits.querySelectorAll("h2 a")];
      const at = links.indexOf(document.activeElement);
      const next = links[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (at < 0 || !next) return;
      event.preventDefault();
      next.focus();
    }
  });

  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address holds the search
    byId("main").focus();
  });

  window.addEventListener("popstate", apply);
  form.hidden = false;
  if (state.read().q) {
    content.hidden = true; // until the answer is there
    apply();
  }
}
