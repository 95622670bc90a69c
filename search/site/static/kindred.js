// The one namespace that the scripts of these pages share, and how they load data.
//
// Classic scripts, not modules: a page opened from a disk may run nothing else, and may read no file but a script.
// A searcher is what the page asks, `Kindred.searcher`; `lexical.js` is one that runs here, `http.js` asks a server:
//   answers(text, {typing, topic, signal}): one answer, or several that take each other's place; `signal` ends them
//   related({place, id}): a promise of [{title, address, grade, reason, bridge, linked}]
//   why(text, id): a promise of what is told of a note's rank, where the searcher can tell it
//   open(): called early, so that a first answer need not wait, where there is something to do
// An answer is {hits, topics: [[name, count or null]], suggestion, summary: what is said in the place of a count or null,
// remarks, isPending: whether another takes its place, hit(one of hits): {id, place, address, topicName, heading, snippet}}.
"use strict";

const Kindred = {
  stemmers: {}, // language -> {stemWord(word)}
  root: new URL("../", document.currentScript.src).href, // the site's folder
  version: document.documentElement.dataset.version,
  _waiting: new Map(), // name -> {promise, done}
};

// What the file `data/NAME.js` hands over; each is loaded once. Rejects where it cannot be loaded, and may be asked again.
Kindred.load = function (name) {
  const known = Kindred._waiting.get(name);
  if (known) return known.promise;
  const entry = {};
  entry.promise = new Promise((resolve, reject) => {
    const script = document.createElement("script");
    entry.done = (value) => {
      script.remove();
      resolve(value);
    };
    script.src = `${Kindred.root}data/${name}.js?${Kindred.version}`;
    script.onerror = () => {
      script.remove();
      Kindred._waiting.delete(name);
      reject(new Error(`data/${name}.js cannot be loaded`));
    };
    document.head.append(script);
  });
  Kindred._waiting.set(name, entry);
  return entry.promise;
};

// Called by every file of data.
Kindred.receive = function (name, value) {
  Kindred._waiting.get(name)?.done(value);
};

// The address of a note's page.
Kindred.address = (page) => `${Kindred.root}notes/${page}.html`;

// An element with attributes (or properties, where a value is no string) and children; text is text, never markup.
Kindred.element = function (name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "string") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
};
