// Text -> words and terms, as indexer/analysis.py does it: same words, same folding, same stems.
"use strict";

{
  const unspaced = "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}";
  const mark =
    "\\u0300-\\u036f\\u0483-\\u0489\\u0591-\\u05c7\\u0610-\\u061a\\u064b-\\u065f\\u06d6-\\u06ed\\u0900-\\u109f" +
    "\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20f0\\u00ad\\u200c\\u200d";
  const letter = `(?:(?![${unspaced}])[\\p{L}\\p{N}])`;
  const inside = `(?:${letter}|[${mark}])`;
  const word = new RegExp(
    `[${unspaced}]|[0-9]+(?:[.,][0-9]+)+${letter}*|${letter}${inside}*(?:['\\u2019]${letter}${inside}*)*`,
    "gu",
  );
  const strokes = { ø: "o", ł: "l", đ: "d", ð: "d", ħ: "h", ı: "i", æ: "ae", œ: "oe", þ: "th", ŧ: "t", "’": "'" };
  // English plurals of acronyms, which Snowball would keep apart.
  const acronyms = /^[A-Z][A-Z0-9]+s$/;
  const noVowel = /^[b-df-hj-np-tv-xz]{2,}[b-df-hj-np-rtv-xz]s$/;

  // NFKC, case folding, and Latin, Greek and Cyrillic letters without their diacritics.
  // Upper case first, then what JavaScript still does otherwise than Unicode's case folding: so "ß" becomes "ss", every
  // sigma the same, and Cherokee stays in capitals.
  const fold = function (text) {
    if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
    const folded = text.replace(/[\u00ad\u200c\u200d]/g, "").normalize("NFKC").toUpperCase().toLowerCase();
    const cased = folded
      .replace(/ß/g, "ss")
      .replace(/ς/g, "σ")
      .replace(/[\uab70-\uabbf]/g, (small) => String.fromCharCode(small.charCodeAt(0) - 0xab70 + 0x13a0))
      .replace(/[\u13f8-\u13fd]/g, (small) => String.fromCharCode(small.charCodeAt(0) - 8));
    const bare = cased.normalize("NFD").replace(/[\u0300-\u036f]/g, "").normalize("NFC");
    return bare.replace(/[øłđðħıæœþŧ’]/g, (sign) => strokes[sign]);
  };

  // Words in order: {text, folded, start, end}.
  const words = (text) =>
    Array.from(text.matchAll(word), (match) => ({
      text: match[0],
      folded: fold(match[0]),
      start: match.index,
      end: match.index + match[0].length,
    }));

  // A word's term, given what the index says of words that notes hold ({term} or undefined by folded word).
  const term = function (text, language, known) {
    const folded = fold(text);
    if (language === "english" && (acronyms.test(text) || noVowel.test(folded))) return folded.slice(0, -1);
    const stemmer = Kindred.stemmers[language];
    return known(folded)?.term ?? (stemmer ? stemmer.stemWord(folded) : folded);
  };

  Kindred.analysis = { fold, words, term };
}
