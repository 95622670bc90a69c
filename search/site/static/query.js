// A query -> what ranks, and what may appear: of the product's grammar, phrases, exclusions and topics.
"use strict";

{
  const quotes = { '"': '"', "“": "”", "„": "“" };
  const onlyTheCommand = /(^|\s)OR(\s|$)|[\p{L}\p{N}]{2,}\*(\s|$)|[\p{L}\p{N}]{3,}~[12]?(\s|$)|(^|[\s(-])(title|description|tag):\S|(^|\s)-\(/u;

  // {words: what ranks, must: [phrase], not: [phrase], topic: [phrase], notTopic: [phrase], beyond: whether something
  // in it needs the command}.
  Kindred.readQuery = function (text) {
    const query = { must: [], not: [], topic: [], notTopic: [], beyond: onlyTheCommand.test(text) };
    const pieces = [];
    let at = 0;
    // Brackets around an aside are text.
    text = text.replace(/(^|\s)\(([^()]*)\)/g, "$1$2").trimEnd();
    while (at < text.length) {
      if (/\s/.test(text[at])) {
        at++;
        continue;
      }
      const start = at;
      const excluded = text[at] === "-" && /^-[^\s\-–—>]/u.test(text.slice(at));
      if (excluded) at++;
      const field = /^topic:(?=\S)/i.exec(text.slice(at));
      if (field) at += field[0].length;
      const closing = quotes[text[at]] ? text.indexOf(quotes[text[at]], at + 1) : -1;
      let phrase;
      if (closing > 0) {
        phrase = text.slice(at + 1, closing).split(/\s+/).filter(Boolean).join(" ");
        at = closing + 1;
      } else {
        while (at < text.length && !/\s/.test(text[at])) at++;
        phrase = text.slice(start + (excluded ? 1 : 0) + (field ? field[0].length : 0), at);
      }
      if (field) (excluded ? query.notTopic : query.topic).push(phrase);
      else if (excluded) query.not.push(phrase);
      else {
        if (closing > 0) query.must.push(phrase);
        pieces.push(phrase);
      }
    }
    query.words = pieces.join(" ");
    return query;
  };
}
