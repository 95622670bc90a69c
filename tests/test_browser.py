"""The site in a real browser: headless Chromium, the system's own, opened from a disk."""

from __future__ import annotations

import json
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from test_site import HOSTILE, indexed
from toys import ToyEncoder, record, write_jsonl
from visits import SHOTS, Visit, needs_chromium, violations

from indexer import Analyser, build_index, fold, open_index
from indexer.sources import read_notes
from search import Searcher
from search.site.export import write_site

ROOT = Path(__file__).parent.parent
DEV = ROOT / "benchmarks" / "judgements" / "dev" / "queries.jsonl"
QUERIES = [json.loads(line)["text"] for line in DEV.read_text("utf-8").splitlines()]
NOTE = "notes/can-llms-design-reward-functions-for-reinforcement-learning.html"

pytestmark = needs_chromium


@pytest.fixture
def visit(browser: Browser, owner_site: Path) -> Iterator[Visit]:
    """A visit to the owner's site that must end without a complaint and without asking another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(60_000)
    visit = Visit(context.new_page(), owner_site.as_uri())
    yield visit
    context.close()
    assert visit.complaints == []
    assert [address for address in visit.requests if not address.startswith(("file:///", "data:"))] == []


ASK = """async ([query, typing]) => {
    const answer = await Kindred.searcher.search(query, {typing});
    const hits = await Promise.all(answer.hits.slice(0, 20).map(answer.hit));
    return [hits.map((hit) => [hit.id, hit.score, hit.snippet.text, hit.snippet.spans]), answer.suggestion];
}"""
CONSTRAINED = [
    '"reward models" -reasoning', 'policy topic:"Reward Models"', '"in the" language', "reward -topic:reward",
    "mode -reason", "mode -mode", "mode -topic:reward",
    "rlhf vs RLVR", "gradients tokenizers hackings", "teh policey", "Straße naïve ＲＬ", "the of and", "-",
    "constructor __proto__ toString",
]  # fmt: skip


@pytest.mark.parametrize("typing", [False, True])
def test_the_page_ranks_marks_and_corrects_as_the_command_line_does(
    visit: Visit, owner_index: Path, typing: bool
) -> None:
    searcher = Searcher.open(owner_index)
    visit.open("index.html")
    for query in QUERIES + CONSTRAINED:
        hits, suggestion = visit.page.evaluate(ASK, [query, typing])
        expected = searcher.search(query, 20, "lexical", typing)
        assert [hit[0] for hit in hits] == [hit.note.id for hit in expected], query
        assert [hit[1] for hit in hits] == [hit.score for hit in expected], query
        if not typing:
            spans = [(hit.snippet.text, [list(span) for span in hit.snippet.spans]) for hit in expected]
            assert [(hit[2], hit[3]) for hit in hits] == spans, query
            assert suggestion == expected.suggestion, query


def test_in_another_language_the_page_knows_the_words_that_the_notes_hold(browser: Browser, tmp_path: Path) -> None:
    notes = [
        record("haus", "Die Häuser am Fluss", "Ein Haus steht allein, viele Häuser stehen zusammen."),
        record("fluss", "Flüsse ohne Straßen", "Der Fluss fließt schneller als gedacht."),
        record("weg", "Wege", "Nichts von alledem."),
    ]
    build_index([write_jsonl(tmp_path / "n.jsonl", notes)], tmp_path / "i", encoder=ToyEncoder(), language="german")
    searcher = Searcher.open(tmp_path / "i")
    write_site(searcher.index, tmp_path / "site")
    page = browser.new_page()
    page.goto(f"{(tmp_path / 'site').as_uri()}/index.html")
    for query in ("Häuser", "haus", "Flüsse Fluss", "schneller strassen", "der am"):
        hits, _ = page.evaluate(ASK, [query, False])
        expected = searcher.search(query, 20, "lexical")
        assert [(hit[0], hit[1]) for hit in hits] == [(hit.note.id, hit.score) for hit in expected], query
    page.close()


def test_the_skip_link_leads_past_the_search_and_keeps_it(visit: Visit) -> None:
    page = visit.open("index.html#q=reward+hacking")
    expect(page.locator("#hits li").first).to_be_visible()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page.locator("#hits li").first).to_be_visible()


def test_folding_is_that_of_the_index_for_every_letter(visit: Visit) -> None:
    visit.open("index.html")
    letters = [chr(code) for code in range(0xA0, sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "LMN"]
    folded = visit.page.evaluate("(letters) => letters.map(Kindred.analysis.fold)", letters)
    assert [(one, got) for one, got in zip(letters, folded, strict=True) if got != fold(one)] == []


def test_words_are_those_of_the_index_in_any_script(visit: Visit) -> None:
    visit.open("index.html")
    texts = [
        "don't l’eau 3.5 1,000th state-of-the-art C++ a_b pass@k x2 ½",
        "強化学習 の報酬 reward모델 вознаграждения Ёлка οδός ΟΔΟΣ",
        "مكافأة التَّعَلُّم हिन्दी में नोट 🎁👩‍🔬 naïve re\u00adward ﬁne ＲＬ",
        *QUERIES,
    ]
    found = visit.page.evaluate(
        "(texts) => texts.map((text) => Kindred.analysis.words(text).map((word) => word.text))", texts
    )
    analyser = Analyser()
    assert found == [[text[token.start : token.end] for token in analyser.tokens(text)] for text in texts]


def test_stems_are_those_of_the_index_for_every_word_that_it_or_its_encoder_knows(
    visit: Visit, owner_index: Path
) -> None:
    vocabulary = open_index(owner_index).words.vocabulary
    words = [vocabulary[number] for number in range(len(vocabulary))] + ["LLMs", "PRMs", "interval", "generations"]
    visit.open("index.html")
    terms = visit.page.evaluate(
        "(words) => words.map((word) => Kindred.analysis.term(word, 'english', () => undefined))", words
    )
    analyser = Analyser()
    assert [(one, got) for one, got in zip(words, terms, strict=True) if got != analyser.term(one)] == []


def test_a_search_shows_marked_hits_and_narrows_by_topic(visit: Visit) -> None:
    page = visit.open("index.html")
    page.keyboard.press("/")
    page.keyboard.type("reinforcment reward hacking ")
    expect(page.locator("#status")).to_contain_text("did you mean reinforcement reward hacking?")
    expect(page.locator("#hits li").first.locator("h2 mark")).to_have_text(["rewards", "reward", "hacking"])
    expect(page.locator("#content")).to_be_hidden()
    facet = page.locator("#facets button", has_text="Reward Models")
    counted = facet.locator("small").inner_text()
    facet.click()
    expect(page.locator("#status")).to_contain_text(f"{counted} notes")
    assert set(page.locator("#hits .facts").all_inner_texts()) == {"Reward Models"}
    expect(page.locator("#facets button[aria-pressed=true]")).to_contain_text("Reward Models")


def test_back_reload_and_a_shared_address_keep_the_search(visit: Visit) -> None:
    page = visit.open("index.html#q=entropy+collapse")
    first = page.locator("#hits li").first
    expect(first).to_be_visible()
    page.locator("#query").fill("reward hacking")
    page.keyboard.press("Enter")
    expect(page.locator("#hits h2").first).to_contain_text("reward hacking")
    assert page.url.endswith("#q=reward+hacking")
    page.reload()
    expect(page.locator("#query")).to_have_value("reward hacking")
    expect(page.locator("#hits h2").first).to_contain_text("reward hacking")
    page.locator("#hits h2 a").first.click()
    page.wait_for_url("**/notes/*.html")
    page.go_back()
    expect(page.locator("#hits h2").first).to_contain_text("reward hacking")


def test_arrows_move_enter_opens_and_escape_clears(visit: Visit) -> None:
    page = visit.open("index.html")
    page.keyboard.press("/")
    page.keyboard.type("entropy collapse")
    expect(page.locator("#hits li").first).to_contain_text("collapse")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#hits h2 a").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#results")).to_be_hidden()
    expect(page.locator("#content")).to_be_visible()
    assert page.locator("#query").input_value() == "" and "#" not in page.url
    page.keyboard.type("entropy collapse")
    expect(page.locator("#hits li").first).to_contain_text("collapse")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/notes/*.html")


def test_an_older_answer_never_overwrites_a_newer_one(visit: Visit) -> None:
    page = visit.open("index.html")
    page.evaluate("""() => {
        window.answers = {};
        const answer = { hits: [], topics: [], suggestion: null, summary: null, remarks: [], isPending: false };
        Kindred.searcher = {
            async *answers(text) {
                yield new Promise((resolve) => {
                    answers[text] = () => resolve({ ...answer,
                        hits: Array(text.length).fill(0),
                        hit: () => ({ id: text, place: 0, address: text, topicName: "", heading: { text, spans: [] },
                                      snippet: { text, spans: [] } }) });
                });
            },
        };
    }""")
    page.locator("#query").fill("a")
    page.locator("#query").fill("ab")
    page.evaluate("answers.ab()")
    expect(page.locator("#status")).to_have_text("2 notes")
    page.evaluate("answers.a()")
    page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    expect(page.locator("#status")).to_have_text("2 notes")
    page.locator("#query").fill("abc")
    page.locator("#query").fill("")
    page.evaluate("answers.abc()")
    page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    expect(page.locator("#results")).to_be_hidden()


def test_what_words_cannot_find_is_said(visit: Visit) -> None:
    page = visit.open("index.html#q=zzzzqq")
    expect(page.locator("#remark")).to_contain_text("Searching by meaning needs the command: kindred search.")
    for query in ("reward OR policy", "polic*", "größe*", "再帰*", "modèlo~"):
        page.locator("#query").fill("reward")
        expect(page.locator("#remark")).to_be_hidden()
        page.locator("#query").fill(query)
        expect(page.locator("#remark")).to_contain_text("need the command")


def test_explore_related_opens_in_place_and_shows_the_list_of_the_notes_page(visit: Visit) -> None:
    page = visit.open("index.html")
    note = page.locator(".note").first
    button = note.locator(".explore")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    titles = note.locator("ol a").all_inner_texts()
    button.click()
    expect(note.locator("ol")).to_be_hidden()
    note.get_by_text("Read →").click()
    assert page.locator("#related h3").all_inner_texts() == titles
    assert len(titles) == 10


def test_every_point_of_the_map_is_a_link_with_a_name_and_topics_can_be_picked_out(visit: Visit) -> None:
    page = visit.open("map.html")
    points = page.locator(".point")
    assert points.count() == 203
    named = points.evaluate_all("(all) => all.map((point) => point.getAttribute('aria-label'))")
    assert (
        all(named) and "Can LLMs design reward functions for reinforcement learning? (Reinforcement Learning)" in named
    )
    points.first.focus()
    expect(page.locator("#tip")).to_have_text(named[0])
    page.locator("#legend button", has_text="Training Data").click()
    # 7 notes, as the page of the clusters says.
    assert page.locator(".point:not(.dimmed)").count() == len(
        [name for name in named if name.endswith("(Training Data)")]
    )
    page.reload()
    expect(page.locator("#legend button[aria-pressed=true]")).to_have_text("Training Data")
    points.first.press("Enter")
    page.wait_for_url("**/notes/*.html")


VIEWS = {
    "list": "index.html",
    "topics": "topics.html",
    "map": "map.html",
    "note": NOTE,
    "search": "index.html#q=reward+hacking",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_view_is_accessible_and_fits_its_window(
    browser: Browser, owner_site: Path, width: int, scheme: Any
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit = Visit(context.new_page(), owner_site.as_uri())
    for name, path in VIEWS.items():
        page = visit.open(path)
        if name == "search":
            expect(page.locator("#hits li").first).to_be_visible()
        page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=name == "map")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if name == "list":
            page.locator(".explore").first.click()
            expect(page.locator(".note ol").first).to_be_visible()
        assert violations(page) == [], name
    context.close()
    assert visit.complaints == []


def test_hostile_notes_are_shown_as_text_and_found(browser: Browser, tmp_path: Path) -> None:
    index = indexed(tmp_path, [*HOSTILE, record("plain", "A plain reward", "Nothing to see.")])
    write_site(index, tmp_path / "site")
    context = browser.new_context(viewport={"width": 320, "height": 640})
    visit = Visit(context.new_page(), (tmp_path / "site").as_uri())
    page = visit.open("index.html#q=reward")
    expect(page.locator("#hits li")).to_have_count(6)
    shown = set(page.locator("#hits h2").all_inner_texts())
    assert shown == {note["title"] for note in HOSTILE} | {"A plain reward"}
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for query, title in (
        ("奖励", "强化学习中的奖励"),
        ("المعزز", "مكافأة التعلم المعزز"),
        ("alert", "<script>alert(1)</script>"),
    ):
        page.locator("#query").fill(query)
        expect(page.locator("#hits h2").first).to_have_text(title)
        page.locator("#hits h2 a").first.click()
        expect(page.locator("#content h1")).to_have_text(title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        visit.open("topics.html")
        visit.open("map.html")
        visit.open("index.html")
    right_to_left = page.locator("h3", has_text="مكافأة").first
    assert right_to_left.evaluate("(heading) => getComputedStyle(heading).direction") == "rtl"
    for explore in page.locator(".explore").all():
        explore.click()
        expect(explore).to_have_attribute("aria-expanded", "true")
    context.close()
    assert visit.complaints == []


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A test prints nothing."""


