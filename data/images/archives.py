"""Images that may be larger than they look, opened within the limits."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...errors import DataFileError, NasurgeError
from ..files import DAMAGED
from ..files.limits import check_limit

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG")  # others run programs or read other files


@contextmanager
def open_image(content: bytes, where: str) -> Iterator[Image]:
    """Image in bytes, a PNG or JPEG, if it has no more pixels than the limits allow.

    Raises
    ------
    DataFileError
        If it is none, damaged or too large.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                check_limit("pixels", image.width * image.height, where)
                yield image
    except NasurgeError:
        raise
    except (OSError, Image.DecompressionBombError, *DAMAGED) as error:
        raise DataFileError(f"{where} is no image, or a damaged one ({error})") from error
