"""The status page in a real browser: in every state of the rig the banner says in a sentence what is so, and it is
never green while nothing is delivered. With PENSTOCK_SCREENSHOTS=DIR each state is pictured, light, dark and as a phone."""

import os
import re
import threading
from pathlib import Path

import pytest

from conftest import STREAMS
from fake_kinesis import KinesisProcess
from harness import forward_client as wire
from harness.browser import DESKTOP, PHONE, Browser
from harness.daemon import forward_port, three_streams
from harness.forward_client import ForwardClient
from harness.waiting import wait_until

pytestmark = pytest.mark.outside
TYPES = ("application", "infrastructure", "audit")
SCREENSHOTS = os.environ.get("PENSTOCK_SCREENSHOTS")
VIEWS = (("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light"))
DURATION = r"(?:\d[\d.]* (?:s|min|h)(?: \d+ (?:s|min))?)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


class Flow(threading.Thread):
    """Events that come without pause, to a stream each in turn, until it is left."""

    def __init__(self, penstock, events: int = 50, size: int = 100, pause_s: float = 0.1, types=TYPES):
        super().__init__(daemon=True)
        self._penstock, self._events, self._size, self._pause, self._types = penstock, events, size, pause_s, types
        self._over = threading.Event()

    def run(self):
        with ForwardClient(forward_port(self._penstock.config)) as client:
            number = 0
            while not self._over.wait(self._pause):
                number += 1
                log_type = self._types[number % len(self._types)]
                try:
                    client.send(wire.packed_forward("t", [
                        (1, {"n": n, "log_type": log_type, "text": "x" * self._size}) for n in range(self._events)]))
                except OSError:
                    return  # it waits for room, and the test is over

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()


@pytest.fixture
def page(browser, request):
    """page(penstock, level, sentence): waits until the banner says so, in the JSON and on the page."""
    def expect(penstock, level: str, sentence: str, deadline_s: float = 60.0) -> str:
        wanted = re.compile(sentence)

        def told():
            banner = penstock.status()["banner"]
            return banner["text"] if banner["level"] == level and wanted.match(banner["text"]) else None
        try:
            wait_until(told, f"the banner is {level}: {sentence}", deadline_s)
        except AssertionError:
            pytest.fail(f"wanted {level}: {sentence}\ngot {penstock.status()['banner']}", pytrace=False)
        browser.look()
        browser.open("about:blank")
        browser.errors()  # of a page whose server went
        browser.open(f"http://127.0.0.1:{penstock.admin_port}/")
        shown = wait_until(lambda: (text := browser.text("#sentence")) and wanted.search(text) and text,
                           f"the page says {sentence}", 30)
        assert browser.run("return document.querySelector('#banner').className") == level
        if SCREENSHOTS:
            name = request.node.name.removeprefix("test_")
            wait_until(lambda: browser.run("return document.querySelectorAll('polyline').length"), "the plots are drawn")
            for view, size, scheme in VIEWS:
                browser.look(size, scheme)
                browser.screenshot(Path(SCREENSHOTS) / f"{name}-{view}.png", whole=view == "phone")
        assert browser.errors() == []
        return shown
    return expect


@pytest.fixture
def on_disk(kinesis, start_penstock, tmp_path):
    return start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))


def test_idle(on_disk, page):
    page(on_disk, "idle", r"Waiting for the first event; no sender is connected\.$")


def test_flowing(on_disk, page):
    with Flow(on_disk):
        page(on_disk, "good", rf"Delivering\. [1-9]\d* events/s in, [1-9]\d* out, {DURATION} behind\.$")


def test_kinesis_away_and_back(start_penstock, page, tmp_path):
    with KinesisProcess(streams=STREAMS) as kinesis:
        penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
        with Flow(penstock):
            penstock.wait_metric("penstock_events_delivered_total", 100)
            kinesis.stop()
            page(penstock, "bad", rf"Not delivering to audit, operations and projects for {DURATION}: cannot connect to "
                 rf"127\.0\.0\.1:{kinesis.port} \(connection refused\)\. [\d,]+ events are safe on disk\. "
                 r"Check egress rules, the proxy and DNS\.$")
            wait_until(lambda: {problem["subject"] for problem in penstock.status()["problems"]}
                       >= {"audit", "operations", "projects"}, "each stream has an open problem", 60)
    with KinesisProcess(streams=STREAMS, port=kinesis.port):
        wait_until(lambda: penstock.status()["solved_problems"], "a problem is solved", 60)
        wait_until(lambda: penstock.status()["banner"]["level"] == "good", "it delivers again", 60)
    log = penstock.log()
    assert re.search(rf"Not delivering to projects for {DURATION}: cannot connect to", log)
    assert re.search(rf"stream projects delivers again, after {DURATION}", log)


