"""Files of weights of any size that take no room on the disk: there are only zeros in them."""

from __future__ import annotations

import json
from pathlib import Path


def enormous(file: Path, size: int) -> Path:
    """Write a safetensors file whose only tensor, ``weight``, has ``size`` bytes of float32."""
    about = {"weight": {"dtype": "F32", "shape": [size // 4, 1], "data_offsets": [0, size]}}
    header = json.dumps(about).encode()
    with file.open("wb") as opened:
        opened.write(len(header).to_bytes(8, "little") + header)
        opened.truncate(8 + len(header) + size)
    return file
