"""Files from the network: resumed when broken off, known by their hash, whole or not at all.

The folder of downloads is `$SQUEEZENAS_HOME`, else `squeezenas` in the user's cache folder. With
`SQUEEZENAS_MIRROR=https://host/folder` (or `file:///folder`) files come from there, by their names.
"""

from __future__ import annotations

import email.utils
import errno
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock
from tqdm import tqdm

from squeezenas import __version__
from squeezenas.core.model_card import ModelCard

ATTEMPTS = 5
"""How often a transfer is tried again without getting any further."""
TIMEOUT = 30.0
"""Seconds without a byte until a server counts as silent."""
PAUSE = 1.0
"""Seconds before the first new attempt; each further one waits twice as long."""
LONGEST_PAUSE = 60.0
"""Seconds; a server that asks for more is left alone."""
CHUNK = 1 << 16
LARGEST = 1 << 33
"""Bytes of a file; a server that sends more would fill the disk."""
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Checksums:
    """What is known of a file; at least one of the two is given."""

    sha256: str | None = None
    git_blob_sha1: str | None = None
    """Git's name of it: the SHA-1 of `blob <size>`, a zero byte and the content."""

    def fault(self, path: Path) -> str:
        """What differs in the file at `path`, or nothing when it is the right one."""
        size = path.stat().st_size
        blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        sha256 = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                blob.update(chunk)
                sha256.update(chunk)
        for kind, wanted, found in (
            ("SHA-256", self.sha256, sha256.hexdigest()),
            ("git blob id", self.git_blob_sha1, blob.hexdigest()),
        ):
            if wanted is not None and found != wanted:
                return f"its {kind} is {found} and not {wanted}"
        return ""


def home() -> Path:
    """The folder of downloads; it need not exist."""
    if own := os.environ.get("SQUEEZENAS_HOME"):
        return Path(own).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "squeezenas"


def weights_path(card: ModelCard) -> Path:
    """Where the file of a card's url is kept; a file put there by hand is as good as a download.

    Raises:
        ValueError: the card has no url, or no checksum.
    """
    source = card.weights
    if source is None or source.url is None:
        raise ValueError(f"model card {card.name} has no weights.url to fetch them from")
    digest = source.git_blob_sha1 or source.sha256
    if digest is None:
        raise ValueError(
            f"model card {card.name} has a weights.url without a checksum; add weights.sha256"
        )
    ending = ".safetensors" if source.url.endswith(".safetensors") else ".pth"
    name = re.sub(r"[^\w.+-]", "_", card.name)  # a stranger's may lead out of the folder
    return home() / "weights" / f"{name}-{digest[:8]}{ending}"


def address(url: str) -> str:
    """Where the file of `url` is fetched from: there, or by its name from the mirror."""
    mirror = os.environ.get("SQUEEZENAS_MIRROR")
    if not mirror:
        return url
    return f"{mirror.rstrip('/')}/{urllib.parse.urlsplit(url).path.rpartition('/')[2]}"


def download(url: str, target: Path, checksums: Checksums) -> None:
    """Brings the file of `url` to `target`, where either the right file is or none.

    What arrived before a transfer broke off is kept as `<target>.partial`, for the next call. A
    file of the wrong content is kept as `<target>.wrong`. Several processes may ask for the same
    file; one fetches it, and the others wait.

    Args:
        url: `https:` or `file:`; `http:` from this very machine.
        target: where it goes; folders are made.
        checksums: what the file must have.

    Raises:
        OSError: it cannot be fetched or written; says which file to put where by hand.
        ValueError: what came is another file, or the address is none that is allowed.
    """
    source = address(url)
    if not _allowed(source):
        raise ValueError(f"{source}: weights are fetched from https: and file: addresses only")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            _fetch(source, target, checksums)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise OSError(
            f"{error.filename or target.parent}: {error.strerror}; name a folder for downloads "
            "with SQUEEZENAS_HOME"
        ) from error


def _fetch(source: str, target: Path, checksums: Checksums) -> None:
    aside = target.with_name(f"{target.name}.wrong")
    if target.is_file():
        if not checksums.fault(target):
            return
        os.replace(target, aside)
    partial = target.with_name(f"{target.name}.partial")
    if not (partial.is_file() and not checksums.fault(partial)):
        resumed = _transfer(source, target, partial)
        if resumed and checksums.fault(partial):  # halves of two versions of the file
            partial.unlink()
            _transfer(source, target, partial)
    if fault := checksums.fault(partial):
        os.replace(partial, aside)
        raise ValueError(
            f"{source} gave another file than the card is of: {fault}; it is kept as {aside}; get "
            f"the right one and put it at {target}"
        )
    os.replace(partial, target)


