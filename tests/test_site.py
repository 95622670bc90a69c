import base64
import itertools
import json
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import html5lib
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from toys import ToyEncoder, record, write_jsonl

from indexer import Index, SiteError, SourceError, build_index, open_index
from search.cli import main
from search.neighbours import all_related
from search.site.export import write_site
from search.site.folder import MARK, replaced
from search.site.names import page_name
from search.site.shards import script, search_files

HOSTILE = [
    record("script", "<script>alert(1)</script>", 'A "reward" & </script><img src=x onerror=alert(2)>', "<b>T</b>"),
    record("long", "reward " * 714 + "end", "A title of 5,000 characters.", "Long"),
    record("再帰" * 40, "强化学习中的奖励", "奖励模型如何失败？ reward", "中文"),
    record("CON", "مكافأة التعلم المعزز", "كيف تفشل نماذج reward المكافآت؟", "العربية"),
    record("con", "A reward 🎁 for 👩‍🔬 and policy", "Emoji\u2028with a line separator {{ 7 * 7 }}", "🎁"),
]  # fmt: skip
DATED = [
    {**record("new", "Newest reward", "Policy <b>one</b> & more"), "date": "2024-05-06", "links": ["old"]},
    {**record("old", "Oldest reward", "Policy two"), "date": "2019-01-02T10:00:00"},
    {**record("same", "Same day as the newest", "Policy three"), "date": "2024-05-06"},
    {**record("vague", "A vague day", "Policy four"), "date": "last summer"},
]


def indexed(folder: Path, notes: list[dict[str, object]]) -> Index:
    build_index([write_jsonl(folder / "notes.jsonl", notes)], folder / "index", encoder=ToyEncoder())
    return open_index(folder / "index")


@pytest.fixture(scope="module")
def hostile_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(indexed(folder, HOSTILE), folder / "hostile")
    return folder / "hostile"


@pytest.fixture(scope="module")
def clusters_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clusters that share a topic, and one note without either."""
    folder = tmp_path_factory.mktemp("site")
    notes = [record("a", "Reward one", "x", "Same"), record("b", "Reward two", "y", "Same"), record("c", "Policy", "z")]
    lines = [{**note, "cluster": cluster} for note, cluster in zip(notes, ["First", "Second", ""], strict=True)]
    write_site(indexed(folder, lines), folder / "clusters", title="All of it")
    return folder / "clusters"


@pytest.fixture(scope="module")
def large_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One note more than a page lists, in two topics."""
    folder = tmp_path_factory.mktemp("site")
    notes = [record(f"n{i}", f"Reward {i}", "policy " * (i % 7), "Even" if i % 2 == 0 else "Odd") for i in range(1001)]
    write_site(indexed(folder, notes), folder / "large", k=2, base="https://example.org/")
    return folder / "large"


def received(text: str) -> Any:
    """The value that a script of data hands over."""
    return json.loads(re.fullmatch(r'Kindred\.receive\("[a-z0-9-]+",(.*)\);\n', text, re.DOTALL)[1])


# Names of pages


def test_an_id_of_plain_letters_is_the_name_of_its_page() -> None:
    assert page_name("why-do-reward-models-fail-2") == "why-do-reward-models-fail-2"


@pytest.mark.parametrize(
    "note_id", ["CON", "con", "nul", "Über", "a/b", "..", "-x", "再帰", "x" * 5000, "a_b", "a.html"]
)
def test_any_other_id_gets_a_short_name_that_every_system_takes(note_id: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,59}_[0-9a-f]{16}", page_name(note_id))


@given(st.lists(st.text(min_size=1), min_size=2, max_size=8, unique=True))
def test_two_ids_never_share_a_name_where_capitals_do_not_count(ids: list[str]) -> None:
    names = {page_name(note_id).lower() for note_id in ids}
    assert len(names) == len(ids)


# Data


