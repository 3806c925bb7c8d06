"""Reading one image file into 8-bit RGB, and telling images from other files.

Only the formats listed here are opened, whatever a file is called: others start programs
(an EPS file runs Ghostscript) or are read by code that few people have looked at.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.common.names import readable_name
from engine.data.sources import ImageFile

READER_VERSION = 1
"""Raised when an image would be read into other pixels; part of the feature cache's key."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000")
"""The formats that are opened, as Pillow calls them."""

SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".webp", ".gif", ".bmp"),
        *(".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k"),
    )
)
"""File name endings that count as images, in lower case."""

_BEGINNINGS = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+"
    rb"|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0|P[1-6]\s[\s#0-9]"
    rb"|....ftypavi[fs]|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    re.DOTALL,
)

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


class UnreadableImageError(Exception):
    """An image file can't be decoded; the text is the reason, without the file's name."""


def is_image_file(path: str | Path) -> bool:
    """Whether a file begins like one of ``FORMATS``; False where it can't be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - once for each of many files
            return _BEGINNINGS.match(file.read(32)) is not None
    except OSError:
        return False


def file_digest(path: ImageFile) -> int:
    """A 64-bit hash of a file's content.

    Raises:
        UnreadableImageError: if it can't be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8))
    except OSError as error:
        raise UnreadableImageError(_reason(error, path)) from error
    return int.from_bytes(digest.digest())


def read_image(path: ImageFile) -> Image.Image:
    """Decode an image file to mode RGB, 8 bits a channel, upright.

    The EXIF orientation is applied. Transparent parts (alpha channel, transparent palette entry
    or colour) are laid over white, as a page shows them; plain conversion would uncover whatever
    colour lies beneath. 16-bit greyscale is scaled to 8 bits instead of clipped; other wide
    greyscale (32-bit integer, float) is stretched from its own minimum and maximum unless its
    values fit 0 to 255, 0 to 65535 or, for float, 0 to 1. Colour profiles are not applied. Of an
    animation or a multi-page file the first picture is read.

    Raises:
        UnreadableImageError: if the file is missing, truncated, corrupt or absurdly large.
    """
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            image.load()
            upright: Image.Image = image
            with contextlib.suppress(Exception):  # broken EXIF data in a whole image
                upright = ImageOps.exif_transpose(image)
            return _to_rgb(upright)
    except Exception as error:  # Pillow raises a dozen types for corrupt files
        raise UnreadableImageError(_reason(error, path)) from error


def _reason(error: Exception, path: ImageFile) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image that can be decoded"
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"it has more than the {limit:,} pixels that are allowed; make it smaller"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).replace(str(path), "the file")
    return " ".join(readable_name(text).split()) or type(error).__name__


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        return _narrowed(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        page = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(page, layer).convert("RGB")
    return image.convert("RGB")


def _narrowed(image: Image.Image) -> Image.Image:
    """Wide greyscale to 8 bits a pixel."""
    values = np.asarray(image).astype(np.float64)  # (height, width)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImageError("it has pixels that are not numbers")
    if image.mode in _SIXTEEN_BIT or (image.mode == "I" and low >= 0 and 255 < high <= 65535):
        values = values / 257
    elif image.mode == "F" and low >= 0 and high <= 1:
        values = values * 255
    elif low < 0 or high > 255:
        values = (values - low) * (255 / (high - low)) if high > low else values * 0
    return Image.fromarray(np.round(values).astype(np.uint8))
