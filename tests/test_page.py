"""The page of a running server, in a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import html5lib
import pytest
import uvicorn
from playwright.sync_api import Browser, Error, Page, Route, expect
from starlette.testclient import TestClient
from test_site import HOSTILE
from toys import NOTES, ToyEncoder, record, write_jsonl
from visits import SHOTS, Visit, needs_chromium, violations

from indexer import Encoder, build_index
from search import Searcher
from search.server.app import create_app
from search.why import explain

QUESTION = "how do reward models fail"
NOTE = "can-llms-design-reward-functions-for-reinforcement-learning"


class Served:
    """An index that is served on a port of its own, and can be stopped and started again there."""

    def __init__(self, folder: Path, encoder: Encoder | None = None, **options: str) -> None:
        self._folder, self._encoder, self._options = folder, encoder, options
        self._port = 0

    @property
    def home(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        app = create_app(self._folder, encoder=self._encoder, **self._options)
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        self._thread = threading.Thread(target=self._server.run, args=([listener],))
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self) -> Served:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture(scope="module")
def owner(owner_index: Path) -> Iterator[Served]:
    with Served(owner_index) as served:
        yield served


def opened(browser: Browser, home: str, width: int = 1280, scheme: Any = "light") -> Visit:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(60_000)
    return Visit(context.new_page(), home)


@pytest.fixture
def visit(browser: Browser, owner: Served) -> Iterator[Visit]:
    """A visit to the owner's notes that must end without a complaint and without asking another host."""
    visit = opened(browser, owner.home)
    yield visit
    visit.page.context.close()
    assert visit.complaints == []
    assert [address for address in visit.requests if not address.startswith((owner.home, "data:"))] == []


def settled(page: Page) -> None:
    """Wait for the ranking that no other takes the place of."""
    expect(page.locator("#status[aria-busy=false]")).to_be_visible()


def titles(page: Page) -> list[str]:
    return page.locator("#hits h2").all_inner_texts()


def hold(page: Page, mode: str) -> list[Route]:
    """Keep the answers to searches in this mode back; they are collected in the list."""
    held: list[Route] = []
    page.route(f"**/api/search?*mode={mode}*", lambda route: held.append(route))
    return held


def release(page: Page, held: list[Route]) -> None:
    page.unroute_all()
    for route in held:
        with suppress(Error):  # the page gave the request up
            route.continue_()


# Searching


@needs_chromium
def test_a_question_is_answered_by_words_while_it_is_typed_and_then_by_meaning(visit: Visit, owner_index: Path) -> None:
    searcher = Searcher.open(owner_index)
    page = visit.open("")
    held = hold(page, "hybrid")
    page.keyboard.press("/")
    page.keyboard.type(QUESTION)
    expect(page.locator("#status")).to_contain_text("By words so far")
    by_words = [hit.note.title for hit in searcher.search(QUESTION, 10, "lexical", typing=True)]
    expect(page.locator("#hits h2")).to_have_text(by_words)
    page.keyboard.press("ArrowDown")
    release(page, held)
    settled(page)
    found = searcher.search(QUESTION, 10, typing=True)
    assert titles(page) == [hit.note.title for hit in found] != by_words
    # Who had gone to the first hit is still there, wherever it stands now.
    assert page.evaluate("document.activeElement.textContent") == by_words[0]
    expect(page.locator("#status")).to_have_text(f"{found.grade} match".capitalize())
    first = page.locator("#hits li").first
    expect(first.locator("h2 mark")).to_have_text(["reward", "models", "fail"])
    snippet = found[0].snippet
    assert first.locator("> p mark").all_inner_texts() == [snippet.text[start:end] for start, end in snippet.spans]


