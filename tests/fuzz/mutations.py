"""Inputs of a target by number: the same number gives the same bytes, everywhere and always."""

from __future__ import annotations

import functools
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from tests.fuzz.target import Kind, Target

NUMBERS = [
    0, 1, -1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
    2**63 - 1, 2**63, 2**64, -(2**31), -(2**63) - 1, 10**18, 10**30,
    10**400,
]  # fmt: skip
RAW = {  # texts that no writer of JSON would write, by what stands for them
    "@digits": "7" * 5000,
    "@exponent": "1e999",
    "@deep": "[" * 100_000 + "]" * 100_000,
    "@deep_open": '{"a":' * 5_000,
    "@nan": "NaN",
    "@infinity": "-Infinity",
    "@surrogate": r'"\ud800"',
    "@nul": r'"a\u0000b"',
    "@escape": r'"\u001b[2J\u0007"',
}
RAW_YAML = {
    "@alias": "[&a [x, x, x, x, x, x, x, x], &b [*a, *a, *a, *a, *a, *a, *a, *a], "
    "&c [*b, *b, *b, *b, *b, *b, *b, *b], &d [*c, *c, *c, *c, *c, *c, *c, *c], "
    "&e [*d, *d, *d, *d, *d, *d, *d, *d], [*e, *e, *e, *e, *e, *e, *e, *e]]",
    "@self": "&a [*a]",
    "@python": '!!python/object/apply:os.system ["touch fuzzed"]',
    "@binary": '!!binary "/w=="',
    "@timestamp": "2001-02-30",
    "@sixty": "1" + ":59" * 50,
    "@octal": "0o9",
    "@nan_yaml": ".nan",
    "@merge": "{<<: {a: 1}, b: 2}",
    "@complex": "{? [a, b] : c}",
    "@environment": "${oc.env:HOME}",
    "@reference": '"${models}${models}"',
    "@tag": "!!float x",
    "@bool": "!!bool maybe",
    "@time": "!!timestamp foo",
    "@nothing": '!!int ""',
    "@quoted_sixty": '!!int "1' + ":59" * 20_000 + '"',
    "@real_sixty": "1" + ":59" * 300 + ".5",
    "@hexadecimal": "0x" + "f" * 5000,
    "@letter": r'"\UFFFFFFFF"',
    "@place": '"${oc.env:X_ROOT,' + "a," * 10_000 + '}"',
    "@brackets": '"${oc.env:X_ROOT,' + "[" * 5_000 + '}"',
}
WORDS = [
    "", " ", "../../../../etc/passwd", "/etc/passwd", "~root", "\0", "\x1b[2J", "\u202e", "\ud800",
    "a" * 70_000, "é" * 300, "CON", "-", "--help", "%s%n", "{}", "${oc.env:HOME}", "null", "nan",
    "-inf", "1e999", "0x7fffffffffffffff", "__class__", "'; DROP TABLE trials; --", "http://[",
    "file:///etc/passwd", "9" * 5000, "(" * 3000, "lambda: 0", "range(0, 10**12)", "True", "٣",
]  # fmt: skip
Random = random.Random


def mutant(target: Target, seed: int, index: int) -> bytes:
    """The input of a target with this number."""
    rng = Random(f"{target.name}/{seed}/{index}")
    content = rng.choice(_seeds(target))
    kinds: Sequence[Kind] = ("bytes", *target.kinds, *target.kinds)
    return WAYS[rng.choice(kinds)](content, rng)


@functools.cache
def _seeds(target: Target) -> Sequence[bytes]:
    return target.seeds()


