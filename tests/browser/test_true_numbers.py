"""The page never says more than there was: not of jobs in a minute, not of failures, and not of an import."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import TIMEOUT, Console
from tests.browser.sender import IMPORT, Sender
from tests.browser.shop import KEY, serving

MINUTE, LONGEST = "in the last minute", "in the last 5 minutes"
READINGS = 4


@pytest.fixture
def shop() -> Iterator[Sender]:
    sender = Sender()
    with serving(sender):
        yield sender


@pytest.fixture
def page(shop_console: Console) -> Page:
    return shop_console.page


def said(page: Page, name: str) -> list[str]:
    """Return the number of the last minute, its caption, and the number of the last five."""
    return [str(text) for text in page.locator(f"#rates-now .{name} dd").all_inner_texts()]


def number(text: str) -> int:
    found = re.match(r"(?:at least )?([\d,]+)", text)
    assert found, text
    return int(found[1].replace(",", ""))


def read_again(page: Page) -> None:
    """Wait until the page has shown a reading that began later than now."""
    for _ in range(2):
        before = page.locator("#rates-at").inner_text()
        expect(page.locator("#rates-at")).not_to_have_text(before, timeout=TIMEOUT)


def test_batches_of_a_hundred_are_never_counted_as_more(shop_console: Console, shop: Sender, page: Page) -> None:
    """More come between two readings than a reading has, so the page says "at least", and no rate."""
    for ago in (20, 10):
        shop.end(shop.accept(100, ago=ago))
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .accepted dd").first).to_have_text("200")
    for _ in range(READINGS):
        for _ in range(6):
            shop.end(shop.accept(100))
        read_again(page)
        accepted, ended = said(page, "accepted"), said(page, "ended")
        assert max(map(number, (accepted[0], accepted[2], ended[0], ended[2]))) <= len(shop.jobs)
        assert accepted[1] == MINUTE
        assert accepted[2].endswith(LONGEST)
        assert {each.startswith("at least ") for each in (accepted[0], accepted[2], ended[0], ended[2])} == {True}
    assert number(said(page, "accepted")[0]) >= 500
    assert "about" not in page.locator("#rates").inner_text()
    highest = re.fullmatch(
        r"highest: ([\d,]+) in 10 seconds|", page.locator("#rates-axis span").nth(1).inner_text()
    )
    assert highest
    assert not highest[1] or int(highest[1].replace(",", "")) <= len(shop.jobs)


def test_what_is_all_known_is_said_exactly(shop_console: Console, shop: Sender, page: Page) -> None:
    """A batch is one moment of acceptance, and its rate is that of a minute."""
    shop.end(shop.accept(50, ago=200), ago=199)
    shop.end(shop.accept(90, ago=30), failed=3, ago=20)
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .accepted dd")).to_have_text(
        ["90", f"{MINUTE}, 1.5 a second", f"140 {LONGEST}"]
    )
    assert said(page, "ended") == ["90", f"{MINUTE}, 1.5 a second", f"140 {LONGEST}"]
    assert said(page, "failed") == ["3", MINUTE, f"3 {LONGEST}"]
    expect(page.locator("#rates-axis span").nth(1)).to_have_text("highest: 90 in 10 seconds")
    expect(page.locator("#failed-note")).to_contain_text("3 jobs failed")


def test_after_a_gap_the_numbers_are_those_since_then(shop_console: Console, shop: Sender, page: Page) -> None:
    """They are exact, as those of a page that was opened then would be, and say for how long."""
    shop.end(shop.accept(5, ago=100), ago=99)
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .accepted dd").last).to_have_text(f"5 {LONGEST}")
    shop_console.open("send")
    shop.end(shop.accept(300, ago=30), failed=2, ago=28)
    shop.end(shop.accept(200, ago=24), failed=7, ago=22)
    shop_console.open("jobs")
    since_then = re.compile(r"in the last (\d\d) seconds")
    for name, count, seconds in (("accepted", 200, 30), ("ended", 200, 28), ("failed", 7, 28)):
        expect(page.locator(f"#rates-now .{name} dd")).to_have_text([str(count), since_then])
        found = since_then.fullmatch(said(page, name)[1])
        assert found
        assert seconds <= int(found[1]) <= seconds + 20, name
    shop.end(shop.accept(3), failed=1)
    expect(page.locator("#rates-now .accepted dd").first).to_have_text("203", timeout=TIMEOUT)
    expect(page.locator("#rates-now .failed dd").first).to_have_text("8", timeout=TIMEOUT)
    assert "at least" not in page.locator("#rates").inner_text()
    line = page.locator("#rates-plot .accepted").get_attribute("d") or ""
    assert line.startswith("M0.0 "), "the plot begins where the numbers begin"
    assert "L600.0 " in line


def test_how_many_ended_is_not_known_until_the_jobs_before_have_ended(
    shop_console: Console, shop: Sender, page: Page
) -> None:
    older = [shop.accept(100, ago=120 - place) for place in range(10)]
    shop_console.open_with_key(key=KEY)
    ended = page.locator("#rates-now .ended dd")
    expect(ended.first).to_have_text("not known yet")
    expect(ended.last).to_have_text(f"not known yet {LONGEST}")
    expect(page.locator("#rates-now .accepted dd").last).to_have_text(re.compile(r"200 in the last 1\d\d seconds"))
    for place, batch in enumerate(older):
        shop.end(batch, ago=60 - 5 * place)
    expect(ended).to_have_text(["200", re.compile(r"in the last \d\d seconds")], timeout=TIMEOUT)
    newest = shop.accept(1)
    shop.end(newest)
    read_again(page)
    assert number(ended.first.inner_text()) <= len(shop.jobs)


def test_ends_are_found_behind_a_job_that_is_retried(shop_console: Console, shop: Sender, page: Page) -> None:
    """Of batches that have ended in part, every one is read again."""
    stuck = shop.accept(1, ago=50)
    several = [shop.accept(60, ago=40 - place) for place in range(8)]
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .accepted dd").first).to_have_text("240")
    newer = [shop.accept(60) for _ in range(3)]
    read_again(page)
    for batch in (*several, *newer):
        shop.end(batch)
    known = 300 + 180
    expect(page.locator("#rates-now .ended dd").first).to_have_text(f"at least {known}", timeout=2 * TIMEOUT)
    assert shop.jobs[shop.sent[stuck]["jobs"][0]]["done"] is False


def test_an_import_has_the_numbers_of_what_it_has_sent(shop_console: Console, shop: Sender, page: Page) -> None:
    """How many rows follow is not known, so there is no bar; what was refused is no failed job."""
    first = shop.accept(1_000 - 27, ago=4, key=f"{IMPORT}-0", refused=27, name="tents.csv")
    second = shop.accept(234, ago=2, key=f"{IMPORT}-1", name="tents.csv")
    shop.end(first, failed=8)
    shop_console.open_with_key(key=KEY)
    row = page.locator("#running tbody tr")
    expect(row).to_contain_text("1,234 rows sent so far")
    expect(row).to_contain_text("965 succeeded, 8 failed, 27 refused, 234 queued")
    expect(row).to_contain_text("tents.csv")
    expect(row).not_to_contain_text("import-")
    expect(row.locator(".shares")).to_have_count(0)
    expect(row).not_to_contain_text("a second")
    links = [each.get_attribute("href") for each in row.get_by_role("link").all()]
    assert links == [f"#/batches/{first}", f"#/batches/{second}"]
    shop.end(second)
    expect(row.locator(".badge")).to_have_text("ended", timeout=2 * TIMEOUT)
    expect(row).to_contain_text(re.compile(r"1,234 rows sent(?! so)"))
    expect(row).to_contain_text("1,199 succeeded, 8 failed, 27 refused")
    expect(page.locator("#failed-note")).to_contain_text("8 jobs failed")


def test_an_import_of_which_batches_are_missing_says_so(shop_console: Console, shop: Sender, page: Page) -> None:
    for number_of in (3, 4):
        shop.end(shop.accept(20, ago=10 - number_of, key=f"{IMPORT}-{number_of}"))
    shop_console.open_with_key(key=KEY)
    row = page.locator("#running tbody tr")
    expect(row).to_contain_text("at least 40 rows")
    expect(row).to_contain_text("This counts 2 of its 5 batches.")


def test_a_batch_has_a_bar_and_stays_for_a_minute(shop_console: Console, shop: Sender, page: Page) -> None:
    shop.end(shop.accept(3, ago=70))
    shop.end(shop.accept(4, ago=50))
    batch = shop.accept(30, ago=90)
    shop_console.open_with_key(key=KEY)
    rows = page.locator("#running tbody tr")
    expect(rows).to_contain_text(["4 commands", "30 commands"])
    expect(rows.locator(".badge")).to_have_text(["ended", "running"])
    expect(rows.last.locator(".shares")).to_have_count(1)
    assert rows.last.get_by_role("link").get_attribute("href") == f"#/batches/{batch}"
    shop.end(batch)
    expect(rows).to_have_count(1, timeout=TIMEOUT)
    expect(rows).to_contain_text("30 commands")
    expect(rows.locator(".badge")).to_have_text("ended")
