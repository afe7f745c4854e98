"""Pictures, smaller for the air; with Pillow, where that is installed."""

import io
import warnings
from pathlib import Path

EDGE = 1_024  # pixels of the longer side
QUALITY = 60
_PIXELS_MAX = 50_000_000  # of a picture that is opened at all


def smaller(path: Path) -> bytes | None:
    """The picture as a JPEG of at most 1,024 pixels, without what a camera writes into it: place and time.

    None where it is no picture, is not larger than that, or Pillow is not here.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        return None
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if picture.width * picture.height > _PIXELS_MAX:
                return None
            picture.draft("RGB", (EDGE, EDGE))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            upright.thumbnail((EDGE, EDGE))
            out = io.BytesIO()
            upright.save(out, "JPEG", quality=QUALITY, optimize=True)
    except (
        OSError,
        SyntaxError,
        ValueError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None
    data = out.getvalue()
    return data if len(data) < path.stat().st_size else None
