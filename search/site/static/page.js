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

  // A hit as an entry of the list; an entry of the same note is changed instead, and keeps what was opened in it.
  const hitElement = function (hit, text, item) {
    item ??= element("li", { "data-id": hit.id },
      element("h2", { dir: "auto" }, element("a", { href: hit.address })),
      element("p", { class: "facts", dir: "auto" }),
      element("p", { dir: "auto" }),
      element("p", { class: "actions" },
        Kindred.exploreLink(hit), " ", ...(Kindred.searcher.why ? [Kindred.whyButton(text, hit)] : [])));
    const [heading, facts, snippet] = item.children;
    heading.firstChild.replaceChildren(...withMarks(hit.heading));
    facts.replaceChildren(hit.topicName);
    snippet.replaceChildren(...withMarks(hit.snippet));
    return item;
  };

  const facetElement = (name, count, isPressed, act) =>
    element("li", {},
      element("button", { type: "button", "aria-pressed": String(isPressed), onclick: act },
        element("span", { dir: "auto" }, name || "Without a topic"),
        ...(count === null ? [] : [" ", element("small", {}, String(count))])));

  let latest = new AbortController(); // of the search under way: only the latest may show its answers
  let present = null; // {answer, text, topic} that is shown
  let shown = SHOWN;

  const begin = function () {
    latest.abort();
    latest = new AbortController();
    return latest.signal;
  };

  const clear = function () {
    begin();
    present = null;
    hits.replaceChildren();
    results.hidden = true;
    content.hidden = false;
    document.documentElement.classList.remove("searching");
  };

  // Show the first hits of an answer, unless `signal` says that another query came.
  const put = async function ({ answer, text, topic }, signal) {
    const first = await Promise.all(answer.hits.slice(0, shown).map(answer.hit));
    if (signal.aborted) return;
    const total = answer.hits.length;
    status.setAttribute("aria-busy", String(answer.isPending));
    status.textContent = answer.summary ?? (total === 1 ? "1 note" : `${total.toLocaleString("en")} notes`);
    if (answer.suggestion && total) status.append(" · did you mean ", element("b", { dir: "auto" }, answer.suggestion.trim()), "?");
    remark.textContent = answer.remarks.join(" ");
    remark.hidden = !answer.remarks.length;
    facets.replaceChildren(
      ...(answer.topics.length > 1 || topic !== null ? answer.topics : []).map(([name, count]) =>
        facetElement(name, count, name === topic, () => change({ q: text, topic: name === topic ? null : name }, true))),
    );
    const old = new Map(present?.text === text ? Array.from(hits.children, (item) => [item.dataset.id, item]) : []);
    const { activeElement } = document;
    hits.replaceChildren(...first.map((hit) => hitElement(hit, text, old.get(hit.id))));
    if (hits.contains(activeElement)) activeElement.focus({ preventScroll: true });
    more.hidden = total <= shown;
    present = { answer, text, topic };
    results.dataset.query = text;
    results.hidden = false;
    content.hidden = true;
    document.documentElement.classList.add("searching");
  };

  const show = async function (text, topic, typing) {
    const signal = begin();
    if (!text.trim()) return clear();
    try {
      for await (const answer of Kindred.searcher.answers(text, { typing, topic, signal })) {
        await put({ answer, text, topic }, signal);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      present = null;
      status.setAttribute("aria-busy", "false");
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

  // Ask once more what is asked, for a searcher that knows more now.
  Kindred.askAgain = () => query.value.trim() && show(query.value, state.read().topic, false);

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
    await put(present, latest.signal);
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
      const { activeElement } = document;
      const at = links.findIndex((link) => link === activeElement || link.closest("li")?.contains(activeElement));
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