@needs_chromium
@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_slow_answer_never_overwrites_a_newer_one(visit: Visit, mode: str) -> None:
    page = visit.open("")
    expect(page.locator("#query")).to_be_visible()
    held = hold(page, mode)
    with page.expect_request(lambda request: f"mode={mode}" in request.url):
        page.locator("#query").fill("entropy")
    page.unroute_all()
    page.locator("#query").fill("reward hacking")
    settled(page)
    found = titles(page)
    assert "reward hacking" in found[0]
    for route in held:
        with suppress(Error):  # the page gave the request up
            route.fulfill(json={"hits": [], "grade": None, "suggestion": None, "generation": "late"})
    # One more answer has come and gone since.
    page.evaluate("Kindred.ask('health')")
    assert titles(page) == found
    expect(page.locator("#status")).to_contain_text("match")


@needs_chromium
def test_the_whole_ranking_does_not_wait_for_the_words(visit: Visit) -> None:
    page = visit.open("")
    held = hold(page, "lexical")
    page.locator("#query").fill(QUESTION)
    settled(page)
    found = titles(page)
    assert len(found) == 10
    release(page, held)
    page.evaluate("Kindred.ask('health')")
    assert titles(page) == found


@needs_chromium
def test_words_that_find_nothing_yet_leave_what_is_shown(visit: Visit) -> None:
    page = visit.open("#q=entropy")
    settled(page)
    found = titles(page)
    hold(page, "hybrid")
    with page.expect_response(lambda response: "mode=lexical" in response.url) as answered:
        page.locator("#query").fill("h")
    assert answered.value.json()["hits"] == []  # one letter may become too much
    page.evaluate("Kindred.ask('health')")
    assert titles(page) == found


@needs_chromium
def test_a_misspelt_word_is_read_as_it_was_meant_and_what_no_note_answers_is_said(visit: Visit) -> None:
    page = visit.open("#q=reinforcment+learning")
    expect(page.locator("#status")).to_contain_text("did you mean reinforcement learning?")
    page.locator("#query").fill("quantum chromodynamics lattice")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("No note answers this; these come closest")
    page.locator("#query").fill('"never said so"')
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("No note matches")


@needs_chromium
def test_topics_narrow_and_back_reload_and_a_shared_address_keep_the_search(visit: Visit) -> None:
    page = visit.open(f"#q={QUESTION.replace(' ', '+')}")
    settled(page)
    everything = titles(page)
    page.locator("#facets button", has_text="Reward Models").click()
    expect(page.locator("#facets button[aria-pressed=true]")).to_have_text("Reward Models")
    assert set(page.locator("#hits .facts").all_inner_texts()) == {"Reward Models"}
    narrowed = titles(page)
    page.reload()
    expect(page.locator("#hits h2")).to_have_text(narrowed)
    page.go_back()
    expect(page.locator("#hits h2")).to_have_text(everything)
    page.locator("#hits h2 a").first.click()
    expect(page.locator("#content h1")).to_have_text(everything[0])
    page.go_back()
    expect(page.locator("#hits h2")).to_have_text(everything)
    page.locator("#more").click()
    expect(page.locator("#hits > li")).to_have_count(20)
    expect(page.locator("#hits h2 a").nth(10)).to_be_focused()


@needs_chromium
def test_the_keyboard_alone_searches_opens_related_notes_and_leaves(visit: Visit) -> None:
    page = visit.open("")
    page.keyboard.press("/")
    page.keyboard.type("entropy collapse")
    settled(page)
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Tab", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#hits > li").first.locator(".list a").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#hits h2 a").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#results")).to_be_hidden()
    expect(page.locator("#query")).to_be_focused()
    assert "#" not in page.url


# Related notes, reasons, views


@needs_chromium
def test_related_notes_and_the_reason_for_a_rank_open_in_place(visit: Visit, owner_index: Path) -> None:
    searcher = Searcher.open(owner_index)
    page = visit.open("#q=reward+hacking")
    settled(page)
    third = page.locator("#hits > li").nth(2)
    note_id = third.get_attribute("data-id") or ""
    third.locator(".explore").click()
    neighbours = searcher.neighbours(note_id)
    expect(third.locator("ol.list a")).to_have_text([other.title for other in neighbours])
    expect(third.locator("ol.list p")).to_contain_text([other.reason for other in neighbours])
    third.locator("button.why").click()
    why = explain(searcher, "reward hacking", note_id)
    expect(third.locator("div.list p").first).to_have_text(why.conclusion)
    expect(third.locator("div.list ol a")).to_have_text([other.title for other in why.ahead])
    third.locator("div.list ol a").first.click()
    expect(page.locator("#content h1")).to_have_text(why.ahead[0].title)


