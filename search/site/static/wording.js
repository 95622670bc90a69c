// The words of a query -> weighted terms, as search/wording.py and search/expansion.py settle them.
"use strict";

{
  const SPELT = 0.8; // what a term counts in the place of a misspelt one
  const LONG = 0.5; // the words of a long form for its acronym
  const SHORT = 0.2; // an acronym for its long form
  const FEW = 2; // notes that hold an acronym that is spelt out at most: two, or one in a hundred
  const SHARE = 0.01;
  const SHORT_QUERY = 6; // words that are no stop words
  const LONGEST = 10; // words of a long form
  const BEGINNING = 2; // letters from which on an unfinished word says something
  const WEIGHED = 100; // completions that are weighed
  const ONE_EDIT = 4; // letters of a beginning from which on one edit is forgiven, or two
  const TWO_EDITS = 9;
  const SHARDS = 6; // shards that an unfinished word may load; more letters need fewer

  const contentTerms = (tables, text) =>
    Kindred.analysis
      .words(text)
      .map((token) => tables.term(token.text))
      .filter((term) => !tables.isStop(term));

  const longForm = function (tables, terms) {
    let best = [1, null];
    let words = terms[0];
    const lines = tables.acronyms(terms[0]);
    for (let size = 2; size <= terms.length; size++) {
      if (!lines.some(([key]) => key.startsWith(`${words} `))) break;
      words = `${words} ${terms[size - 1]}`;
      const line = lines.find(([key]) => key === words);
      if (line) best = [size, line[1]];
    }
    return best;
  };

  const speltOut = function (tables, term, typed) {
    const holding = tables.postings(term)?.places.length ?? 0;
    if (holding > Math.max(FEW, SHARE * tables.core.notes)) return null;
    const inCapitals = [...typed].filter((letter) => letter !== letter.toLowerCase()).length > 1;
    const partner = (key) => tables.acronyms(term).find((line) => line[0] === key)?.[1];
    return partner(term) ?? (inCapitals ? partner(term.toUpperCase()) : null) ?? null;
  };

  // Term -> weight, of acronyms for long forms and the other way round.
  const expandedTerms = async function (tables, text) {
    const tokens = Kindred.analysis.words(text);
    const terms = tokens.map((token) => tables.term(token.text));
    const isShort = terms.filter((term) => !tables.isStop(term)).length <= SHORT_QUERY;
    const found = new Map();
    let place = 0;
    while (place < tokens.length) {
      const [size, short] = longForm(tables, terms.slice(place, place + LONGEST));
      const { start, text: typed } = tokens[place];
      const endsCompound = /[\p{L}\p{N}][-\u2010\u2011]$/u.test(text.slice(0, start));
      if (short !== null) {
        if (!found.has(short)) found.set(short, SHORT);
      } else if (isShort && !tables.isStop(terms[place]) && !endsCompound) {
        const long = speltOut(tables, terms[place], typed);
        if (long !== null) {
          await tables.prepare(Kindred.analysis.words(long).map((token) => token.text));
          for (const term of contentTerms(tables, long)) found.set(term, LONG);
        }
      }
      place += size;
    }
    await tables.prepare([...found.keys()]);
    return found;
  };

  // Words of the notes that begin within one or two edits of `typed`.
  const nearlyBegun = async function (tables, typed) {
    const edits = typed.length < ONE_EDIT ? 0 : typed.length < TWO_EDITS ? 1 : 2;
    const all = edits ? await tables.spelling(typed) : [];
    return all.filter(([word, notes]) => notes && Kindred.spelling.distance(typed, word, true) <= edits);
  };

  // Term -> weight of the words that an unfinished one may become: together they count as one term.
  const begunTerms = async function (tables, typed) {
    const isTerm = (word) => !tables.isStop(tables.term(word));
    const begun = await tables.begun(typed, SHARDS);
    let words = begun?.filter(([word]) => isTerm(word)) ?? [];
    if (begun && !words.length) {
      words = await nearlyBegun(tables, typed);
      await tables.prepare(words.map(([word]) => word));
      words = words.filter(([word]) => isTerm(word));
    }
    words.sort(([one, some], [other, more]) => more - some || (one < other ? -1 : 1)).splice(WEIGHED);
    await tables.prepare(words.map(([word]) => word));
    const terms = [...new Set(words.map(([word]) => tables.term(word)))].filter((term) => tables.postings(term));
    const { notes } = tables.core;
    const idf = (holding) => Math.log1p((notes - holding + 0.5) / (holding + 0.5));
    const together = idf(new Set(terms.flatMap((term) => [...tables.postings(term).places])).size);
    return new Map(terms.map((term) => [term, together / idf(tables.postings(term).places.length)]));
  };

  // {terms: term -> weight, in the order in which they are added up; meant}. While `typing`, the last word also stands
  // for every word that begins so.
  const word = async function (tables, text, typing) {
    const tokens = Kindred.analysis.words(text);
    const last = tokens.at(-1);
    await tables.prepare(tokens.map((token) => token.text));
    if (typing && last?.end === text.length && last.end - last.start >= BEGINNING) {
      const before = await word(tables, text.slice(0, last.start), false);
      const terms = new Map(before.terms);
      for (const [term, weight] of await begunTerms(tables, last.folded)) {
        terms.set(term, Math.max(terms.get(term) ?? 0, weight));
      }
      const typed = tables.term(last.text);
      if (tables.postings(typed)) terms.set(typed, Math.max(terms.get(typed) ?? 0, 1));
      return { terms, meant: before.meant };
    }
    const weights = new Map();
    for (const term of contentTerms(tables, text)) weights.set(term, (weights.get(term) ?? 0) + 1);
    const add = (term, weight) => weights.has(term) || weights.set(term, weight);
    const meant = await Kindred.spelling.meantWords(tables, text);
    let right = text;
    if (meant.size) {
      right = Kindred.spelling.respell(text, meant);
      await tables.prepare(Kindred.analysis.words([...meant.values(), right].join(" ")).map((token) => token.text));
      for (const found of meant.values()) for (const term of contentTerms(tables, found)) add(term, SPELT);
    }
    for (const [term, weight] of await expandedTerms(tables, right)) add(term, weight);
    return { terms: new Map([...weights].filter(([term]) => tables.postings(term))), meant };
  };

  Kindred.word = word;
}
