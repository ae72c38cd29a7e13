import email.utils
import hashlib
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from squeezenas.zoo import download as module
from squeezenas.zoo.download import Checksums, download, home
from tests.zoo.file_server import serving
from tests.zoo.official import git_blob

CONTENT = bytes(range(256)) * 1000
RIGHT = Checksums(git_blob_sha1=git_blob(CONTENT))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "home" / "weights" / "net.pth"


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """No waiting; the seconds that would have been waited."""
    seconds: list[float] = []
    monkeypatch.setattr(module.time, "sleep", seconds.append)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SQUEEZENAS_MIRROR", raising=False)
    return seconds


def names(target: Path) -> set[str]:
    """What is in the folder of downloads, lock files aside."""
    return {path.name for path in target.parent.iterdir() if path.suffix != ".lock"}


def test_a_file_comes_whole_and_once(target):
    with serving(CONTENT) as server:
        download(server.url, target, RIGHT)
        download(server.url, target, RIGHT)
        assert server.ranges == [None]
    assert target.read_bytes() == CONTENT
    assert names(target) == {"net.pth"}


def test_a_broken_transfer_goes_on_where_it_broke(target, pauses):
    with serving(CONTENT, "break 1000", "break 500") as server:
        download(server.url, target, RIGHT)
        assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]
    assert target.read_bytes() == CONTENT
    assert names(target) == {"net.pth"}
    assert pauses == [1.0, 1.0]


def test_a_later_call_goes_on_too(target, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    with serving(CONTENT, "break 1000", "404") as server:
        with pytest.raises(OSError, match=r"HTTP 404"):
            download(server.url, target, RIGHT)
        assert names(target) == {"net.pth.partial"}
        download(server.url, target, RIGHT)
        assert server.ranges[-1] == "bytes=1000-"
    assert target.read_bytes() == CONTENT
    assert names(target) == {"net.pth"}


@pytest.mark.parametrize("begun", [CONTENT[:5000], CONTENT + b"more", CONTENT])
@pytest.mark.parametrize("script", [(), ("unranged",)])
def test_whatever_was_begun_ends_in_the_file(target, begun, script):
    target.parent.mkdir(parents=True)
    target.with_name("net.pth.partial").write_bytes(begun)
    with serving(CONTENT, *script) as server:
        download(server.url, target, RIGHT)
        assert (server.ranges == []) == (begun == CONTENT)
    assert target.read_bytes() == CONTENT
    assert names(target) == {"net.pth"}


def test_a_part_of_another_version_is_not_built_upon(target):
    target.parent.mkdir(parents=True)
    target.with_name("net.pth.partial").write_bytes(b"\0" * 5000)
    with serving(CONTENT) as server:
        download(server.url, target, RIGHT)
        assert server.ranges == ["bytes=5000-", None]
    assert target.read_bytes() == CONTENT


def test_another_file_is_kept_aside_and_named(target):
    with (
        serving(CONTENT, "corrupt") as server,
        pytest.raises(ValueError, match=r"gave another file .* git blob id is") as error,
    ):
        download(server.url, target, RIGHT)
    aside = target.with_name("net.pth.wrong")
    assert str(aside) in str(error.value)
    assert aside.read_bytes() == bytes(255 - byte for byte in CONTENT)
    assert names(target) == {"net.pth.wrong"}


def test_a_wrong_file_under_the_final_name_is_replaced(target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"rotten")
    with serving(CONTENT) as server:
        download(server.url, target, Checksums(sha256=hashlib.sha256(CONTENT).hexdigest()))
    assert target.read_bytes() == CONTENT
    assert target.with_name("net.pth.wrong").read_bytes() == b"rotten"


def test_busy_servers_are_given_the_time_they_ask_for(target, pauses):
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    with serving(CONTENT, "429 7", f"503 {date}", "500", "429 soon") as server:
        download(server.url, target, RIGHT)
    assert target.read_bytes() == CONTENT
    assert pauses[0] == 7
    assert 25 < pauses[1] <= 30
    assert pauses[2:] == [4, 8]  # twice as long each time


@pytest.mark.parametrize(
    ("script", "requests", "reason"),
    [
        (["404"], 1, "HTTP 404 Not Found"),
        (["403 1"], 1, "HTTP 403 Forbidden"),
        (["429 3600"], 1, "it asks to wait 3600 seconds"),
        (["503"] * 9, 5, "HTTP 503 Service Unavailable"),
        (["break 0"] * 9, 5, "it broke off after 0 of 256000 bytes"),
        (["break 10", *["break 0"] * 9], 6, "it broke off after 10 of 256000 bytes"),
        (["redirect http://example.invalid/net.pth"], 1, "redirected to http://example.invalid"),
        (["redirect file:///etc/hostname"], 1, "file:///etc/hostname' is not allowed"),
    ],
)
def test_what_does_not_get_better_is_given_up(target, script, requests, reason):
    with serving(CONTENT, *script) as server:
        with pytest.raises(OSError, match=reason) as error:
            download(server.url, target, RIGHT)
        assert len(server.ranges) == requests
    message = str(error.value)
    assert f"by hand at {target}" in message
    assert "SQUEEZENAS_MIRROR" in message
    assert not target.exists()


def test_a_silent_server_is_asked_again(target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with serving(CONTENT, "silent 0.4", "slow 0.4") as server:
        download(server.url, target, RIGHT)
        assert server.ranges == [None, None, f"bytes={len(CONTENT) // 2}-"]
    assert target.read_bytes() == CONTENT


def test_redirects_are_followed(target):
    with serving(CONTENT) as there, serving(b"", f"redirect {there.url}") as here:
        download(here.url, target, RIGHT)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "HttpS"])