@needs_chromium
def test_the_map_picks_topics_out_and_leads_to_notes(visit: Visit) -> None:
    page = visit.open("")
    page.locator(".views").get_by_text("Map").click()
    expect(page.locator(".point")).to_have_count(203)
    page.locator("#legend button", has_text="Training Data").click()
    expect(page.locator(".point:not(.dimmed)")).to_have_count(7)  # as the list counts them
    page.locator(".point").first.focus()
    name = page.locator("#tip").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#content h1").inner_text() in name


def main_of(text: str) -> Any:
    """The content of a page, without what only one kind of page says."""
    [content] = html5lib.parse(text, namespaceHTMLElements=False).findall(".//div[@id='content']")
    for link in content.iter("a"):
        link.attrib.pop("data-id", None)
    return [(part.tag, sorted(part.attrib.items()), part.text, part.tail) for part in content.iter()]


def test_the_pages_are_those_of_an_exported_site(owner_index: Path, owner_site: Path) -> None:
    with TestClient(create_app(owner_index), "http://127.0.0.1") as client:
        for path in ("index.html", "topics.html", "map.html", f"notes/{NOTE}.html"):
            assert main_of(client.get(f"/{path}").text) == main_of((owner_site / path).read_text("utf-8")), path
        assert client.get("/").text == client.get("/index.html").text


# What changes under an open page


@needs_chromium
def test_a_server_that_goes_away_is_missed_and_taken_up_again(browser: Browser, toy_folder: Path) -> None:
    with Served(toy_folder, ToyEncoder()) as served:
        visit = opened(browser, served.home)
        page = visit.open("")
        page.locator("#query").fill("critic")
        settled(page)
        served.stop()
        page.locator("#query").fill("proof")
        expect(page.locator("#notice")).to_contain_text("The server does not answer.")
        expect(page.locator("#status")).to_contain_text("The search failed: the server does not answer.")
        served.start()
        expect(page.locator("#hits h2").first).to_contain_text("Proof")
        expect(page.locator("#notice")).to_be_empty()
        page.context.close()
    assert [text for text in visit.complaints if "ERR_CONNECTION_REFUSED" not in text] == []


