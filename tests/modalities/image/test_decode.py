"""Every kind of picture file and array ends as the same square canvas; what is damaged says why."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageOps
from tests.modalities.image.makers import draw, encode, prepare, record

from selftaught.core.errors import DataError
from selftaught.modalities import Image
from selftaught.modalities.image.decode import Limits

COLOUR = draw(32, 32, 3)
GREY = draw(32, 32, 1)
FIXED = Image(size=32, patch=4, canvas=32, channels=3, depth="uint8")


def canvas(value: object, image: Image = FIXED) -> np.ndarray:
    return image.decode(record(value)).fields["pixels"]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_keep_every_pixel(kind: str) -> None:
    assert np.array_equal(canvas(encode(COLOUR, kind)), COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95}), ("GIF", {})])
def test_lossy_files_are_close(kind: str, options: dict[str, int]) -> None:
    smooth = np.asarray(Pillow.fromarray(COLOUR).resize((8, 8)).resize((32, 32), Pillow.Resampling.BICUBIC))
    gap = canvas(encode(smooth, kind, **options)).astype(int) - smooth.transpose(2, 0, 1)
    assert np.abs(gap).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_survive(kind: str) -> None:
    deep = (GREY.astype(np.uint16) * 200)[..., 0]
    image, _, rows = prepare([encode(Pillow.fromarray(deep), kind)])
    assert (image.channels, image.depth) == (1, "uint16")
    pixels = rows.fields["pixels"]
    assert isinstance(pixels, torch.Tensor)
    assert np.array_equal(pixels[0, 0].numpy(), deep)


def test_float_tiff_survives() -> None:
    values = GREY[..., 0].astype(np.float32) / 7 - 3
    image, _, rows = prepare([encode(Pillow.fromarray(values), "TIFF")])
    assert image.depth == "float32"
    pixels = rows.fields["pixels"]
    assert isinstance(pixels, torch.Tensor)
    assert np.array_equal(pixels[0, 0].numpy(), values)


def test_palette_one_bit_and_cmyk_become_colour() -> None:
    photo = Pillow.fromarray(COLOUR)
    palette = photo.quantize(64)
    assert np.array_equal(canvas(encode(palette)), np.asarray(palette.convert("RGB")).transpose(2, 0, 1))
    bits = Pillow.fromarray(GREY[..., 0]).convert("1")
    assert set(np.unique(canvas(encode(bits)))) == {0, 255}
    stored = FIXED.decode(record(encode(photo.convert("CMYK"), "TIFF")))
    assert "colour-space-converted" in stored.findings
    assert np.abs(stored.fields["pixels"].astype(int) - COLOUR.transpose(2, 0, 1)).mean() < 30


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_show_the_background(mode: str) -> None:
    photo = Pillow.fromarray(COLOUR).convert(mode)
    alpha = np.zeros((32, 32), np.uint8)
    alpha[:16] = 255
    photo.putalpha(Pillow.fromarray(alpha))
    stored = FIXED.decode(record(encode(photo)))
    assert "alpha-composited" in stored.findings
    assert (stored.fields["pixels"][:, 16:] == 255).all()
    opaque = np.asarray(photo.convert("RGBA").convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(stored.fields["pixels"][:, :16], opaque[:, :16])
    black = Image(size=32, patch=4, canvas=32, channels=3, depth="uint8", background=0.0)
    assert (canvas(encode(photo), black)[:, 16:] == 0).all()


def test_a_palette_with_transparency_is_composited() -> None:
    palette = Pillow.fromarray(COLOUR).quantize(16)
    stored = FIXED.decode(record(encode(palette, transparency=int(np.asarray(palette)[0, 0]))))
    assert stored.fields["pixels"][:, 0, 0].tolist() == [255, 255, 255]


def test_grey_and_colour_are_harmonised_with_a_finding() -> None:
    grey = FIXED.decode(record(encode(GREY)))
    assert grey.findings == ("grey-to-colour",)
    assert np.array_equal(grey.fields["pixels"], GREY.transpose(2, 0, 1).repeat(3, 0))
    one = Image(size=32, patch=4, canvas=32, channels=1, depth="uint8")
    colour = one.decode(record(encode(COLOUR)))
    assert colour.findings == ("colour-to-grey",)
    expected = np.asarray(Pillow.fromarray(COLOUR).convert("L"))
    assert np.abs(colour.fields["pixels"][0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    photo = Pillow.fromarray(np.asarray(Pillow.fromarray(draw(6, 4)).resize((24, 40), Pillow.Resampling.BICUBIC)))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind == "JPEG" else {}
    content = encode(photo, kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Pillow.open(io.BytesIO(content)))
    stored = FIXED.decode(record(content))
    assert tuple(stored.fields["side"]) == (upright.height, upright.width)
    expected = np.asarray(upright.resize((32, 32), Pillow.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.abs(stored.fields["pixels"].astype(int) - expected).max() <= 2


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (3, 20, 30), (20, 30, 1), (5, 20, 30)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.int64, np.bool_])
def test_arrays_of_every_layout_and_type_are_read(shape: tuple[int, ...], dtype: type) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    image, fitted, rows = prepare([values, values])
    assert image.channels == (shape[0] if shape[0] in (3, 5) else shape[2] if len(shape) == 3 else 1)
    assert rows.fields["side"].tolist() == [[20, 30], [20, 30]]
    assert all(np.isfinite(part).all() for part in fitted.arrays.values())


def test_tensors_are_read_like_arrays() -> None:
    assert np.array_equal(canvas(torch.from_numpy(COLOUR)), canvas(COLOUR))


def test_a_big_jpeg_keeps_its_true_sides_and_is_read_reduced() -> None:
    photo = Pillow.fromarray(draw(60, 80)).resize((1600, 1200), Pillow.Resampling.BICUBIC)
    stored = FIXED.decode(record(encode(photo, "JPEG", quality=95)))
    assert stored.fields["side"].tolist() == [1200, 1600]
    expected = np.asarray(photo.resize((32, 32), Pillow.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.abs(stored.fields["pixels"].astype(int) - expected).mean() < 3


def test_only_the_first_frame_of_an_animation_is_kept() -> None:
    frames = [Pillow.fromarray(draw(32, 32, 3, seed)) for seed in range(3)]
    stored = FIXED.decode(record(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])))
    assert "first-frame" in stored.findings


def bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"IDAT" + zlib.compress(b"\0" * 64)
    parts = [struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in (chunk, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"these are words, not pixels", "known format"),
        (encode(COLOUR, "JPEG")[:300], "damaged or truncated"),
        (encode(COLOUR, "PNG")[:300], "damaged or truncated"),
        (encode(COLOUR, "PNG")[:20], "damaged or truncated"),
        (encode(COLOUR, "TIFF")[:500], "damaged or truncated"),
        (encode(COLOUR, "GIF")[:100], "damaged or truncated"),
        (encode(COLOUR, "WEBP")[:100], "damaged or truncated"),
        (bomb(60_000, 60_000), "decompression bomb"),
        (bomb(10_000, 10_000), "damaged or truncated"),
        (bomb(50_000, 100), "longer than 64"),
        (np.full((8, 8), np.nan), "64 of the picture's 64 values are NaN"),
        (np.array([[1.0, np.inf], [0, 0]]), "NaN or infinite"),
        (np.full((8, 8), 1e300), "float32"),
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros((5, 5, 0)), "no channels"),
        (np.zeros(5), "must be"),
        (np.zeros((2, 3, 4, 5)), "must be"),
        (np.array([["a"]]), "numbers"),
        ("a/path.png", "bytes of a file or an array"),
        (np.zeros((9, 9, 5), np.uint8), "5 channels"),
        (np.zeros((9, 9, 3)), "floats"),
    ],
)  # fmt: skip
def test_what_cannot_be_decoded_is_refused_with_the_record_and_the_reason(value: object, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as problem:
        FIXED.decode(record(value, "folder/bad.jpg"))
    assert "folder/bad.jpg" in str(problem.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of tags it skips
def test_cut_or_flipped_bytes_never_escape_as_other_errors() -> None:
    random = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP", "PPM"):
        whole = np.frombuffer(encode(COLOUR, kind), np.uint8)
        for _ in range(60):
            broken = whole.copy()
            places = random.integers(0, len(whole), 8)
            broken[places] = random.integers(0, 256, 8)
            try:
                found = canvas(broken[: random.integers(1, len(whole) + 1)].tobytes())
            except DataError:
                continue
            assert found.shape == (3, 32, 32)


def test_the_limit_of_pixels_is_the_users() -> None:
    small = Image(size=32, patch=4, canvas=32, channels=3, depth="uint8", limits=Limits(pixels=1000))
    with pytest.raises(DataError, match="limit of 1,000"):
        small.decode(record(encode(COLOUR)))


def test_recognition_looks_past_bad_records_and_names_one_when_all_are_bad() -> None:
    good, bad = record(encode(COLOUR)), record(b"words", "bad.png")
    assert Image().recognise([bad, good]).channels == 3
    with pytest.raises(DataError, match=r"bad\.png"):
        Image().recognise([bad])
    with pytest.raises(DataError, match="no records"):
        Image().recognise([])


@pytest.mark.parametrize(
    ("sides", "size", "patch", "stored"),
    [((32, 32), 32, 4, 32), ((28, 28), 28, 4, 28), ((192, 256), 64, 8, 80), ((40, 50), 40, 5, 50), ((5, 7), 8, 1, 7)],
)
def test_sides_are_chosen_from_the_data(sides: tuple[int, int], size: int, patch: int, stored: int) -> None:
    image = Image().recognise([record(draw(*sides))])
    assert (image.size, image.patch, image.canvas) == (size, patch, stored)
    assert Image(size=96, canvas=64).recognise([record(draw(*sides))]).canvas == 64