def test_no_redirect_leads_from_https_to_http(scheme):
    request = urllib.request.Request(f"{scheme}://example.org/net.pth")
    with pytest.raises(Exception, match="not https"):
        module._SafeRedirects().redirect_request(
            request, None, 302, "Found", {}, "http://localhost/net.pth"
        )


@pytest.mark.parametrize("url", ["http://example.org/net.pth", "ftp://example.org/net.pth", "x"])
def test_other_addresses_are_refused(target, url):
    with pytest.raises(ValueError, match="from https: and file: addresses only"):
        download(url, target, RIGHT)
    assert not target.parent.exists()


def test_without_a_network(target, pauses):
    with serving(CONTENT) as server:
        url = server.url
    with pytest.raises(OSError, match=rf"refused\); .* by hand at {target}"):
        download(url, target, RIGHT)
    assert pauses == []


def test_mirrors(target, tmp_path, monkeypatch):
    url = "https://example.invalid/raw/net.pth?raw=true"
    (tmp_path / "net.pth").write_bytes(CONTENT)
    monkeypatch.setenv("SQUEEZENAS_MIRROR", f"{tmp_path.as_uri()}/")
    download(url, target, RIGHT)
    assert target.read_bytes() == CONTENT
    target.unlink()
    (tmp_path / "net.pth").unlink()
    with pytest.raises(OSError, match=r"net\.pth cannot be fetched \(.*No such file"):
        download(url, target, RIGHT)
    with serving(CONTENT) as server:
        monkeypatch.setenv("SQUEEZENAS_MIRROR", server.url.rpartition("/")[0])
        download(url, target, RIGHT)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["file", "FILE"])
@pytest.mark.parametrize("name", ["pipe", "zero", "folder"])
def test_only_regular_files_are_copied(target, tmp_path, monkeypatch, name, scheme):
    monkeypatch.setattr(module, "LARGEST", 1000)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=rf"{name} cannot be fetched \(it is a folder, pipe or dev"):
        download(f"{scheme}://{tmp_path}/{name}", target, RIGHT)
    assert names(target) == set()


def test_what_is_too_large_is_not_kept(target, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1000)
    (tmp_path / "large").write_bytes(CONTENT)
    with pytest.raises(OSError, match="it sends more than 1,000 bytes"):
        download((tmp_path / "large").as_uri(), target, RIGHT)
    assert names(target) == set()


def test_an_address_with_a_zero_byte(target):
    with pytest.raises(OSError, match="file:///a%00b cannot be fetched"):
        download("file:///a%00b", target, RIGHT)


def test_processes_that_want_the_same_file_share_one_transfer(target, repository):
    code = (
        "import sys; from pathlib import Path; from squeezenas.zoo.download import *;"
        "download(sys.argv[1], Path(sys.argv[2]), Checksums(git_blob_sha1=sys.argv[3]))"
    )
    with serving(CONTENT, "slow 0.5") as server:
        words = [sys.executable, "-c", code, server.url, str(target), RIGHT.git_blob_sha1 or ""]
        started = [subprocess.Popen(words, cwd=repository) for _ in range(2)]
        assert [process.wait(30) for process in started] == [0, 0]
        assert server.ranges == [None]
    assert target.read_bytes() == CONTENT


def test_a_full_disk_leaves_no_file(target, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with serving(CONTENT) as server, pytest.raises(OSError, match="No space left") as error:
        download(server.url, target, RIGHT)
    assert error.value.errno == 28
    assert not target.exists()


def test_a_folder_without_permission(target, monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match=r"Permission denied; name .* SQUEEZENAS_HOME"):
        download("https://example.invalid/net.pth", target, RIGHT)


def test_the_folder_of_downloads(monkeypatch, tmp_path):
    for name in ("SQUEEZENAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".cache" / "squeezenas"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert home() == tmp_path / "xdg" / "squeezenas"
    monkeypatch.setenv("SQUEEZENAS_HOME", "~/mine")
    assert home() == tmp_path / "mine"


def test_checksums_are_those_of_git_and_of_everybody(tmp_path):
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"  # sha256sum
    assert Checksums(sha256, blob).fault(path) == ""
    assert Checksums("0" * 64).fault(path) == f"its SHA-256 is {sha256} and not {'0' * 64}"
    assert blob in Checksums(sha256, "0" * 40).fault(path)
