"""Every kind of image file is read as the picture that a viewer shows."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.data.images import FORMATS, UnreadableImageError, is_image_file, read_image

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def pixel(path: Path, at: tuple[int, int] = (0, 0)) -> tuple[int, int, int]:
    image = read_image(path)
    assert image.mode == "RGB"
    return image.getpixel(at)


def test_greyscale_keeps_its_brightness(tmp_path):
    Image.new("L", (8, 8), 77).save(tmp_path / "grey.png")
    assert pixel(tmp_path / "grey.png") == (77, 77, 77)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_greyscale_is_scaled_not_clipped(tmp_path, suffix):
    values = np.array([[0, 257 * 64], [257 * 128, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"wide.{suffix}")
    got = np.asarray(read_image(tmp_path / f"wide.{suffix}"))
    assert got[..., 0].tolist() == [[0, 64], [128, 255]]
    assert (got[..., 0] == got[..., 2]).all()


def test_sixteen_bit_pgm(tmp_path):
    data = struct.pack(">4H", 0, 257 * 64, 257 * 128, 65535)
    (tmp_path / "wide.pgm").write_bytes(b"P5 2 2 65535\n" + data)
    got = np.asarray(read_image(tmp_path / "wide.pgm"))
    assert got[..., 1].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.5], [1.0, 0.25]], [[0, 128], [255, 64]]),  # 0 to 1
        ([[0.0, 100.0], [200.0, 255.0]], [[0, 100], [200, 255]]),  # 0 to 255
        ([[-1.0, 0.0], [1.0, 3.0]], [[0, 64], [128, 255]]),  # stretched
        ([[-2.0, -2.0], [-2.0, -2.0]], [[0, 0], [0, 0]]),
    ],
)
def test_float_greyscale(tmp_path, values, expected):
    Image.fromarray(np.array(values, dtype=np.float32)).save(tmp_path / "float.tiff")
    assert np.asarray(read_image(tmp_path / "float.tiff"))[..., 0].tolist() == expected


def test_float_image_with_nan_is_unreadable(tmp_path):
    Image.fromarray(np.array([[np.nan, 1.0]], dtype=np.float32)).save(tmp_path / "nan.tiff")
    with pytest.raises(UnreadableImageError, match="not numbers"):
        read_image(tmp_path / "nan.tiff")


def test_thirty_two_bit_integers_are_stretched(tmp_path):
    Image.fromarray(np.array([[0, 1_000_000]], dtype=np.int32)).save(tmp_path / "int.tiff")
    assert np.asarray(read_image(tmp_path / "int.tiff"))[..., 0].tolist() == [[0, 255]]


def test_one_bit(tmp_path):
    Image.new("1", (4, 4), 1).save(tmp_path / "bit.png")
    assert pixel(tmp_path / "bit.png") == WHITE


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk(tmp_path, suffix):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"cmyk.{suffix}")
    got = pixel(tmp_path / f"cmyk.{suffix}", (8, 8))
    assert np.abs(np.subtract(got, RED)).max() <= 3


def test_palette(tmp_path):
    Image.new("RGB", (4, 4), RED).quantize(4).save(tmp_path / "palette.png")
    assert pixel(tmp_path / "palette.png") == RED


def test_transparent_palette_entry_is_laid_over_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((0, 0), 0)
    image.putpixel((1, 0), 1)
    for name in ("t.png", "t.gif"):
        image.save(tmp_path / name, transparency=0)
        assert pixel(tmp_path / name, (0, 0)) == WHITE
        assert pixel(tmp_path / name, (1, 0)) == GREEN


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_alpha_is_composited_over_white(tmp_path, suffix):
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 0, 128), (4, 0, 8, 8))
    image.save(tmp_path / f"alpha.{suffix}", lossless=True)
    assert pixel(tmp_path / f"alpha.{suffix}", (0, 0)) == WHITE
    half = pixel(tmp_path / f"alpha.{suffix}", (7, 7))
    assert all(abs(value - 127) <= 1 for value in half)


def test_grey_with_alpha_and_transparent_colour(tmp_path):
    Image.new("LA", (2, 2), (0, 0)).save(tmp_path / "la.png")
    assert pixel(tmp_path / "la.png") == WHITE
    Image.new("RGB", (2, 2), RED).save(tmp_path / "key.png", transparency=RED)
    assert pixel(tmp_path / "key.png") == WHITE


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_orientation_is_applied(tmp_path, suffix):
    image = Image.new("RGB", (16, 32), GREEN)
    image.paste(RED, (0, 0, 16, 16))  # red above
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    image.save(tmp_path / f"turned.{suffix}", exif=exif)
    got = read_image(tmp_path / f"turned.{suffix}")
    assert got.size == (32, 16)
    assert np.abs(np.subtract(got.getpixel((28, 8)), RED)).max() <= 8
    assert np.abs(np.subtract(got.getpixel((4, 8)), GREEN)).max() <= 8


def test_broken_exif_does_not_lose_the_image(tmp_path):
    Image.new("RGB", (16, 16), RED).save(tmp_path / "exif.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff")
    assert read_image(tmp_path / "exif.jpg").size == (16, 16)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert pixel(tmp_path / "moving.gif") == RED


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff"])
def test_truncated_files_are_unreadable(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableImageError):
        read_image(path)


def test_corrupt_files_say_why(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name in ("text.png", "empty.jpg"):
        with pytest.raises(UnreadableImageError, match="not an image"):
            read_image(tmp_path / name)
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "gone.png")


def test_checksum_error_is_unreadable(tmp_path):
    Image.new("RGB", (32, 32), RED).save(tmp_path / "bad.png")
    content = bytearray((tmp_path / "bad.png").read_bytes())
    content[content.index(b"IDAT") + 8] ^= 0xFF
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "bad.png")


def test_decompression_bomb_is_unreadable(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))
    )
    with pytest.raises(UnreadableImageError, match=r"more than the 178,956,970 pixels"):
        read_image(tmp_path / "bomb.png")


def test_a_phone_s_photo_with_a_second_picture_in_it(tmp_path):
    """An MPO file, which is called .jpg."""
    second = Image.new("RGB", (16, 16), GREEN)
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (16, 16), RED).save(path, "MPO", save_all=True, append_images=[second])
    assert Image.open(path).format == "MPO"
    assert np.abs(np.subtract(pixel(path), RED)).max() <= 3


def test_sixteen_bit_colour(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    row = b"\0" + struct.pack(">3H", 257 * 64, 257 * 128, 257 * 255)
    (tmp_path / "wide.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )
    assert pixel(tmp_path / "wide.png") == (64, 128, 255)


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF", "TIFF"])
def test_first_frame_of_other_animations(tmp_path, kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN)]
    frames[0].save(tmp_path / "moving", kind, save_all=True, append_images=frames[1:])
    assert np.abs(np.subtract(pixel(tmp_path / "moving"), RED)).max() <= 3


@pytest.mark.parametrize("name", ["post.eps", "post.png", "post.jpg"])
def test_no_program_is_started_for_an_image(tmp_path, monkeypatch, name):
    """An EPS file under any name would have Pillow start Ghostscript."""
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\necho started > '{tmp_path / 'trace'}'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    Image.new("RGB", (8, 8), RED).save(tmp_path / "made.eps")
    (tmp_path / "made.eps").rename(tmp_path / name)
    with pytest.raises(UnreadableImageError, match="not an image that can be decoded"):
        read_image(tmp_path / name)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("suffix", ["psd", "ico", "tga", "pcx", "dds", "sgi", "wmf"])
def test_only_listed_formats_are_opened(tmp_path, suffix):
    (tmp_path / "x").write_bytes(b"\0" * 64)
    if suffix not in ("psd", "wmf"):  # which Pillow can't write
        Image.new("RGB", (16, 16), RED).save(tmp_path / f"a.{suffix}")
        (tmp_path / f"a.{suffix}").rename(tmp_path / "x")
    assert not is_image_file(tmp_path / "x")
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "x")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_listed_format_is_read_whatever_its_file_is_called(tmp_path, kind):
    Image.new("RGB", (16, 16), RED).save(tmp_path / "made", format=kind)
    for name in ("made", "photo.jpg", "photo.0001"):
        (tmp_path / name).write_bytes((tmp_path / "made").read_bytes())
        assert np.abs(np.subtract(pixel(tmp_path / name), RED)).max() <= 3
    # A DIB is a BMP without its head: nothing tells it from other files but its ending.
    assert is_image_file(tmp_path / "made") == (kind != "DIB")


def test_text_and_what_is_not_there_are_no_image_files(tmp_path):
    for text in ("", "BM is a car", "P5 is a class", "II*", "GIF", "RIFF of Morocco WEBP"):
        (tmp_path / "x").write_text(text)
        assert not is_image_file(tmp_path / "x"), text
    assert not is_image_file(tmp_path / "nowhere")
    assert not is_image_file(tmp_path)