def test_stream_missing(kinesis, on_disk, page):
    kinesis.remove_stream("projects")
    with Flow(on_disk):
        page(on_disk, "bad", rf"Not delivering to projects for {DURATION}: stream projects \(us-east-1\) does not "
             r"exist \(ResourceNotFoundException\)\. [\d,]+ events? (is|are) safe on disk; room for .+\. "
             r"Create it, or correct streams\.projects\.name or \.region\.$")
        def states():
            return {stream["name"]: stream["state"] for stream in on_disk.status()["streams"]}
        wait_until(lambda: states()["projects"] == "paused: stream not found" and states()["audit"] == "delivering",
                   "one stream is paused and the others deliver", 60)


def test_wrong_credentials(kinesis, start_penstock, page, tmp_path):
    kinesis.add_key("AKIDEXAMPLE", "the-right-secret")
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
    with Flow(penstock):
        page(penstock, "bad", rf"Not delivering to .+ for {DURATION}: AWS rejects the credentials of environment "
             r"\((InvalidSignatureException|UnrecognizedClientException)\)\. .+ Correct the access key or the role; "
             r"new credentials take effect without a restart\.( \d+ more problems? below\.)?$")
        assert "wJalrXUtnFEMI" not in str(penstock.status())


def test_service_fails(kinesis, on_disk, page):
    kinesis.add_fault("error", operation="PutRecords", code="InternalFailure")
    with Flow(on_disk):
        page(on_disk, "bad", rf"Not delivering to .+ for {DURATION}: the service at 127\.0\.0\.1:{kinesis.port} fails "
             r"\(InternalFailure\)\.")


def test_access_denied(kinesis, on_disk, page):
    kinesis.add_fault("error", operation="PutRecords", code="AccessDeniedException")
    with Flow(on_disk):
        page(on_disk, "bad", r"Not delivering to .+: AWS denies access to stream \w+ \(us-east-1\) "
             r"\(AccessDeniedException\)\.")


def test_no_answer(kinesis, on_disk, page):
    """Requests are taken and never answered: no error to show, and still not green."""
    kinesis.add_fault("hang", operation="PutRecords")
    with Flow(on_disk):
        page(on_disk, "bad", rf"Not delivering to .+ for {DURATION}: no answer from 127\.0\.0\.1:{kinesis.port}")


def test_falling_behind(kinesis, start_penstock, page, tmp_path):
    kinesis.create_stream("projects", 2, enforce_rates=True)
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool"))
    with Flow(penstock, events=500, pause_s=0.1, types=("application",)):
        page(penstock, "warning", rf"Falling behind\. Stream projects takes [\d,.]+/s, [\d,.]+/s come in; {DURATION} "
             r"behind( and growing)?\..* (Shards 0 and 1 are|Shard \d is) at (its|their) limit\. Add shards, use "
             r"on-demand mode, or use aggregation\.$",
             deadline_s=120)
        stream = next(stream for stream in penstock.status()["streams"] if stream["name"] == "projects")
        assert stream["state"].startswith("slowed: ") and stream["state"].endswith(" of 2 shards")


def test_spool_full(kinesis, start_penstock, page, tmp_path):
    kinesis.remove_stream("projects")
    config = three_streams(kinesis.endpoint, spool=tmp_path / "spool")
    config["spool"]["max_size"] = "24MiB"
    penstock = start_penstock(config)
    with Flow(penstock, events=500, size=2000, pause_s=0.01, types=("application",)):
        page(penstock, "bad", rf"Not delivering to projects for {DURATION}: stream projects .+; the share of the stream "
             r"is full \([\d.]+ MiB of 7\.[\d] MiB\) and senders wait\.", deadline_s=120)
        penstock.wait_metric("penstock_backpressure", 1, cause="spool", stream="projects")


