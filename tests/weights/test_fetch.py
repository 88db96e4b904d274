import hashlib
import http.server
import json
import threading
from contextlib import closing
from typing import ClassVar

import pytest

from engine.core.faults import BadInput, Cancelled, CannotWrite, Fault
from engine.runtime.progress import run_job
from engine.weights import fetch as room
from engine.weights import shelf as shelf_room
from engine.weights.catalogue import Entry, Licence
from engine.weights.fetch import download, fetch
from engine.weights.shelf import Shelf

CONTENT = bytes(range(256)) * 20_000  # 5 MB
HTTP = frozenset({"http"})


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one file in many ways; what was asked for is kept in `seen`."""

    content = CONTENT
    etag = '"one"'
    seen: ClassVar[list] = []

    def do_GET(self):
        type(self).seen.append((self.path, self.headers.get("Range")))
        getattr(self, "do_" + self.path.strip("/"))()

    def answer(self, code, content, **headers):
        self.send_response(code)
        headers.setdefault("Content_Length", len(content))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def do_file(self):
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == self.etag:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            if first >= len(self.content):
                self.answer(416, b"", Content_Range=f"bytes */{len(self.content)}")
                return
            span = f"bytes {first}-{len(self.content) - 1}/{len(self.content)}"
            self.answer(206, self.content[first:], Content_Range=span, ETag=self.etag)
        else:
            self.answer(200, self.content, ETag=self.etag)

    def do_truncated(self):
        self.answer(200, self.content[:3_000_000], Content_Length=len(CONTENT), ETag=self.etag)

    def do_chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        # The end of the chunks is missing.
        self.wfile.write(b"%x\r\n" % 1000 + bytes(1000) + b"\r\n" + b"%x\r\n" % 5000 + b"xyz")

    def do_other(self):
        self.answer(206, self.content[5:], Content_Range=f"bytes 5-9/{len(CONTENT)}")

    def do_long(self):
        self.answer(200, self.content + b"more", Content_Length=None)

    def do_page(self):
        self.answer(200, b"<html>", Content_Type="text/html; charset=utf-8")

    def do_tofile(self):
        self.answer(302, b"", Location="file:///etc/hostname")

    def do_toftp(self):
        self.answer(302, b"", Location="ftp://localhost/x")

    def do_elsewhere(self):
        self.answer(302, b"", Location="https://localhost/file")

    def do_around(self):
        self.answer(302, b"", Location="/around")

    def do_redirect(self):
        self.answer(302, b"", Location="/file")

    def do_gone(self):
        self.answer(404, b"")

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients that go away are part of these tests."""


@pytest.fixture
def server():
    with Quiet(("127.0.0.1", 0), Server) as running:
        Server.content, Server.etag = CONTENT, '"one"'
        Server.seen = []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def get(url, target, size=None):
    run_job(download(url, target, size, HTTP), lambda _: None, lambda: False)


def leftovers(target):
    return sorted(p.name for p in target.parent.iterdir() if p != target)


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    target = tmp_path / "a" / "file.ckpt"
    steps = []
    run_job(download(f"{server}/file", target, len(CONTENT), HTTP), steps.append, lambda: False)
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == []
    assert {step.stage for step in steps} == {"download"}
    assert steps[-1].done == steps[-1].total == len(CONTENT) >> 20


def test_redirections_are_followed(server, tmp_path):
    get(f"{server}/redirect", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_broken_download_is_kept_and_continued(server, tmp_path):
    target = tmp_path / "f"
    with pytest.raises(Fault, match="broke off after 3000000 of"):
        get(f"{server}/truncated", target)
    assert not target.exists()
    part = tmp_path / "f.part"
    assert part.read_bytes() == CONTENT[:3_000_000]
    tag = json.loads((tmp_path / "f.part.json").read_text())
    # The same file under its whole address.
    (tmp_path / "f.part.json").write_text(json.dumps({**tag, "url": f"{server}/file"}))
    get(f"{server}/file", target)
    assert target.read_bytes() == CONTENT
    assert Server.seen[-1] == ("/file", "bytes=3000000-")
    assert leftovers(target) == []


def cancelled(server, target):
    with closing(download(f"{server}/file", target, None, HTTP)) as job:
        for step in job:
            if step.done >= 2:
                break


def test_cancelling_keeps_the_part(server, tmp_path):
    target = tmp_path / "f"
    cancelled(server, target)
    have = (tmp_path / "f.part").stat().st_size
    assert 0 < have < len(CONTENT)
    assert not target.exists()
    get(f"{server}/file", target)
    assert target.read_bytes() == CONTENT
    assert Server.seen[-1] == ("/file", f"bytes={have}-")


def test_run_job_can_cancel_it(server, tmp_path):
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        run_job(
            download(f"{server}/file", tmp_path / "f", None, HTTP), lambda _: None, asked.__next__
        )
    assert (tmp_path / "f.part").exists()


def test_a_file_that_changed_meanwhile_is_taken_anew(server, tmp_path):
    target = tmp_path / "f"
    cancelled(server, target)
    Server.content, Server.etag = CONTENT[::-1], '"two"'
    get(f"{server}/file", target)
    assert target.read_bytes() == CONTENT[::-1]


def test_a_part_of_another_address_is_not_continued(server, tmp_path):
    target = tmp_path / "f"
    cancelled(server, target)
    get(f"{server}/redirect", target)
    assert target.read_bytes() == CONTENT
    assert Server.seen[-2] == ("/redirect", None)


def test_a_download_that_only_lacked_its_name_is_finished(server, tmp_path):
    target = tmp_path / "f"
    (tmp_path / "f.part").write_bytes(CONTENT)
    tag = {"url": f"{server}/file", "version": '"one"'}
    (tmp_path / "f.part.json").write_text(json.dumps(tag))
    get(f"{server}/file", target)
    assert target.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    target = tmp_path / "f"
    (tmp_path / "f.part").write_bytes(CONTENT + b"x")
    tag = {"url": f"{server}/file", "version": '"one"'}
    (tmp_path / "f.part.json").write_text(json.dumps(tag))
    with pytest.raises(Fault, match="cannot continue"):
        get(f"{server}/file", target)
    get(f"{server}/file", target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ["", "[]", "{}", '{"url": 1, "version": null}', "\x00"])
def test_a_broken_tag_means_a_new_download(server, tmp_path, tag):
    (tmp_path / "f.part").write_bytes(b"rubbish")
    (tmp_path / "f.part.json").write_text(tag)
    get(f"{server}/file", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("gone", "answers 404"),
        ("page", "web page"),
        ("tofile", "is not allowed"),
        ("toftp", "'ftp', which is not opened"),
        ("elsewhere", "'https', which is not opened"),
        ("around", "answers 302"),
        ("chunked", "broke off"),
        ("other", "another place"),
    ],
)
def test_what_goes_wrong_is_said(server, tmp_path, path, says):
    target = tmp_path / "f"
    if path == "other":
        (tmp_path / "f.part").write_bytes(b"abc")
        tag = {"url": f"{server}/other", "version": '"one"'}
        (tmp_path / "f.part.json").write_text(json.dumps(tag))
    with pytest.raises(Fault, match=says):
        get(f"{server}/{path}", target)
    assert not target.exists()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://a/b", "data:,x", "http://a/b", "x"])
