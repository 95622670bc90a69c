// A searcher that asks the server that the page came from: by words at once, then by words and meaning together.
"use strict";

{
  const PAUSE = 150; // milliseconds after the last key until the meaning is asked for: shorter than typists think
  const MOST = 50; // hits that are fetched, and whose topics are offered
  const GRADES = {
    strong: "Strong match",
    fair: "Fair match",
    weak: "No note answers this; these come closest",
  };
  const { language } = document.documentElement.dataset;
  const tell = (name, detail) => window.dispatchEvent(new CustomEvent(name, { detail }));

  // Offsets that count characters, as the server does, in UTF-16 units, as scripts do.
  const inUnits = function ({ text, spans }) {
    const at = [0];
    for (const character of text) at.push(at.at(-1) + character.length);
    return { text, spans: spans.map(([start, end]) => [at[start], at[end]]) };
  };

  const pause = (signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, PAUSE);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });

  // The address that leads to the page of the note with this id.
  Kindred.addressOf = (id) => `${Kindred.root}notes/?id=${encodeURIComponent(id)}`;

  // What the server answers at `path` below api/.  Tells the window "server-answers", with the generation, or
  // "server-away"; rejects where it does not answer, or not well.
  Kindred.ask = async function (path, parameters = {}, signal = undefined) {
    const address = new URL(`api/${path}`, Kindred.root);
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    let response, answer;
    try {
      response = await fetch(address, { signal });
      answer = await response.json();
    } catch (error) {
      if (signal?.aborted) throw error;
      tell("server-away");
      throw Object.assign(new Error("the server does not answer"), { isAway: true });
    }
    if (!response.ok) throw new Error((answer.detail ?? answer.title).replace(/\.$/, ""));
    tell("server-answers", response.headers.get("kindred-generation"));
    return answer;
  };

  class HttpSearcher {
    // While `typing`, first what the words find and then the whole ranking, or only that if it comes first.
    async *answers(text, { typing, topic, signal }) {
      const asked = (mode) => ask(text, mode, typing, topic, signal);
      const whole = typing ? pause(signal).then(() => asked("hybrid")) : asked("hybrid");
      whole.catch(() => {}); // nobody may be waiting any more when it is given up
      if (typing) {
        const words = asked("lexical").catch(() => whole);
        const first = await Promise.race([words, whole]);
        if (first.hits.length || !first.isPending) yield first; // "h" finds nothing yet: what is shown stays
        if (!first.isPending) return;
      }
      yield await whole;
    }

    // As the list on the note's page.
    async related({ id }) {
      const { related } = await Kindred.ask(`notes/${encodeURIComponent(id)}/related`);
      return related.map((other) => ({ ...other, address: Kindred.addressOf(other.id) }));
    }

    why(text, id) {
      return Kindred.ask("why", { q: text, note: id });
    }
  }

  const summary = function ({ hits, grade }) {
    if (!hits.length) return "No note matches";
    return GRADES[grade] ?? (hits.length < MOST ? null : `The first ${MOST} notes`);
  };

  const ask = async function (text, mode, typing, topic, signal) {
    const question = { q: text, mode, k: MOST, typing, explain: true };
    const [answer, all] = await Promise.all([
      Kindred.ask("search", topic === null ? question : { ...question, topic }, signal),
      topic === null ? null : Kindred.ask("search", question, signal), // the other topics stay in reach
    ]);
    const topics = new Set((all ?? answer).hits.map((hit) => hit.topic).filter((name) => name));
    if (topic !== null) topics.add(topic);
    const isPending = mode === "lexical";
    return {
      hits: answer.hits,
      topics: [...topics].map((name) => [name, null]),
      suggestion: answer.suggestion,
      summary: isPending ? "By words so far …" : summary(answer),
      remarks: [],
      isPending,
      hit: pageHit,
    };
  };

  const pageHit = function (hit) {
    const terms = new Map(Object.entries(hit.legs.lexical?.terms ?? {}));
    const term = (word) => Kindred.analysis.term(word, language, () => undefined);
    return {
      id: hit.id,
      address: Kindred.addressOf(hit.id),
      topicName: hit.topic,
      heading: Kindred.snippets.marked(hit.title, term, terms),
      snippet: inUnits(hit.snippet),
    };
  };

  Kindred.searcher = new HttpSearcher();
}