def test_dead_letters(kinesis, on_disk, page):
    kinesis.add_fault("error", operation="PutRecords", data_contains='"n":7,', code="ValidationException")
    with Flow(on_disk, events=10, pause_s=0.3, types=("application",)):
        page(on_disk, "warning", r"Delivering\. .+ [\d,]+ events? of stream projects became (a dead letter|dead letters): "
             r"Kinesis rejects the record\.$")
    assert on_disk.status()["spool"]["dead_letters"] > 0


def test_rejected_senders(kinesis, start_penstock, page, tmp_path):
    (tmp_path / "key").write_text("right\n")
    penstock = start_penstock(three_streams(kinesis.endpoint, spool=tmp_path / "spool",
                                            forward={"shared_key_file": str(tmp_path / "key")}))
    for _ in range(2):
        with pytest.raises(Exception):
            ForwardClient(forward_port(penstock.config), shared_key="wrong")
    page(penstock, "warning", r"Waiting for the first event; no sender is connected\. Source forward rejects senders: "
         r"wrong shared key \(2 times\)\.$")


def test_gone(browser, on_disk, page):
    with Flow(on_disk):
        page(on_disk, "good", r"Delivering\.")
    on_disk.kill()
    wait_until(lambda: "penstock does not answer; what is below is of " in browser.text("#sentence"), "it says so", 30)
    assert browser.run("return document.querySelector('#banner').className") == "bad"
    browser.errors()  # of the requests that were refused


def test_it_needs_nothing_from_elsewhere_and_is_read_aloud(browser, on_disk, page):
    with Flow(on_disk):
        page(on_disk, "good", r"Delivering\.")
    asked = browser.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert asked and all(name.startswith(f"http://127.0.0.1:{on_disk.admin_port}/") for name in asked)
    wait_until(lambda: any(node["role"] in ("image", "img") and node["name"].startswith("Events per second: now ")
                           for node in browser.accessibility_tree()), "the drawing says its last value", 60)
    tree = browser.accessibility_tree()
    roles = {node["role"] for node in tree}
    assert {"status", "main", "banner", "table", "columnheader", "rowheader", "button", "heading", "meter"} <= roles
    assert all(node["name"] for node in tree if node["role"] in ("button", "link", "image", "img", "table", "region"))


def test_the_keyboard_reaches_everything(browser, on_disk, page):
    page(on_disk, "idle", r"Waiting")
    browser.run("document.querySelector('[data-range]').focus()")
    browser.press("\ue004")  # Tab: the next button
    browser.press(" ")
    assert browser.run("return document.querySelector('[data-range=\"3600\"]').getAttribute('aria-pressed')") == "true"
    browser.press("\ue004\ue004")
    assert browser.run("return document.activeElement.tagName") == "FIGURE"
    wait_until(lambda: "no samples yet" not in browser.text("figure .readout"), "there are samples", 30)
    browser.press("\ue012")  # arrow left
    assert re.match(r"\d\d:\d\d:\d\d", browser.text("figure .readout"))


CONTRAST = """
const colour = text => text.match(/[\\d.]+/g).map(Number);
const part = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
const behind = element => {
  for (; element; element = element.parentElement) {
    const found = colour(getComputedStyle(element).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const weak = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  if (!own || ['SCRIPT', 'STYLE'].includes(element.tagName) || element.closest('svg')) continue;
  const [a, b] = [light(colour(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) weak.push(`${element.tagName} ${ratio.toFixed(2)}: ${element.textContent.slice(0, 30)}`);
}
return weak;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast_and_a_phone_needs_no_sideways_scrolling(kinesis, browser, on_disk, page, scheme):
    kinesis.remove_stream("projects")
    with Flow(on_disk):
        page(on_disk, "bad", r"Not delivering to projects")
        browser.look(DESKTOP, scheme)
        assert browser.run(CONTRAST) == []
        assert browser.run("return document.querySelector('#streams').getBoundingClientRect().bottom") <= DESKTOP[1]
        browser.look(PHONE, scheme)
        assert browser.run("return document.documentElement.scrollWidth") <= PHONE[0]