def _transfer(source: str, target: Path, partial: Path) -> bool:
    """Fills `partial`, over several connections if need be; True if it was begun before."""
    begun = furthest = partial.stat().st_size if partial.is_file() else 0
    failures = 0
    with tqdm(desc=target.name, unit="B", unit_scale=True, disable=None, leave=False) as bar:
        while True:
            try:
                _receive(source, partial, bar)
                return begun > 0
            except _BrokenOffError as broken:
                size = partial.stat().st_size if partial.is_file() else 0
                failures = 0 if size > furthest else failures + 1
                furthest = max(furthest, size)
                pause = PAUSE * 2.0 ** max(0, failures - 1) if broken.wait is None else broken.wait
                if failures >= ATTEMPTS or pause > LONGEST_PAUSE or not broken.again:
                    raise OSError(
                        f"{source} cannot be fetched ({broken}); try again later, or put the file "
                        f"by hand at {target}, or name a copy with SQUEEZENAS_MIRROR"
                    ) from broken
            time.sleep(pause)


class _BrokenOffError(Exception):
    """A transfer that ended early: whether to try again, and after how many seconds."""

    def __init__(self, reason: object, again: bool = True, wait: float | None = None) -> None:
        super().__init__(str(reason))
        self.again = again
        self.wait = wait


def _receive(source: str, partial: Path, bar: Any) -> None:
    """Adds to `partial` what is missing, over one connection; without a way to, starts anew."""
    have = partial.stat().st_size if partial.is_file() else 0
    is_file, too_long = source.startswith("file:"), False
    with _opened(source, 0 if is_file else have) as response:
        ours = re.match(rf"bytes {have}-", response.headers.get("Content-Range", ""))
        start = have if getattr(response, "status", None) == 206 and ours else 0
        length = response.headers.get("Content-Length", "")
        whole = start + int(length) if length.isdigit() else None
        bar.total, bar.n = whole, start
        with partial.open("ab" if start else "wb") as file:
            for chunk in _chunks(response):
                if too_long := file.tell() + len(chunk) > LARGEST:
                    break
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if too_long:
        partial.unlink()
        raise _BrokenOffError(f"it sends more than {LARGEST:,} bytes", again=False)
    if whole is not None and partial.stat().st_size < whole:
        raise _BrokenOffError(f"it broke off after {partial.stat().st_size} of {whole} bytes")


def _opened(source: str, start: int) -> Any:
    """The response to a request for all bytes from `start`.

    Raises:
        _BrokenOffError: the server did not answer, or not with the file, or it is no file.
    """
    headers = {"User-Agent": f"squeezenas/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(source, headers=headers)
    try:
        if request.type == "file":
            path = Path(urllib.request.url2pathname(request.selector))
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise _BrokenOffError("it is a folder, pipe or device", again=False)
        return urllib.request.build_opener(_SafeRedirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # the partial file is longer than the file there
                return _opened(source, 0)
            again = error.code in (408, 429) or error.code >= 500
            wait = _seconds(error.headers.get("Retry-After"))
        reason = f"HTTP {error.code} {error.reason}"
        if wait is not None and wait > LONGEST_PAUSE:
            reason += f", it asks to wait {wait:.0f} seconds"
        raise _BrokenOffError(reason, again, wait if again else None) from error
    except urllib.error.URLError as error:
        cause = getattr(error.reason, "strerror", None) or error.reason
        silent = isinstance(error.reason, TimeoutError | ConnectionResetError)
        raise _BrokenOffError(cause, again=silent) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _BrokenOffError(f"no answer: {error or type(error).__name__}") from error


def _chunks(response: IO[bytes]) -> Iterator[bytes]:
    """The body; only its reading, not its writing, can be `_BrokenOffError`."""
    read: Callable[[int], bytes] = getattr(response, "read1", response.read)
    while True:
        try:
            chunk = read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(f"it broke off: {error or type(error).__name__}") from error
        if not chunk:
            return
        yield chunk


def _seconds(retry_after: str | None) -> float | None:
    """The value of a `Retry-After` header, a number or a date, in seconds from now."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - time.time())


def _allowed(url: str, before: str = "") -> bool:
    if not re.fullmatch(r"[!-~]+", url):  # a request is made of these
        return False
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "http":
        return parts.hostname in LOCAL and urllib.parse.urlsplit(before).scheme != "https"
    return parts.scheme == "https" or (parts.scheme == "file" and not before)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to where a download could have begun, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not _allowed(newurl, before=req.full_url):
            raise _BrokenOffError(f"it is redirected to {newurl}, which is not https", again=False)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
