"""Downloads: resumable, checked, and only from where they were meant to come."""

import errno
import http.client
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.core.faults import BadInput, CannotWrite, Fault
from engine.core.news import Job, Progress
from engine.weights.catalogue import Entry
from engine.weights.shelf import Shelf, need_space, sha256_of

PIECE_BYTES = 2**20
TIMEOUT_S = 30.0
AGENT = "finescan"
HTTPS = frozenset({"https"})
# The weights are converted beside the download, so both need room for a moment.
SPACE_FACTOR = 2.2
ONCE_MORE = "Run the same command again; it goes on where it stopped."


def fetch(entry: Entry, shelf: Shelf) -> Job[Path]:
    """Download what the authors of an entry publish; return the file, checked.

    A file that broke off, or was cancelled, is kept as `.part` and continued next time.

    Raises:
        BadInput: there is no direct address, or what came is not what was promised.
        Fault: the server cannot be reached or broke off.
        CannotWrite: no room.
    """
    if entry.kind == "bundled":
        raise BadInput(f"The weights {entry.name} come with this program.")
    if entry.url is None:
        raise BadInput(
            f"The authors of {entry.name} publish it on a page that has to be visited by hand.",
            f"Download {entry.file_name} from {entry.page}, then import it: "
            f"weights import {entry.file_name}",
        )
    target = shelf.download(entry.name, entry.file_name)
    need_space(shelf.folder, int(SPACE_FACTOR * (entry.bytes or entry.weights_bytes)))
    if not target.is_file():
        yield from download(entry.url, target, entry.bytes)
    sha256 = yield from sha256_of(target, "check")
    if entry.sha256 is not None and sha256 != entry.sha256:
        target.unlink()
        raise BadInput(
            f"The download of {entry.name} has the hash {sha256[:16]}... and not "
            f"{entry.sha256[:16]}..., so it was changed or damaged; it was removed.",
            "Try again; if it happens twice, the file is not the published one.",
        )
    return target


def download(
    url: str, target: Path, expected_bytes: int | None = None, schemes: frozenset[str] = HTTPS
) -> Job[None]:
    """Write what an address serves to `target`, whole or not at all.

    What arrived before a break is kept beside it as `.part`, with the server's tag of the
    version in `.part.json`, so that a changed file is not glued to an old beginning.

    Args:
        url: the address.
        target: the file to write.
        expected_bytes: its size, where known.
        schemes: of addresses that may be opened, redirections included.

    Raises:
        BadInput: the address is not allowed or serves something else.
        Fault: the server cannot be reached or broke off.
        CannotWrite: no room.
    """
    part = target.with_name(target.name + ".part")
    tag = target.with_name(target.name + ".part.json")
    with _writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    with _answer(url, part, tag, schemes) as answer:
        total = answer.first_byte + answer.length if answer.length is not None else expected_bytes
        if expected_bytes is not None and total != expected_bytes:
            raise BadInput(
                f"The server offers {total} bytes where {expected_bytes} were published.",
                "The authors may have replaced the file; import it by hand if you trust it.",
            )
        with _writing(part):
            need_space(part.parent, (answer.length or 0) + PIECE_BYTES)
            tag.write_text(json.dumps({"url": url, "version": answer.version}))
            out = part.open("ab" if answer.first_byte else "wb")
        with out:
            yield from _copy(answer, out, part, total)
    done = part.stat().st_size
    if total is not None and done != total:
        raise Fault(f"The connection broke off after {done} of {total} bytes.", ONCE_MORE)
    with _writing(target):
        part.replace(target)
        tag.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server sends: its stream, where in the file that begins, how much comes, of what."""

    stream: Any
    first_byte: int
    length: int | None
    version: str | None


@contextmanager
def _answer(url: str, part: Path, tag: Path, schemes: frozenset[str]) -> Iterator[_Answer]:
    """Ask for what is missing of a file, or for all of it when it changed meanwhile."""
    have, version = _kept(url, part, tag)
    _check_scheme(url, schemes)
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    opener = _opener(schemes)
    try:
        stream = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                # All of it is here; only the last step was interrupted.
                yield _Answer(io.BytesIO(), have, 0, version)
                return
            part.unlink(missing_ok=True)
            raise Fault("The server cannot continue this download.", ONCE_MORE) from None
        raise BadInput(
            f"The server answers {error.code} ({error.reason}) for {url}.",
            "The file may have moved; look at the page of its authors.",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error
    with stream:
        if stream.headers.get_content_type() == "text/html":
            raise BadInput(
                f"The address {url} serves a web page instead of the file.",
                "Download it by hand from the page of its authors, then import it.",
            )
        first = have if stream.status == http.client.PARTIAL_CONTENT else 0
        if first and not _begins_at(stream.headers.get("Content-Range", ""), first):
            raise Fault("The server continues at another place than was asked for.", ONCE_MORE)
        length = stream.headers.get("Content-Length", "")
        version = stream.headers.get("ETag") or stream.headers.get("Last-Modified")
        if version is not None and version.startswith("W/"):
            version = None  # a weak tag does not promise the same bytes
        yield _Answer(stream, first, int(length) if length.isdecimal() else None, version)


def _kept(url: str, part: Path, tag: Path) -> tuple[int, str | None]:
    """Return how much of the file is here, and of which version; 0 when it cannot be continued."""
    try:
        words = json.loads(tag.read_text())
        if words["url"] == url and isinstance(words["version"], str):
            return part.stat().st_size, words["version"]
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return 0, None


def _begins_at(content_range: str, first: int) -> bool:
    return content_range.startswith(f"bytes {first}-")


def _copy(answer: _Answer, out: BinaryIO, part: Path, total: int | None) -> Job[None]:
    done = answer.first_byte
    while True:
        yield Progress("download", done >> 20, (total or 0) >> 20)
        try:
            piece = answer.stream.read(PIECE_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise Fault(
                f"The connection broke off after {done} bytes ({error}).", ONCE_MORE
            ) from error
        if not piece:
            return
        done += len(piece)
        if total is not None and done > total:
            raise BadInput(f"The server sends more than the {total} bytes it announced.")
        with _writing(part):
            out.write(piece)


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Follows redirections to addresses of the same kind only."""

    def __init__(self, schemes: frozenset[str]) -> None:
        self._schemes = schemes

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl, self._schemes)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(schemes: frozenset[str]) -> urllib.request.OpenerDirector:
    """Return an opener that knows no file:, ftp: or data: addresses at all."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirect(schemes),
    ):
        opener.add_handler(handler)
    return opener


def _check_scheme(url: str, schemes: frozenset[str]) -> None:
    scheme = urllib.parse.urlsplit(url).scheme.lower()
    if scheme not in schemes:
        raise BadInput(
            f"The download leads to an address of the kind {scheme!r}, which is not opened.",
            "Look at the page of its authors.",
        )


def _unreachable(url: str, error: Exception) -> Fault:
    host = urllib.parse.urlsplit(url).hostname
    reason = getattr(error, "reason", None) or error
    return Fault(
        f"The server {host} cannot be reached ({reason}).",
        "Check the connection and try again, or download the file by hand and import it.",
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise CannotWrite(
            f"The download cannot be written to {path} "
            f"({'the disk is full' if full else error.strerror}).",
            "Make room; what has arrived is kept." if full else "Choose another folder.",
        ) from error
