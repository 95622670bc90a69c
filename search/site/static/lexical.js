// A searcher that runs in the page: the product's ranking by words (BM25F), from the impacts that it compiled.
"use strict";

{
  const sum = Math.fround; // every sum is rounded to 32 bits, as where the product adds

  class LexicalSearcher {
    constructor() {
      this._opening = null;
    }

    // Load what every search needs; called early, so that a first answer need not wait.
    open() {
      this._opening ??= Kindred.Tables.open().catch((error) => {
        this._opening = null;
        throw error;
      });
      return this._opening;
    }

    // The answer to a query, and its only one.
    async *answers(text, options) {
      yield this.search(text, options);
    }

    // {hits: [{place, score}], topics: [[name, count]], suggestion, summary, remarks, hit(found)}.
    // `hits` are all notes found, best first and then by id; `topic` narrows them to the topic of this name after `topics` are
    // counted; `hit` turns one into what a page shows. While `typing`, the last word may not be finished.
    async search(text, { typing = false, topic = null } = {}) {
      const tables = await this.open();
      const query = Kindred.readQuery(text);
      const last = (words) => words.split(/\s+/).at(-1);
      const unfinished = typing && /[\p{L}\p{N}]$/u.test(text) && last(text) === last(query.words); // it ranks
      const { terms, meant } = await Kindred.word(tables, query.words, unfinished);
      const scores = new Float32Array(tables.core.notes);
      for (const [term, weight] of terms) {
        const { places, values } = tables.postings(term);
        const factor = sum(weight);
        for (let i = 0; i < places.length; i++) scores[places[i]] += sum(factor * values[i]);
      }
      const ranks = Kindred.analysis.words(query.words).length > 0;
      let found = Array.from(scores.keys()).filter((place) => (ranks ? scores[place] > 0 : hasConstraint(query)));
      found = await this._allowed(tables, query, found);
      found.sort((one, other) => scores[other] - scores[one] || one - other);
      const counts = new Map();
      for (const place of found) counts.set(tables.topicOf[place], (counts.get(tables.topicOf[place]) ?? 0) + 1);
      const topics = [...counts].map(([number, count]) => [tables.core.topics[number], number, count]);
      topics.sort((one, other) => other[2] - one[2] || one[1] - other[1]);
      const chosen = topic === null ? -1 : tables.core.topics.indexOf(topic);
      if (chosen >= 0) found = found.filter((place) => tables.topicOf[place] === chosen);
      const hits = found.map((place) => ({ place, score: scores[place] }));
      return {
        hits,
        topics: topics.map(([name, , count]) => [name, count]),
        suggestion: meant.size ? Kindred.spelling.respell(text, meant) : null,
        summary: null,
        remarks: [
          ...(hits.length ? [] : ["No note holds these words. Searching by meaning needs the command: kindred search."]),
          ...(query.beyond
            ? ["Alternatives, groups, prefix*, fuzzy~ and fields need the command: kindred search."]
            : []),
        ],
        isPending: false,
        hit: (one) => this._hit(tables, terms, one),
      };
    }

    // The related notes of a note, as its page lists them.
    async related({ place }) {
      const { perShard } = await Kindred.load("core");
      const shard = await Kindred.load(`related-${Math.floor(place / perShard)}`);
      return shard[place % perShard].map(([title, page, , grade, reason, bridge, linked]) => ({
        title, address: Kindred.address(page), grade, reason, bridge, linked,
      }));
    }

    // A note with its title and the best of its description marked, and the words of it that were asked.
    async _hit(tables, terms, { place, score }) {
      const note = await tables.note(place);
      const added = new Map();
      for (const [term, weight] of terms) {
        const { places, values } = tables.postings(term);
        const at = places.indexOf(place);
        if (at >= 0) added.set(term, weight * values[at]);
      }
      const term = (text) => tables.term(text);
      return {
        ...note,
        score,
        address: Kindred.address(note.page),
        topicName: tables.core.topics[note.topic],
        heading: Kindred.snippets.marked(note.title, term, added),
        snippet: Kindred.snippets.snippet(note.description, term, added),
      };
    }

    async _allowed(tables, query, found) {
      if (!hasConstraint(query)) return found;
      const texts = [...query.must, ...query.not, ...query.topic, ...query.notTopic];
      await tables.prepare(texts.flatMap((text) => Kindred.analysis.words(text).map((token) => token.text)));
      const terms = (text) => Kindred.analysis.words(text).map((token) => tables.term(token.text));
      const inTopic = (phrase) => tables.core.topics.map((topic) => !terms(phrase).length || holds(terms(topic), terms(phrase)));
      await tables.prepare(tables.core.topics.flatMap((topic) => Kindred.analysis.words(topic).map(({ text }) => text)));
      for (const topics of query.topic.map(inTopic)) found = found.filter((place) => topics[tables.topicOf[place]]);
      for (const topics of query.notTopic.map(inTopic)) found = found.filter((place) => !topics[tables.topicOf[place]]);
      for (const phrase of query.must) found = await this._holding(tables, found, terms(phrase), true);
      for (const phrase of query.not) found = await this._holding(tables, found, terms(phrase), false);
      return found;
    }

    // Those of `found` that hold the terms in a row in one field (or do not); the texts of those that hold every term
    // somewhere are read.
    async _holding(tables, found, phrase, wanted) {
      if (!phrase.length) return found;
      const ranked = phrase.filter((term) => !tables.isStop(term));
      const sets = ranked.map((term) => new Set(tables.postings(term)?.places));
      const holding = new Set();
      await Promise.all(
        found.map(async (place) => {
          if (!sets.every((places) => places.has(place))) return;
          if (phrase.length > 1 || !ranked.length) {
            const note = await tables.note(place);
            const fields = [note.title, note.description, tables.core.topics[note.topic]];
            const words = fields.map((text) => Kindred.analysis.words(text).map((token) => token.text));
            await tables.prepare(words.flat().filter((word) => phrase.includes(tables.term(word))));
            if (!words.some((field) => holds(field.map((word) => tables.term(word)), phrase))) return;
          }
          holding.add(place);
        }),
      );
      return found.filter((place) => holding.has(place) === wanted);
    }
  }

  const hasConstraint = (query) => ["must", "not", "topic", "notTopic"].some((part) => query[part].length);
  const holds = (terms, phrase) =>
    terms.some((_, at) => phrase.length > 0 && phrase.every((term, place) => terms[at + place] === term));

  Kindred.LexicalSearcher = LexicalSearcher;
}
