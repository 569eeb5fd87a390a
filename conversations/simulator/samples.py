"""A picture and a voice note for customers who have none at hand, made on the spot."""

import struct
import zlib


def sample_png(width: int = 240, height: int = 160) -> bytes:
    """A small landscape of two colours."""
    rows = b"".join(b"\x00" + (b"\x9b\xd1\xe8" if y < height * 0.6 else b"\x6f\xa8\x5b") * width for y in range(height))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def sample_voice_note(seconds: float = 2) -> bytes:
    """Silence as Ogg Opus, the format of WhatsApp's voice notes (RFC 7845)."""
    head = b"OpusHead" + struct.pack("<BBHIHB", 1, 1, 312, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 6) + b"pyloto" + struct.pack("<I", 0)
    silence = b"\xf8\xff\xfe"  # 20 ms
    packets = int(seconds * 50)
    pages = [_ogg_page([head], 0, 0, first=True), _ogg_page([tags], 1, 0)]
    for number, start in enumerate(range(0, packets, 50), start=2):
        count = min(50, packets - start)
        pages.append(_ogg_page([silence] * count, number, (start + count) * 960, last=start + count >= packets))
    return b"".join(pages)


def _ogg_page(packets: list[bytes], number: int, granule: int, *, first: bool = False, last: bool = False) -> bytes:
    flags = (2 if first else 0) | (4 if last else 0)
    lacing = bytes(len(packet) for packet in packets)  # every packet here is shorter than 255 bytes
    head = b"OggS" + struct.pack("<BBqIIIB", 0, flags, granule, 0x50594C4F, number, 0, len(lacing)) + lacing
    page = head + b"".join(packets)
    return page[:22] + struct.pack("<I", _ogg_crc(page)) + page[26:]


def _ogg_crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
