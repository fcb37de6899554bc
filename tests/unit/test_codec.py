import pytest

from components.moments.codec import Reader, Writer


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (2**14, b"\x80\x80\x01")],
)
def test_a_size_has_seven_bits_a_byte_the_lowest_first(value: int, expected: bytes) -> None:
    writer = Writer()
    writer.size(value)
    assert writer.bytes() == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, b"\0\0"), (1, b"\x02\0\x01"), (-1, b"\x03\0\x01"), (-6, b"\x03\x01\x03"), (5 << 200, b"\x02\xc8\x01\x05")],
)
def test_an_integer_is_its_sign_its_trailing_zeros_and_its_odd_part(value: int, expected: bytes) -> None:
    writer = Writer()
    writer.integer(value)
    assert writer.bytes() == expected
    assert Reader(expected).integer() == value


def test_sums_of_small_integers_take_few_bytes() -> None:
    writer = Writer()
    writer.integer(1_000_000 << 2_297)
    assert len(writer.bytes()) <= 6


@pytest.mark.parametrize("read", [Reader.size, Reader.integer, Reader.text, Reader.number])
def test_nothing_can_be_read_from_nothing(read: object) -> None:
    with pytest.raises(ValueError, match="end after 0 bytes"):
        read(Reader(b""))  # type: ignore[operator]


def test_a_text_that_ends_early_is_refused() -> None:
    with pytest.raises(ValueError, match="end after 3 bytes, in the middle"):
        Reader(b"\x05ab").text()


def test_leftover_bytes_are_refused() -> None:
    reader = Reader(b"\x01a\0\0")
    assert reader.text() == b"a"
    with pytest.raises(ValueError, match="2 bytes are left over"):
        reader.finish()


def test_a_number_with_absurdly_many_zeros_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ValueError, match="damaged"):
        Reader(b"\x02" + b"\xff" * 8 + b"\x01" + b"\x01").integer()
