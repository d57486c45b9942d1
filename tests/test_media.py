"""The media store: images by their content, over HTTP and on disk."""

import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from PIL import Image

from monitor.client.prober import Prober
from monitor.errors import BadInput, NotFound, StorageFull, TooLarge
from monitor.store.backup import restore
from monitor.store.media import MediaStore
from monitor.store.owner import StoreOwner, utc_now
from tests.conftest import free_port, running_api
from tests.probing import picture

Own = Callable[..., StoreOwner]
LIMITS = {"WATCHPOINT_MAX_IMAGE_BYTES": "200000", "WATCHPOINT_MAX_IMAGE_PIXELS": "40000"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prober]:
    folder, port = tmp_path_factory.mktemp("media"), free_port()
    with running_api(folder / "data", port, **LIMITS), Prober(f"http://127.0.0.1:{port}") as prober:
        yield prober


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path, 1_000_000, 1_000_000)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("form", "mime"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
    ],
)
def test_an_image_comes_back_as_it_was_sent(api: Prober, form: str, mime: str) -> None:
    content = picture("teal", (40, 30), form)
    media = api.upload(content)
    sha256 = hashlib.sha256(content).hexdigest()
    assert media == {"sha256": sha256, "mime": mime, "bytes": len(content), "width": 40, "height": 30}
    assert api.upload(content) == media
    answer = httpx.get(f"{api.address}/api/v1/media/{sha256}", trust_env=False)
    assert (answer.content, answer.headers["content-type"]) == (content, mime)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    again = httpx.get(str(answer.url), headers={"If-None-Match": answer.headers["etag"]}, trust_env=False)
    assert (again.status_code, again.content) == (304, b"")
    assert api.media(sha256) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is no image; allowed are PNG, JPEG, WEBP, GIF, BMP, TIFF"),
        (b"<html><script>alert(1)</script>", "the file is no image"),
        (b"%PDF-1.7", "the file is no image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "the file is no image"),
        (picture()[:20], r"the (file is no|header of the) image"),
    ],
    ids=["nothing", "html", "pdf", "svg", "cut"],
)
def test_what_is_no_image_is_refused(api: Prober, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        api.upload(content)


def test_an_image_with_too_many_bytes_or_pixels_is_refused_unread(api: Prober) -> None:
    with pytest.raises(BadInput, match=r"the image is 201 x 200 pixels; allowed are 40000 in all \(WATCHPOINT_MAX_IM"):
        api.upload(picture(size=(201, 200)))
    with pytest.raises(BadInput, match=r"the image has too many pixels|30000 x 30000 pixels; allowed are 40000"):
        api.upload(bomb())
    with pytest.raises(BadInput, match="the body is 270054 bytes; allowed are 200000; save the image smaller"):
        api.upload(picture(size=(300, 300), form="BMP"))


def bomb() -> bytes:
    """A PNG of a few bytes whose header promises 900 megapixels."""
    content = bytearray(picture(size=(1, 1)))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def test_a_form_of_another_site_cannot_send_an_image(api: Prober) -> None:
    answer = httpx.post(f"{api.address}/api/v1/media", files={"file": picture()}, trust_env=False)
    assert answer.status_code == 415
    assert "send the file as the body" in answer.json()["error"]
    plain = httpx.post(f"{api.address}/api/v1/media", content=picture(), trust_env=False)
    assert (plain.status_code, plain.json()["error"][:24]) == (415, "Content-Type '(none)' is")


@pytest.mark.parametrize("name", ["a" * 64, "..%2F..%2Fuser.salt", "A" * 64, "short"])
def test_what_is_not_kept_is_not_found(api: Prober, name: str) -> None:
    answer = httpx.get(f"{api.address}/api/v1/media/{name}", trust_env=False)
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_a_file_lies_under_its_hash_for_the_eyes_of_its_owner(store: MediaStore, tmp_path: Path) -> None:
    sha256 = store.keep(picture()).sha256
    assert files(tmp_path) == [f"media/{sha256[:2]}/{sha256}"]
    assert (tmp_path / files(tmp_path)[0]).stat().st_mode & 0o777 == 0o600
    store.keep(picture())
    assert len(files(tmp_path)) == 1
    assert store.find("f" * 64) is None
    found = MediaStore(tmp_path, 1_000_000, 1_000_000).find(sha256)
    assert found is not None
    assert (found.mime, found.width) == ("image/png", 32)


def test_a_disk_that_takes_no_more_is_said_to_be_full(store: MediaStore, tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder belongs")
    with pytest.raises(StorageFull, match=r"the image could not be written: .*; make space"):
        store.keep(picture())


def test_the_limits_hold_without_http(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="allowed are 10 "):
        MediaStore(tmp_path, 10, 1_000_000).keep(picture())
    with pytest.raises(TooLarge, match="32 x 24 pixels; allowed are 100 in all"):
        MediaStore(tmp_path, 1_000_000, 100).keep(picture())
    assert files(tmp_path) == []


def test_several_pictures_in_one_jpeg_count_as_a_jpeg(store: MediaStore, tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")
    first.save(tmp_path / "two.mpo", save_all=True, append_images=[second])
    assert store.keep((tmp_path / "two.mpo").read_bytes()).mime == "image/jpeg"


def test_images_leave_by_the_age_of_their_last_use(own: Own) -> None:
    owner = own(raw_days=30)
    old, used, fresh = (owner.media.keep(picture(colour)).sha256 for colour in ("red", "green", "blue"))
    folder = owner.settings.data / "media"
    long_ago = time.time() - timedelta(days=40).total_seconds()
    for sha256 in (old, used):
        os.utime(folder / sha256[:2] / sha256, (long_ago, long_ago))
    unfinished = folder / old[:2] / f"{old}-1234.part"
    unfinished.write_bytes(b"x")
    os.utime(unfinished, (long_ago, long_ago))
    owner.media.read(used)
    owner.expire(utc_now())
    assert {Path(name).name for name in files(folder)} == {used, fresh}
    with pytest.raises(NotFound, match=f"the image {old} is not in the media store"):
        owner.media.read(old)
    assert owner.media.find(old) is None


def test_a_backup_holds_the_images_and_brings_them_back(own: Own, tmp_path: Path) -> None:
    owner = own()
    content = picture("purple")
    sha256 = owner.media.keep(content).sha256
    owner.back_up(tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "again", utc_now())
    assert MediaStore(tmp_path / "again", 1_000_000, 1_000_000).read(sha256)[1] == content