@needs_chromium
def test_a_new_generation_is_taken_and_notes_that_it_lacks_are_named(browser: Browser, tmp_path: Path) -> None:
    notes, index = tmp_path / "notes.jsonl", tmp_path / "index"
    build_index([write_jsonl(notes, NOTES)], index, encoder=ToyEncoder())
    with Served(index, ToyEncoder()) as served:
        visit = opened(browser, served.home)
        page = visit.open("#q=reward")
        settled(page)
        write_jsonl(notes, [*NOTES, record("fresh", "A fresh reward", "Just written.")])
        page.wait_for_function(
            "() => { window.dispatchEvent(new Event('focus'));"
            " return notice.textContent.includes('Since the notes were indexed 1 added: fresh.'); }",
            polling=500,
        )
        assert "A fresh reward" not in titles(page)
        build_index([notes], index, encoder=ToyEncoder())
        page.wait_for_function(
            "() => { window.dispatchEvent(new Event('focus'));"
            " return notice.textContent === 'The notes were indexed anew. Show them'; }",
            polling=500,
        )
        expect(page.locator("#hits h2", has_text="A fresh reward")).to_be_visible()  # the search was asked again
        page.locator("#notice button").click()
        expect(page.locator("#notice")).to_be_empty()
        expect(page.locator("#hits h2", has_text="A fresh reward")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#content h3", has_text="A fresh reward")).to_be_visible()
        page.context.close()
    assert visit.complaints == []


# Everybody, and whatever a note says


VIEWS = {
    "list": "",
    "topics": "topics.html",
    "map": "map.html",
    "note": f"notes/{NOTE}.html",
    "search": f"#q={QUESTION.replace(' ', '+')}",
}


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_every_view_is_accessible_and_fits_its_window(browser: Browser, owner: Served, width: int, scheme: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    visit = opened(browser, owner.home, width, scheme)
    for name, path in VIEWS.items():
        page = visit.open(path)
        if name == "search":
            settled(page)
            page.locator("#hits button.why").nth(1).click()
            page.locator("#hits .explore").nth(0).click()
            expect(page.locator("#hits .list")).to_have_count(2)
        page.screenshot(path=SHOTS / f"live-{name}-{width}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert violations(page) == [], name
    page.context.close()
    assert visit.complaints == []


@needs_chromium
def test_hostile_notes_are_shown_as_text_and_found(browser: Browser, tmp_path: Path) -> None:
    notes = [*HOSTILE, record("a/../b?c#d%2F", "A slash reward", "Where is my page?")]
    build_index([write_jsonl(tmp_path / "notes.jsonl", notes)], tmp_path / "index", encoder=ToyEncoder())
    with Served(tmp_path / "index", ToyEncoder()) as served:
        visit = opened(browser, served.home, width=320)
        page = visit.open("#q=reward")
        settled(page)
        assert set(titles(page)) == {note["title"] for note in notes}
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for item in page.locator("#hits > li").all():
            item.locator(".explore").click()
            item.locator("button.why").click()
            expect(item.locator(":scope > .list")).to_have_count(2)
        for address in [link.get_attribute("href") for link in page.locator("#hits h2 a").all()]:
            shown = visit.page.context.request.get(address or "").text()
            assert main_of(shown)
        page.locator("#hits h2 a", has_text="A slash reward").click()
        expect(page.locator("#content h1")).to_have_text("A slash reward")
        # Marks stand where the words are, whatever stands before them.
        page.goto(f"{served.home}/#q=line+reward")
        emoji = page.locator("#hits > li", has=page.locator("h2", has_text="A reward 🎁"))
        expect(emoji.locator("mark")).to_have_text(["reward", "line"])
        page.context.close()
    assert visit.complaints == []


@needs_chromium
def test_a_browser_asks_its_user_for_the_token(browser: Browser, toy_folder: Path) -> None:
    with Served(toy_folder, ToyEncoder(), host="0.0.0.0", token="opensesame") as served:  # noqa: S104, S106
        credentials: Any = {"username": "whoever", "password": "opensesame"}
        context = browser.new_context(http_credentials=credentials)
        visit = Visit(context.new_page(), served.home)
        page = visit.open("#q=critic")
        settled(page)
        page.locator("#hits .explore").first.click()
        expect(page.locator("#hits .list").first).to_be_visible()
        context.close()
    assert visit.complaints == []


def test_pages_and_scripts_bind_the_browser_and_are_not_sent_twice(toy_folder: Path) -> None:
    with TestClient(create_app(toy_folder, encoder=ToyEncoder()), "http://127.0.0.1") as client:
        for path, status in (("/", 200), ("/map.html", 200), ("/assets/page.js", 200), ("/notes/none.html", 404)):
            answer = client.get(path)
            assert answer.status_code == status
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            if status == 200:
                again = client.get(path, headers={"if-none-match": answer.headers["etag"]})
                assert (again.status_code, again.content) == (304, b"")
        assert client.get("/assets/..%2fpages.py").status_code == 404
        assert "There is no such page" in client.get("/notes/none.html").text
        leads = client.get("/notes/", params={"id": "reward-hacking"}, follow_redirects=False)
        assert (leads.status_code, leads.headers["location"]) == (307, "reward-hacking.html")