def changed_bytes(content: bytes, rng: Random) -> bytes:
    """Bits flipped, pieces cut, repeated, moved and made up, and numbers of interest."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + rng.choice((1, 4, 64, 1024))]
            case 3:
                data[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
            case 4:
                data[at:at] = data[at : at + 64] * rng.choice((1, 8, 256))
            case 5:
                start = rng.randrange(len(data) + 1)
                data[at:at] = data[start : start + 128]
            case 6:
                size = rng.choice("bhiq")
                width = struct.calcsize(size)
                number = rng.choice(NUMBERS) % (1 << 8 * width)
                data[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
            case _:
                data[at : at + 8] = bytes([rng.choice((0, 255, 10, 128, 34))]) * 8
    return bytes(data)


def changed_text(content: bytes, rng: Random) -> bytes:
    """Words removed, repeated, exchanged, and replaced by nasty ones."""
    words = re.findall(r"\w+|\s+|[^\w\s]", content.decode("utf-8", "replace")) or [""]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, other = rng.randrange(len(words)), rng.randrange(len(words))
        match rng.randrange(5):
            case 0 if len(words) > 1:
                del words[at]
            case 1:
                words[at:at] = words[at : at + 5] * rng.choice((1, 3, 100))
            case 2:
                words[at], words[other] = words[other], words[at]
            case 3:
                words[at] = str(rng.choice(NUMBERS))
            case _:
                words[at] = rng.choice(WORDS)
    return "".join(words).encode("utf-8", "surrogatepass")


def changed_json(content: bytes, rng: Random, raw: dict[str, str] = RAW) -> bytes:
    """A value of a tree replaced, removed, repeated or renamed."""
    return _written(_changed_tree(json.loads(content), rng, raw), rng, raw)


def changed_yaml(content: bytes, rng: Random) -> bytes:
    """As JSON, which is YAML, with what YAML alone has."""
    raw = RAW | RAW_YAML
    return _written(_changed_tree(yaml.safe_load(content), rng, raw), rng, raw)


def _changed_tree(tree: Any, rng: Random, raw: dict[str, str]) -> Any:
    root = [tree]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(root))
        holder, key = rng.choice(places)
        match rng.randrange(6):
            case 0 if holder is not root:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(WORDS)] = holder.pop(key)
            case 2:
                other, there = rng.choice(places)
                holder[key] = json.loads(json.dumps(other[there]))
            case 3 if isinstance(holder, list) and holder is not root:
                holder.extend([holder[key]] * rng.choice((1, 20, 1000)))
            case _:
                holder[key] = _extreme(rng, raw, holder[key])
    return root[0]


def _places(holder: Any) -> Any:
    """Every place in a tree: what holds it, and by which key."""
    for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _extreme(rng: Random, raw: dict[str, str], before: Any) -> Any:
    match rng.randrange(6):
        case 0:
            return rng.choice(WORDS)
        case 1:
            return rng.choice([None, True, False, {}, [], "", [[]], {"": {}}])
        case 2 if isinstance(before, int | float):
            third = before / 3 if abs(before) < 1e300 else before // 3  # no float is so large
            return rng.choice([-before, before + 1, third, str(before), [before], 1e308])
        case 2 | 3:
            return rng.choice(NUMBERS)
        case _:
            return rng.choice(list(raw))


def _written(tree: Any, rng: Random, raw: dict[str, str]) -> bytes:
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    for name, value in raw.items():
        text = text.replace(json.dumps(name), value)
    return text.encode("utf-8", "surrogatepass")


def changed_zip(content: bytes, rng: Random) -> bytes:
    """The archive written anew, with right checksums, around a member that is changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = rng.randrange(len(members))
    name, inside = members[at]
    match rng.randrange(8):
        case 0:
            del members[at]
        case 1:
            members.append((name, changed_bytes(inside, rng)))
        case 2:
            members[at] = (rng.choice(("../fuzzed", "/tmp/fuzzed", "a/" * 500, "x\\y")), inside)
        case 3:
            members[at] = (name, bytes(1 << 24))
        case _:
            members[at] = (name, changed_bytes(inside, rng))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((0, 8))) as archive:
        for member, inside in members:
            entry = zipfile.ZipInfo(member)  # a date of its own, not of today
            entry.compress_type = archive.compression
            archive.writestr(entry, inside)
    return buffer.getvalue()


def changed_safetensors(content: bytes, rng: Random) -> bytes:
    """A header that lies, of the length it says it has."""
    (length,) = struct.unpack("<Q", content[:8])
    header = changed_json(content[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def changed_png(content: bytes, rng: Random) -> bytes:
    """Chunks changed, removed, repeated and moved, with right checksums; pixels as they unpack."""
    chunks, place = [], 8
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    whole = list(chunks)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(chunks))
        kind, inside = chunks[at]
        match rng.randrange(6):
            case 0 if len(chunks) > 1:
                del chunks[at]
            case 1:
                chunks[at:at] = [chunks[rng.randrange(len(chunks))]] * rng.choice((1, 2, 500))
            case 2:
                chunks[at] = (rng.choice((b"tRNS", b"zTXt", b"iCCP", b"acTL", b"PLTE")), inside)
            case 3 if kind == b"IDAT" and chunks[at] in whole:
                chunks[at] = (kind, zlib.compress(changed_bytes(zlib.decompress(inside), rng)))
            case _:
                chunks[at] = (kind, changed_bytes(inside, rng))
    return content[:8] + b"".join(png_chunk(kind, inside) for kind, inside in chunks)


def png_chunk(kind: bytes, inside: bytes) -> bytes:
    """A chunk of a PNG with its length and checksum."""
    return (
        struct.pack(">I", len(inside))
        + kind
        + inside
        + struct.pack(">I", zlib.crc32(kind + inside))
    )


WAYS: dict[Kind, Callable[[bytes, Random], bytes]] = {
    "bytes": changed_bytes,
    "text": changed_text,
    "json": changed_json,
    "yaml": changed_yaml,
    "zip": changed_zip,
    "png": changed_png,
    "safetensors": changed_safetensors,
}