def test_only_secure_addresses_are_opened(tmp_path, url):
    with pytest.raises(BadInput, match="which is not opened"):
        run_job(download(url, tmp_path / "f"), lambda _: None, lambda: False)


def test_more_than_was_announced_is_refused(server, tmp_path):
    with pytest.raises(BadInput, match="sends more than"):
        get(f"{server}/long", tmp_path / "f", len(CONTENT))


def test_another_size_than_published_is_refused(server, tmp_path):
    with pytest.raises(BadInput, match=f"offers {len(CONTENT)} bytes where 7 "):
        get(f"{server}/file", tmp_path / "f", 7)
    assert not (tmp_path / "f.part").exists()


def test_no_server_is_a_sentence(tmp_path):
    with pytest.raises(Fault, match="cannot be reached") as fault:
        get("http://127.0.0.1:9/file", tmp_path / "f")
    assert fault.value.exit_code == 1


def test_a_full_disk_is_a_sentence(server, tmp_path, monkeypatch):
    def usage(_):
        return type("Usage", (), {"free": 1000})

    monkeypatch.setattr(shelf_room.shutil, "disk_usage", usage)
    with pytest.raises(CannotWrite, match="MB free"):
        get(f"{server}/file", tmp_path / "f")


def entry(url, **more) -> Entry:
    licence = Licence(name="L", spdx="MIT", url="https://x", is_non_commercial=False, says=())
    values = {
        "name": "thing", "network": "finerecon", "kind": "published", "what": "", "needed_by": (),
        "authors": "", "page": "https://x/page", "url": "https://x/f", "file_name": "f.ckpt",
        "weights_bytes": 100, "bytes": None, "sha256": None, "licence": licence,
    }  # fmt: skip
    return Entry(**{**values, **more}).model_copy(update={"url": url})


@pytest.fixture
def plain_http(monkeypatch):
    """Let the downloads of entries use the test's server."""
    original = room.download
    monkeypatch.setattr(
        room, "download", lambda url, target, size: original(url, target, size, HTTP)
    )


@pytest.mark.usefixtures("plain_http")
def test_an_entry_is_fetched_and_its_hash_compared(server, tmp_path):
    right = hashlib.sha256(CONTENT).hexdigest()
    store = Shelf(tmp_path)
    thing = entry(f"{server}/file", sha256=right, bytes=len(CONTENT))
    path = run_job(fetch(thing, store), lambda _: None, lambda: False)
    assert path == tmp_path / "thing" / "f.ckpt"
    assert path.read_bytes() == CONTENT
    # It is there: nothing is asked for again.
    run_job(fetch(thing, store), lambda _: None, lambda: False)
    assert len(Server.seen) == 1


@pytest.mark.usefixtures("plain_http")
def test_a_wrong_hash_removes_the_file(server, tmp_path):
    with pytest.raises(BadInput, match="has the hash"):
        run_job(
            fetch(entry(f"{server}/file", sha256="0" * 64), Shelf(tmp_path)),
            lambda _: None, lambda: False,
        )  # fmt: skip
    assert list((tmp_path / "thing").iterdir()) == []


def test_an_entry_without_address_names_its_page(tmp_path):
    with pytest.raises(BadInput, match="by hand") as fault:
        run_job(fetch(entry(None), Shelf(tmp_path)), lambda _: None, lambda: False)
    assert "https://x/page" in fault.value.remedy