def test_no_text_of_a_note_can_end_a_script() -> None:
    text = script("notes-0", ["</script>\u2028<!--", "再帰"])
    assert "<" not in text and "\u2028" not in text
    assert received(text) == ["</script>\u2028<!--", "再帰"]


def test_the_exported_impacts_are_those_of_the_index_bit_for_bit(toy_index: Index) -> None:
    ids = [note.id for note in toy_index.notes()]
    files = dict(search_files(toy_index, ids, sorted({note.topic for note in toy_index.notes()})))
    shards = [received(text) for name, text in files.items() if name.startswith("words-")]
    exported = {entry[0]: unpacked(entry[3]) for shard in shards for entry in shard if len(entry) > 3 and entry[3]}
    by_id = sorted(ids)
    for number in range(len(toy_index.impacts)):
        rows, values = toy_index.impacts.postings(number)
        expected = sorted(
            (by_id.index(ids[row]), value) for row, value in zip(rows.tolist(), values.tolist(), strict=True)
        )
        assert exported.pop(toy_index.impacts.term(number)) == expected
    assert not exported


def unpacked(packed: str) -> list[tuple[int, float]]:
    data = base64.b64decode(packed)
    numbers = []
    value = shift = at = 0
    while not numbers or len(numbers) <= numbers[0]:
        value |= (data[at] & 127) << shift
        shift += 7
        if data[at] < 128:
            numbers.append(value)
            value = shift = 0
        at += 1
    places = list(itertools.accumulate(numbers[1:]))
    return list(zip(places, struct.unpack(f"<{len(places)}f", data[at:]), strict=True))


def test_gaps_of_more_than_seven_bits_are_packed_in_several_bytes(tmp_path: Path) -> None:
    # 300 notes with ids n000 to n299; "rare" stands in n001 and n299, 298 apart.
    notes = [record(f"n{i:03}", "rare" if i in (1, 299) else "common", "words") for i in range(300)]
    index = indexed(tmp_path, notes)
    shards = [received(text) for name, text in search_files(index, ["p"] * 300, [""]) if name.startswith("words-")]
    packed = next(entry[3] for shard in shards for entry in shard if entry[0] == "rare")
    assert [place for place, _ in unpacked(packed)] == [1, 299]


def test_related_json_holds_the_lists_of_every_note_in_order(owner_site: Path, owner_index: Path) -> None:
    index = open_index(owner_index)
    written = json.loads((owner_site / "related.json").read_text("utf-8"))
    assert written["generation"] == index.manifest.generation
    expected = {key: [other.as_dict() for other in found] for key, found in all_related(index).items()}
    assert list(written["notes"].items()) == list(expected.items())


# Pages


def pages(site: Path) -> list[Path]:
    """Every page, but of the notes no more than 210."""
    return sorted([*site.glob("*.html"), *site.glob("topics/*.html"), *sorted(site.glob("notes/*.html"))[:210]])


@pytest.mark.parametrize("kind", ["owner", "hostile", "clusters", "large"])
def test_every_page_is_valid_html(kind: str, request: pytest.FixtureRequest) -> None:
    site = request.getfixturevalue(f"{kind}_site")
    parser = html5lib.HTMLParser(strict=True)
    for path in pages(site):
        parser.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("kind", ["owner", "hostile", "clusters", "large"])
def test_every_link_leads_somewhere_and_no_page_names_another_host(kind: str, request: pytest.FixtureRequest) -> None:
    site = request.getfixturevalue(f"{kind}_site")
    parsed = {path: html5lib.parse(path.read_text("utf-8"), namespaceHTMLElements=False) for path in pages(site)}
    anchors = {
        path: {element.get("id") for element in tree.iter() if element.get("id")} for path, tree in parsed.items()
    }
    for path, tree in parsed.items():
        for element in tree.iter():
            address = element.get("href") or element.get("src")
            if address is None or address == "data:,":
                continue
            if element.get("rel") == "canonical":
                assert address.startswith("https://example.org/")
                continue
            file, _, anchor = address.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.is_file() and target.is_relative_to(site.resolve()), (path, address)
            linked = site / target.relative_to(site.resolve())
            assert not anchor or linked not in anchors or anchor in anchors[linked], (path, address)


