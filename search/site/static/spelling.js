// Misspelt, joined and split words -> what was meant, as search/spelling.py finds it.
"use strict";

{
  const ONE_EDIT = 5;
  const TWO_EDITS = 9;
  const ENDING = 2;
  const PART = 3;
  const Slip = { DOUBLED: 0, SWAPPED: 1, MISSING: 2, VOWEL: 3, EXTRA: 4, REPLACED: 5, CUT: 6, ENDING: 7, TWO: 8 };
  const isAlpha = (word) => /^\p{L}+$/u.test(word);
  const isLower = (text) => text === text.toLowerCase() && text !== text.toUpperCase();
  const neighbours = (text, one, other) => other !== undefined && [" ", "-"].includes(text.slice(one.end, other.start));

  // Restricted Damerau-Levenshtein distance; with `prefix`, to the nearest beginning of `other`.
  const distance = function (one, other, prefix = false) {
    let twoAbove = [];
    let above = Array.from({ length: other.length + 1 }, (_, i) => i);
    for (let i = 1; i <= one.length; i++) {
      const row = [i];
      for (let j = 1; j <= other.length; j++) {
        row[j] = Math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1));
        if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
          row[j] = Math.min(row[j], twoAbove[j - 2] + 1);
        }
      }
      [twoAbove, above] = [above, row];
    }
    return prefix ? Math.min(...above) : above[other.length];
  };

  const beginning = function (one, other) {
    let place = 0;
    while (place < one.length && place < other.length && one[place] === other[place]) place++;
    return place;
  };

  const slipOf = function (typed, meant) {
    if (typed.length === meant.length) {
      const apart = [...Array(typed.length).keys()].filter((at) => typed[at] !== meant[at]);
      if (apart.length === 2) return Slip.SWAPPED;
      return "aeiouy".includes(typed[apart[0]]) && "aeiouy".includes(meant[apart[0]]) ? Slip.VOWEL : Slip.REPLACED;
    }
    const [shorter, longer] = typed.length < meant.length ? [typed, meant] : [meant, typed];
    const place = beginning(shorter, longer);
    if (longer[place] === longer[place - 1]) return Slip.DOUBLED;
    if (place === shorter.length) return typed === shorter ? Slip.CUT : Slip.ENDING;
    return typed === shorter ? Slip.MISSING : Slip.EXTRA;
  };

  // [word, slip] of what a folded word may be a misspelling of, the likeliest first; `all` are the words that may be.
  const nearest = function (word, all) {
    const edits = word.length < ONE_EDIT ? 0 : word.length < TWO_EDITS ? 1 : 2;
    if (!edits) return [];
    const found = [];
    for (const [other, notes] of all) {
      if (Math.abs(other.length - word.length) > edits || !isAlpha(other)) continue;
      const apart = distance(word, other);
      let slip = Slip.TWO;
      let likely;
      if (apart === 1) {
        slip = slipOf(word, other);
        likely = slip < Slip.REPLACED || (slip < Slip.ENDING && notes > 0);
      } else {
        const ending = Math.min(word.length, other.length) - ENDING;
        const inside = other.at(-1) === word.at(-1) && beginning(word, other) < ending;
        likely = apart === 2 && edits === 2 && notes > 0 && inside;
      }
      if (likely) found.push([slip === Slip.TWO, slip > Slip.MISSING, -notes, slip, other]);
    }
    found.sort((one, other) => {
      const at = one.findIndex((value, place) => value !== other[place]);
      return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
    });
    return found.map(([, , , slip, other]) => [other, slip]);
  };

  // Two words that `word` joins and one note holds, or a stop word before a longer one.
  const halves = async function (tables, word) {
    let splits = [];
    for (let at = 2; at < word.length - 1; at++) splits.push([word.slice(0, at), word.slice(at)]);
    await tables.prepare(splits.map(([first]) => first));
    splits = splits.filter(([first]) => tables.isStop(tables.term(first)) || tables.word(first)); // fewer shards to load
    await tables.prepare(splits.map(([, second]) => second));
    let best = null;
    for (const parts of splits) {
      const content = parts.filter((part, place) => place || !tables.isStop(part));
      if (Math.min(...content.map((part) => part.length)) < (content.length === 2 ? PART : PART + 1)) continue;
      const held = content.map((part) => tables.postings(tables.term(part))?.places);
      if (content.some((part) => !tables.word(part)) || held.includes(undefined)) continue;
      const others = new Set(held.at(-1));
      const together = held[0].filter((place) => others.has(place)).length;
      const text = parts.join(" ");
      if (together && (!best || together > best.together || (together === best.together && text < best.text))) {
        best = { together, text };
      }
    }
    return best?.text ?? null;
  };

  const correction = async function (tables, word, all) {
    const near = nearest(word, all);
    const term = tables.term(word);
    const stem = term.slice(0, -1) || term;
    const isForm = () => all.some(([other]) => other === word || (other.startsWith(stem) && tables.term(other) === term));
    if (tables.postings(term) || isForm()) {
      return near.find(([other, slip]) => slip < Slip.REPLACED && tables.term(other) === term)?.[0] ?? null;
    }
    if (near.length && near[0][1] !== Slip.TWO) return near[0][0];
    return (await halves(tables, word)) ?? near[0]?.[0] ?? null;
  };

  // What the words of `text` were meant to be: one folded word, or two with a space between -> what was meant.
  const meantWords = async function (tables, text) {
    const meant = new Map();
    const tokens = Kindred.analysis.words(text);
    const plain = tokens.map((token) => isAlpha(token.folded) && !tables.isStop(tables.term(token.text)));
    let place = 0;
    while (place < tokens.length) {
      const [token, next] = tokens.slice(place, place + 2);
      if (neighbours(text, token, next) && isAlpha(token.folded) && isAlpha(next.folded)) {
        const foreign = [place, place + 1].some((at) => plain[at] && !tables.postings(tables.term(tokens[at].text)));
        if (foreign) {
          const joined = token.folded + next.folded;
          await tables.prepare([joined]);
          if (tables.postings(tables.term(joined))) {
            meant.set(`${token.folded} ${next.folded}`, joined);
            place += 2;
            continue;
          }
        }
      }
      if (plain[place] && !tables.word(token.folded)) {
        const all = await tables.spelling(token.folded);
        if (!all.some(([word]) => word === token.folded)) {
          // A capital inside is meant: RLVR and McGovern are no slips, but TestTime may still be two words.
          const found = isLower(token.text.slice(1))
            ? await correction(tables, token.folded, all)
            : await halves(tables, token.folded);
          if (found) meant.set(token.folded, found);
        }
      }
      place++;
    }
    return meant;
  };

  // `text` with the words that were meant in the place of those typed; a first capital stays one.
  const respell = function (text, meant) {
    const tokens = Kindred.analysis.words(text);
    let result = "";
    let at = 0;
    for (let place = 0; place < tokens.length; place++) {
      const [token, next] = tokens.slice(place, place + 2);
      const pair = neighbours(text, token, next) ? meant.get(`${token.folded} ${next.folded}`) : undefined;
      const right = pair ?? meant.get(token.folded);
      if (right === undefined) continue;
      const isCapital = text[token.start] !== text[token.start].toLowerCase();
      result += text.slice(at, token.start) + (isCapital ? right[0].toUpperCase() + right.slice(1) : right);
      at = (pair === undefined ? token : next).end;
      if (pair !== undefined) place++;
    }
    return result + text.slice(at);
  };

  Kindred.spelling = { meantWords, respell, nearest, distance };
}
