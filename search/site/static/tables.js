// What the index says of words and notes, loaded in shards as it is asked for.
"use strict";

{
  const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

  // How many, gaps between places of 7 bits a byte, impacts as float32.
  const unpack = function (base64) {
    const packed = bytes(base64);
    let at = 0;
    const next = () => {
      let number = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = packed[at++];
        number += (byte & 127) * factor;
        if (byte < 128) return number;
      }
    };
    const places = new Int32Array(next());
    for (let i = 0, place = 0; i < places.length; i++) places[i] = place += next();
    const values = new Float32Array(packed.slice(at).buffer);
    return { places, values };
  };

  // The number of the shard that holds `word`: the last that begins with it or before.
  const shardOf = function (firsts, word) {
    let low = 0;
    let high = firsts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (firsts[middle] <= word) low = middle + 1;
      else high = middle;
    }
    return Math.max(low - 1, 0);
  };

  class Tables {
    constructor(core) {
      this.core = core;
      const { buffer } = bytes(core.topicOf);
      this.topicOf = core.topics.length > 256 ? new Uint16Array(buffer) : new Uint8Array(buffer);
      this.stops = new Set(core.stops);
      this._records = new Map(); // word or term -> {notes, term, postings, acronyms}
      this._loaded = new Set(); // numbers of shards of words
      this._spelling = new Map(); // number of a shard -> words
    }

    static async open() {
      return new Tables(await Kindred.load("core"));
    }

    // Load what is known of words, and of their terms; then `word`, `term`, `postings` and `acronyms` know them.
    async prepare(texts) {
      const folded = texts.map(Kindred.analysis.fold);
      await this._loadShards(folded.map((word) => shardOf(this.core.words, word)));
      const terms = texts.flatMap((text) => [this.term(text), this.term(Kindred.analysis.fold(text))]);
      await this._loadShards(terms.map((term) => shardOf(this.core.words, term)));
    }

    // {notes, term} of a folded word that a note holds, or undefined.
    word(folded) {
      const record = this._records.get(folded);
      return record?.notes ? record : undefined;
    }

    // The term of a word as typed.
    term(text) {
      return Kindred.analysis.term(text, this.core.language, (folded) => this.word(folded));
    }

    isStop(term) {
      return this.stops.has(term);
    }

    // {places, values} of a term, or null where no note holds it.
    postings(term) {
      const record = this._records.get(term);
      if (!record?.packed) return null;
      record.postings ??= unpack(record.packed);
      return record.postings;
    }

    // [terms, partner] of the acronyms and long forms that begin with a term.
    acronyms(term) {
      return this._records.get(term.toLowerCase())?.acronyms ?? [];
    }

    // Words of the notes that begin so, [word, notes]; null where they lie in more shards than `most`.
    async begun(beginning, most) {
      const first = shardOf(this.core.words, beginning);
      const last = shardOf(this.core.words, `${beginning}\uffff`);
      if (last - first >= most) return null;
      const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      await this._loadShards(numbers);
      const held = [...this._records].filter(([word, { notes }]) => notes && word.startsWith(beginning));
      return held.map(([word, { notes }]) => [word, notes]);
    }

    // Every word that begins with the first letter of `word`, those that only the encoder knows too: [word, notes].
    async spelling(word) {
      if (!this.core.spelling.length) return [];
      const number = shardOf(this.core.spelling, word[0]);
      if (!this._spelling.has(number)) {
        const words = [];
        for (const part of (await Kindred.load(`spelling-${number}`)).split(" ")) {
          const [rest, notes] = part.slice(1).split(":");
          words.push([(words.at(-1)?.[0] ?? "").slice(0, parseInt(part[0], 36)) + rest, Number(notes ?? 0)]);
        }
        this._spelling.set(number, words);
      }
      return this._spelling.get(number).filter(([other]) => other[0] === word[0]);
    }

    // {place, title, description, topic, page, id} of a note.
    async note(place) {
      const shard = await Kindred.load(`notes-${Math.floor(place / this.core.perShard)}`);
      const [title, description = "", topic = 0, page, id] = shard[place % this.core.perShard];
      return { place, title, description, topic, page, id: id ?? page };
    }

    async _loadShards(numbers) {
      const missing = [...new Set(numbers)].filter((number) => !this._loaded.has(number));
      if (!this.core.words.length) return;
      for (const [number, shard] of await Promise.all(
        missing.map(async (number) => [number, await Kindred.load(`words-${number}`)]),
      )) {
        if (this._loaded.has(number)) continue;
        this._loaded.add(number);
        for (const [word, notes = 0, term = "", packed = "", acronyms = []] of shard) {
          this._records.set(word, { notes, term: term || word, packed, acronyms });
        }
      }
    }
  }

  Kindred.Tables = Tables;
}