def test_the_cluster_page_counts_its_notes_and_topics(owner_site: Path) -> None:
    text = (owner_site / "index.html").read_text("utf-8")
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    assert "Research on how language models learn, reason, and improve" in text
    assert "203 notes · 20 sub-topics" in text
    sections = [section for section in tree.iter("section") if section.get("class") == "topic"]
    assert len(sections) == 20
    # Figures of the saved page: the first three headings say 27, 21 and 18 notes.
    assert [len(list(section.iter("article"))) for section in sections][:3] == [27, 21, 18]
    assert sum(len(list(section.iter("article"))) for section in sections) == 203


def test_a_note_shows_its_date_its_tags_and_its_links_in_both_directions(tmp_path: Path) -> None:
    write_site(indexed(tmp_path, [{**note, "tags": ["rl", "safety"]} for note in DATED]), tmp_path / "site")
    new, old = ((tmp_path / "site" / "notes" / f"{name}.html").read_text("utf-8") for name in ("new", "old"))
    assert "<dt>Date</dt><dd>2024-05-06</dd>" in new and "rl, safety" in new
    assert re.search(r'Links to</dt><dd><ul><li dir="auto"><a href="old.html">Oldest reward', new)
    assert re.search(r'Linked from</dt><dd><ul><li dir="auto"><a href="new.html">Newest reward', old)


def test_several_clusters_stand_on_one_page_and_a_note_leads_to_its_topic_in_its_own_cluster(
    clusters_site: Path,
) -> None:
    tree = html5lib.parse((clusters_site / "index.html").read_text("utf-8"), namespaceHTMLElements=False)
    headings = [element.text for element in tree.iter() if element.tag in ("h1", "h2") and element.get("dir")]
    assert headings == ["First", "Same", "Second", "All of it"]  # the third cluster has no name, and is the site's
    topic = next(element for element in tree.iter("section") if element.get("id") == "topic-1-0")
    assert next(link.get("href") for link in topic.iter("a")) == "notes/b.html"
    assert 'href="../index.html#topic-1-0"' in (clusters_site / "notes" / "b.html").read_text("utf-8")


def test_a_list_too_long_for_one_page_gives_each_topic_its_own(large_site: Path) -> None:
    counts = {}
    for path in [large_site / "index.html", *sorted((large_site / "topics").iterdir())]:
        tree = html5lib.parse(path.read_text("utf-8"), namespaceHTMLElements=False)
        counts[path.name] = sum(article.get("class") == "note" for article in tree.iter("article"))
    assert counts == {"index.html": 0, "topic-0-0.html": 501, "topic-0-1.html": 500}
    assert "https://example.org/topics/topic-0-1.html</loc>" in (large_site / "sitemap.xml").read_text("utf-8")


# Feed and sitemap


def test_the_feed_holds_dated_notes_newest_first_and_the_sitemap_all_of_them(tmp_path: Path) -> None:
    report = write_site(indexed(tmp_path, DATED), tmp_path / "site", base="https://example.org/n")
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ET.parse(tmp_path / "site" / "feed.xml").getroot()  # noqa: S314 - our own file
    entries = [
        (entry.findtext(f"{atom}title"), entry.findtext(f"{atom}updated")) for entry in feed.iter(f"{atom}entry")
    ]
    assert entries == [
        ("Newest reward", "2024-05-06T00:00:00Z"),
        ("Same day as the newest", "2024-05-06T00:00:00Z"),  # equal days by id
        ("Oldest reward", "2019-01-02T00:00:00Z"),
    ]
    assert feed.findtext(f"{atom}updated") == "2024-05-06T00:00:00Z"
    site = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    places = ET.parse(tmp_path / "site" / "sitemap.xml").getroot()  # noqa: S314
    assert [(url.findtext(f"{site}loc"), url.findtext(f"{site}lastmod")) for url in places] == [
        ("https://example.org/n/", None),
        ("https://example.org/n/topics.html", None),
        ("https://example.org/n/map.html", None),
        ("https://example.org/n/notes/new.html", "2024-05-06"),
        ("https://example.org/n/notes/old.html", "2019-01-02"),
        ("https://example.org/n/notes/same.html", "2024-05-06"),
        ("https://example.org/n/notes/vague.html", None),
    ]
    page = (tmp_path / "site" / "notes" / "new.html").read_text("utf-8")
    assert '<link rel="canonical" href="https://example.org/n/notes/new.html">' in page
    assert report.remarks == ()


