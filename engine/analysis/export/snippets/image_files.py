"""What all scripts share: images from files, and what is printed of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import torch
from PIL import Image, ImageOps

Classify = Callable[[Sequence[Image.Image]], tuple[list[int], torch.Tensor]]


def read_image(path: str) -> Image.Image:
    """An image file as RGB, upright, with white where it is transparent."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return image.convert("RGB")


def image_of(path: str) -> Image.Image:
    """The image file that the command line names; ends the script where it is none."""
    try:
        return read_image(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        sys.exit(f"{path}: no image that can be read: {error}")


def show(classify: Classify, class_names: Sequence[str]) -> None:
    """Print the class of each image file that the command line names."""
    paths = sys.argv[1:] or sys.exit("give image files")
    indices, shares = classify([image_of(path) for path in paths])
    for path, index, row in zip(paths, indices, shares, strict=True):
        said = f"{class_names[index]} ({row[index]:.1%})" if index >= 0 else "no class"
        print(f"{path}: {said}")