def test_a_web_host_serves_the_site_and_no_other_host_is_asked(browser: Browser, owner_site: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(owner_site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        context = browser.new_context()
        visit = Visit(context.new_page(), owner_site.as_uri())
        home = f"http://127.0.0.1:{server.server_port}/"
        visit.page.goto(home + "#q=reward+hacking")
        expect(visit.page.locator("#hits li")).to_have_count(10)
        visit.page.get_by_role("button", name="Show more").click()
        expect(visit.page.locator("#hits li")).to_have_count(20)
        visit.page.locator("#hits h2 a").first.click()
        visit.page.wait_for_url(f"{home}notes/*.html")
        context.close()
        server.shutdown()
        thread.join()
    assert visit.complaints == []
    assert [address for address in visit.requests if not address.startswith((home, "data:"))] == []


def test_without_scripts_every_note_can_be_read_and_its_related_notes_reached(
    browser: Browser, owner_site: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{owner_site.as_uri()}/index.html")
    expect(page.locator("#query")).to_be_hidden()
    page.locator(".explore").first.click()
    page.wait_for_url("**/notes/*.html#related")
    expect(page.locator("#related li")).to_have_count(10)
    context.close()


def test_on_paper_a_page_is_its_notes_alone(visit: Visit) -> None:
    page = visit.open("index.html#q=reward")
    expect(page.locator("#hits li").first).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("#query")).to_be_hidden()
    expect(page.locator("#results")).to_be_hidden()
    expect(page.locator(".note").first).to_be_visible()


# Dataview and Obsidian as far as the snippet of INTEGRATIONS.md asks them; files: {path: [front matter, headings]}.
STAND_INS = """async ([code, files, lists, here]) => {
    const page = (path) => ({file: {path, name: path.replace(/^.*\\/|\\.md$/g, ""), link: `[[${path}]]`}});
    const caches = Object.fromEntries(Object.entries(files).map(([path, [frontmatter, heads]]) =>
        [path, {frontmatter: frontmatter ?? undefined, headings: heads.map((heading) => ({heading}))}]));
    const shown = [];
    const dv = {
        io: {load: async () => JSON.stringify({generation: "g", notes: lists})},
        pages: () => ({array: () => Object.keys(files).map(page)}),
        current: () => page(here),
        list: (lines) => shown.push(...lines),
    };
    const app = {metadataCache: {getCache: (path) => caches[path] ?? null}};
    await new (async () => {}).constructor("dv", "app", code)(dv, app);
    return shown;
}"""


def test_the_snippet_for_obsidian_finds_each_note_s_list_and_links_to_the_notes_in_it(
    browser: Browser, tmp_path: Path
) -> None:
    files = {
        "named.md": ({"id": "n-1", "title": "Something else"}, []),
        "deep/titled.md": ({"title": "Crème Brûlée, Łódź & Straße"}, ["A heading"]),
        "headed.md": (None, ["Ⅷ wågs to  bæk smørrebrød™", "Another"]),
        "Just a file.md": (None, []),
    }
    for path, (front, headings) in files.items():
        text = "".join(f"{key}: {value}\n" for key, value in (front or {}).items())
        (tmp_path / path).parent.mkdir(exist_ok=True)
        lines = [f"# {heading}\n\nText.\n" for heading in headings] or ["Text.\n"]
        (tmp_path / path).write_text((f"---\n{text}---\n" if text else "") + "\n".join(lines), "utf-8")
    ids = {note.source: note.id for note in read_notes([tmp_path]).notes}
    assert ids.keys() == files.keys()
    lists = {
        note_id: [{"id": other, "title": "T", "reason": "R."} for other in ids.values()] for note_id in ids.values()
    }
    (code,) = re.findall(r"```dataviewjs\n(.*?)```", (ROOT / "INTEGRATIONS.md").read_text("utf-8"), re.DOTALL)
    page = browser.new_page()
    for here in files:
        shown = page.evaluate(STAND_INS, [code, files, lists, here])
        assert shown == [f"[[{path}]]: R." for path in ids]
    page.close()
