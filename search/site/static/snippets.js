// The stretch of a text that shows best why it matched, and where to mark it, as search/snippets.py chooses it.
"use strict";

{
  const LENGTH = 240;

  // {text, spans: [[start, end]]}; `weights` maps the matched terms to what each added, `term` a word to its term.
  const snippet = function (text, term, weights) {
    const tokens = Kindred.analysis.words(text).map((token) => ({ ...token, term: term(token.text) }));
    const matches = tokens.filter((token) => weights.has(token.term));
    if (text.length <= LENGTH) return { text, spans: matches.map(({ start, end }) => [start, end]) };
    const room = LENGTH - 2;
    const worth = (begin) => {
      const inside = matches.filter(({ start, end }) => begin <= start && end <= begin + room);
      const terms = [...new Set(inside.map((token) => token.term))].sort();
      return terms.reduce((sum, found) => sum + weights.get(found), 0);
    };
    const starts = [0, ...tokens.map(({ start }) => start).filter((start) => start > 0)];
    let begin = 0;
    if (matches.length) {
      const worths = starts.map(worth);
      begin = starts[worths.indexOf(Math.max(...worths))];
      const kept = matches.filter(({ start, end }) => begin <= start && end <= begin + room);
      if (kept.length) {
        const earliest = Math.max(kept.at(-1).end - room, begin - Math.floor(room / 3));
        begin = starts.find((start) => start >= earliest) ?? begin;
      }
    }
    const inside = tokens.filter(({ end }) => begin < end && end <= begin + room);
    const end = text.length - begin <= room ? text.length : (inside.at(-1)?.end ?? begin + room);
    const lead = begin ? "…" : "";
    const spans = matches
      .filter((token) => begin <= token.start && token.end <= end)
      .map((token) => [token.start - begin + lead.length, token.end - begin + lead.length]);
    return { text: lead + text.slice(begin, end) + (end < text.length ? "…" : ""), spans };
  };

  // All of a text with every matched term marked.
  const marked = (text, term, weights) => ({
    text,
    spans: Kindred.analysis
      .words(text)
      .filter((token) => weights.has(term(token.text)))
      .map(({ start, end }) => [start, end]),
  });

  Kindred.snippets = { snippet, marked };
}
