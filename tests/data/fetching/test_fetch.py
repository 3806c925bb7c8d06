"""Downloads from a real server on this machine: cut off, gone on with, wrong, and archives of all
kinds that try to leave their folder.
"""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.common.errors import DataError
from engine.config import DataConfig
from engine.data.catalogue.entry import Download
from engine.data.catalogue.table import catalogue
from engine.data.fetching.download import download
from engine.data.fetching.fetch import FOLDER, fetch, is_fetched
from engine.data.fetching.unpacking import unpack
from engine.data.registry import load_dataset
from tests.support import miniatures
from tests.support.file_server import Server, packed, serving


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


CONTENT = bytes(range(256)) * 20_000  # 5 MB: several chunks


def wanted(server: Server, **more: object) -> Download:
    server.files.setdefault("a.bin", CONTENT)
    return replace(Download(url=server.url("a.bin"), into="a.bin"), **more)


def get(one: Download, file: Path) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    download(one, file, lambda done, total: told.append((done, total)))
    return told


def test_a_file_is_got_whole_and_once(server, tmp_path):
    one = wanted(server, md5=hashlib.md5(CONTENT).hexdigest(), bytes=len(CONTENT))
    told = get(one, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert get(one, tmp_path / "a.bin") == []
    assert len(server.asked) == 1


def test_it_goes_on_where_it_was_cut_off(server, tmp_path):
    server.cut = [2_000_000, 1_000_000]
    get(wanted(server), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=2000000-", "bytes=3000000-"]


def test_a_later_call_goes_on_too(server, tmp_path):
    server.cut = [1_000_000, 0, 0]
    with pytest.raises(DataError, match="broke 3 times.*what has come is kept, and the same comm"):
        get(wanted(server), tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").stat().st_size == 1_000_000
    get(wanted(server), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked[-1] == ("a.bin", "bytes=1000000-")


@pytest.mark.parametrize("change", ["no ranges", "another file"])
def test_where_it_can_not_go_on_it_begins_anew(server, tmp_path, change):
    server.cut = [1_000_000, 0, 0]
    with pytest.raises(DataError):
        get(wanted(server), tmp_path / "a.bin")
    other = CONTENT[::-1]
    if change == "no ranges":
        server.ranges, other = False, CONTENT
    else:
        server.tag, server.files["a.bin"] = '"2"', other
    get(wanted(server), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == other


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    (tmp_path / "a.bin.part.json").write_text(
        json.dumps({"url": server.url("a.bin"), "etag": '"1"'})
    )
    get(wanted(server), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_what_is_wrong_is_said_and_not_kept(server, tmp_path):
    file = tmp_path / "a.bin"
    with pytest.raises(DataError, match="its sha256 is .* in place of 00.*was deleted"):
        get(wanted(server, sha256="00"), file)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="announces 5,120,000 bytes where 7 are expected"):
        get(wanted(server, bytes=7), file)
    with pytest.raises(DataError, match="answers 404 Not Found"):
        get(wanted(server, url=server.url("gone")), file)
    server.length = None
    with pytest.raises(DataError, match="doesn't say how much it sends"):
        get(wanted(server), file)
    with pytest.raises(DataError, match="sends more than the 1,000 bytes announced"):
        get(wanted(server, bytes=1000), file)
    server.length = 1000  # of more: the rest is never read
    get(wanted(server), file)
    assert file.stat().st_size == 1000


def test_only_http_is_followed(server, tmp_path):
    server.moved["a.bin"] = server.url("b.bin")
    server.files["b.bin"] = b"moved"
    get(wanted(server), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == b"moved"
    server.moved["a.bin"] = "file:///etc/passwd"
    with pytest.raises(DataError, match="302|only http"):
        get(wanted(server), tmp_path / "b.bin")
    with pytest.raises(DataError, match="only http and https are followed"):
        get(Download(url="file:///etc/passwd", into="x"), tmp_path / "c.bin")
    with pytest.raises(DataError, match="can't be reached"):
        get(Download(url="http://127.0.0.1:1/x", into="x"), tmp_path / "c.bin")


# -- archives ----------------------------------------------------------------------------------


KINDS = ["a.tar.gz", "a.zip"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_appears_as_a_whole(tmp_path, kind):
    archive = packed(
        tmp_path / kind,
        {
            "top/data/images/1.jpg": b"1",
            "./top/data/list.txt": b"l",
            "top/README": b"r",
            "__MACOSX/x": b"",
            "top/data/.DS_Store": b"",
            "top/data/._list.txt": b"",
        },
    )
    placed = unpack(archive, tmp_path / "out", strip="top/data")
    assert placed == [tmp_path / "out/images", tmp_path / "out/list.txt"]
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == ["1.jpg", "images", "list.txt"]
    (tmp_path / "out/list.txt").write_text("mine")
    (tmp_path / "out/images/1.jpg").unlink()
    unpack(archive, tmp_path / "out", strip="top/data")
    assert (tmp_path / "out/list.txt").read_text() == "mine"
    assert (tmp_path / "out/images/1.jpg").read_bytes() == b"1"


def test_an_archive_in_an_archive(tmp_path):
    inner = packed(tmp_path / "in.tar.gz", {"classes/a/1.jpg": b"1"}).read_bytes()
    archive = packed(tmp_path / "a.zip", {"set/in.tar.gz": inner, "set/other.txt": b""})
    unpack(archive, tmp_path / "out", inner="set/in.tar.gz")
    assert (tmp_path / "out/set/classes/a/1.jpg").read_bytes() == b"1"
    assert not (tmp_path / "out/set/in.tar.gz").exists()
    with pytest.raises(DataError, match="there is no set/gone.tar.gz in it"):
        unpack(archive, tmp_path / "more", inner="set/gone.tar.gz")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "a/.."])
def test_paths_that_lead_out_are_refused(tmp_path, kind, name):
    archive = packed(tmp_path / kind, {"good.txt": b"", name: b"evil"})
    if kind == "a.zip" and name == "..\\evil":
        assert "\\" in zipfile.ZipFile(archive).namelist()[1]
    with pytest.raises(DataError, match="leads out of the folder; it is a trap"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        about = tarfile.TarInfo("images")
        about.type, about.linkname = kind, "/etc"
        tar.addfile(about)
    with pytest.raises(DataError, match="'images' is a link or a device"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_a_link_in_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        about = zipfile.ZipInfo("images")
        about.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(about, "/etc")
    with pytest.raises(DataError, match="'images' is a link or a device"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("engine.data.fetching.unpacking._SPARE", 0)
    archive = tmp_path / kind
    if kind == "a.zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("big", b"\0" * 5_000_000)
    else:
        packed(archive, {"big": b"\0" * 5_000_000})
    with pytest.raises(DataError, match="and would take more than"):
        unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_broken_archives(tmp_path):
    whole = packed(tmp_path / "a.tar.gz", {"a": CONTENT}).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.zip").write_bytes(b"no archive")
    (tmp_path / "empty.tar").write_bytes(b"\0" * 10240)
    for name, said in (
        ("cut.tar.gz", "can't be unpacked"),
        ("none.zip", "can't be unpacked"),
        ("empty.tar", "there is nothing in it"),
    ):
        with pytest.raises(DataError, match=said):
            unpack(tmp_path / name, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


# -- a data set --------------------------------------------------------------------------------


def test_a_data_set_is_fetched_and_read(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOV_CACHE_DIR", str(tmp_path / "cache"))
    made = miniatures.write("oxford-pets", tmp_path / "there")
    split = (made / "split_zhou_OxfordPets.json").read_bytes()
    images = {
        path.relative_to(made).as_posix(): path.read_bytes()
        for path in (made / "images").rglob("*")
        if path.is_file()
    }
    server.files["images.tar.gz"] = packed(tmp_path / "i.tar.gz", images).read_bytes()
    server.files["split.json"] = split
    entry = replace(
        catalogue()["oxford-pets"],
        downloads=(
            Download(url=server.url("images.tar.gz"), into="oxford_pets"),
            Download(
                url=server.url("split.json"),
                into="oxford_pets/split.json",
                sha256=hashlib.sha256(split).hexdigest(),
            ),
        ),
    )
    base = tmp_path / "data"
    said = fetch(entry, base, lambda *_: None)
    assert [line.split(":")[0] for line in said] == ["images.tar.gz", "split.json"]
    dataset = load_dataset(DataConfig(dataset="oxford-pets", path=str(base)))
    assert (len(dataset.train), len(dataset.test)) == (6, 3)
    assert all(is_fetched(one, base) for one in entry.downloads)
    asked = len(server.asked)
    assert all("is there" in line for line in fetch(entry, base, lambda *_: None))
    assert len(server.asked) == asked
    assert not [p for p in (base / FOLDER).iterdir() if p.suffix == ".gz"]
    (base / "oxford_pets/images").rename(tmp_path / "gone")
    fetch(entry, base, lambda *_: None)
    assert (base / "oxford_pets/images").is_dir()
    with pytest.raises(DataError, match="no plain download gets it"):
        fetch(replace(entry, downloads=()), base, lambda *_: None)


def test_an_archive_that_is_refused_leaves_nothing(server, tmp_path):
    server.files["evil.zip"] = packed(tmp_path / "e.zip", {"../x": b""}).read_bytes()
    entry = replace(catalogue()["dtd"], downloads=(Download(url=server.url("evil.zip"), into=""),))
    with pytest.raises(DataError, match="leads out of the folder"):
        fetch(entry, tmp_path / "data", lambda *_: None)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FOLDER]
    assert list((tmp_path / "data" / FOLDER).iterdir()) == []