def test_without_a_date_there_is_no_feed_and_the_report_says_so(toy_index: Index, tmp_path: Path) -> None:
    report = write_site(toy_index, tmp_path / "site", base="https://example.org/")
    assert report.remarks == ("no note has a date, so there is no feed",)
    assert not (tmp_path / "site" / "feed.xml").exists() and (tmp_path / "site" / "sitemap.xml").exists()


# The folder


def test_two_exports_of_one_index_are_equal_byte_for_byte(owner_site: Path, owner_index: Path, tmp_path: Path) -> None:
    write_site(open_index(owner_index), tmp_path / "again")
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (owner_site, tmp_path / "again")
    )
    assert first == second


def test_exporting_once_more_over_a_site_changes_nothing_and_keeps_to_its_lists(
    toy_index: Index, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    write_site(toy_index, site)
    before = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    write_site(toy_index, site)
    assert {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    (site / "related.json").write_text("my own notes about relations")
    with pytest.raises(SourceError, match="is no file of related notes"):
        write_site(toy_index, site)
    assert (site / "related.json").read_text() == "my own notes about relations"
    write_site(toy_index, site, fresh=True)
    assert (site / "related.json").read_bytes() == before[Path("related.json")]


def test_a_new_site_replaces_the_old_one_and_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    site = tmp_path / "site"
    with replaced(site, "1") as new:
        (new / "index.html").write_text("old")
        (new / "gone.html").write_text("old")
    (site / "CNAME").write_text("example.org")
    (site / ".git").mkdir()
    with replaced(site, "2") as new:
        (new / "index.html").write_text("new")
    assert sorted(path.name for path in site.iterdir()) == [".git", "CNAME", "index.html", MARK]
    assert (site / "index.html").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_failed_export_leaves_the_old_site_as_it_was(tmp_path: Path) -> None:
    site = tmp_path / "site"
    with replaced(site, "1") as new:
        (new / "index.html").write_text("old")
    with pytest.raises(RuntimeError, match="power cut"), replaced(site, "2") as new:
        (new / "index.html").write_text("half")
        raise RuntimeError("power cut")
    assert (site / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_with_other_files_is_refused_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with replaced(tmp_path / "mine", "1"):
        pass
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("years of work")
    with pytest.raises(SiteError, match="holds files and no site"), replaced(tmp_path / "theirs", "1"):
        pass
    with pytest.raises(SiteError, match="is a file"), replaced(tmp_path / "theirs" / "thesis.tex", "1"):
        pass
    assert (tmp_path / "theirs" / "thesis.tex").read_text() == "years of work"


def test_the_command_says_what_it_wrote_and_refuses_what_it_must_not_touch(toy_folder: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    done = run(main, ["export", str(tmp_path / "site"), "--index", str(toy_folder)])
    assert done.exit_code == 0 and re.match(
        r"Wrote 7 notes to .*site in [0-9.]+ s: [0-9]+ files, [0-9.]+ MB\.\n", done.output
    )
    for target, reason in ((toy_folder, "is the index itself"), (toy_folder.parent, "no site of kindred's")):
        refused = run(main, ["export", str(target), "--index", str(toy_folder)])
        assert refused.exit_code == 1 and reason in refused.output
    assert run(main, ["export", str(tmp_path / "s"), "--index", str(toy_folder), "--base", "x.org"]).exit_code == 2
