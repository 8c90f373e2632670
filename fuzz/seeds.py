#!/usr/bin/env python3
"""Writes seeds/ from the conversations of the tests: a few requests of each kind, small, in the form that each target reads."""
import pathlib, re

here = pathlib.Path(__file__).parent
texts = {path.stem: path.read_text() for path in sorted((here / "../tests/conversations").glob("*.txt"))}
HASH = "%ae%a0%10%6a%82%f5%a8%8e%d9%22%a6%3d%c3%ab%60%e1%a6%e4%65%c0"


def unescaped(text):
    """The bytes of a line of a conversation, with names and escapes filled in."""
    text = re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * min(int(m[2]), 40), text)
    text = text.replace("{peer}", "-TR2940-abcdefghijkl").replace("{ip}", "127.0.0.1").replace("{tcp}", "80")
    text = re.sub(r"\{[A-HU1-9]\}", HASH, text)
    text = re.sub(r"\{[^}]*\}", "x", text)
    return text.encode("latin-1", "replace").decode("unicode_escape", "replace").encode("latin-1", "replace")


def seeds(target, inputs, most=24, size=400):
    """Writes at most so many different inputs, each of at most so many bytes."""
    folder = here / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    unique = list(dict.fromkeys(data for data in inputs if 0 < len(data) <= size))
    step = max(1, len(unique) // most)
    for number, data in enumerate(unique[::step][:most]):
        (folder / f"{number:02}").write_bytes(data)


targets = [unescaped(m[1]) for text in texts.values() for m in re.finditer(r"^get (?:\[[^]]*\] )?/(\S+)$", text, re.M)]
heads = [unescaped("".join(re.findall(r"^> ?(.*)$", m[0], re.M))) for text in texts.values()
         for m in re.finditer(r"^http.*\n(?:[>+].*\n)+", text, re.M)]
lines = [unescaped(m[1]) for text in texts.values() for m in re.finditer(r"^\| (.*)$", text, re.M)]
settings = [line for line in lines if re.match(rb"\s*(tracker|listen|access|livesync)\.", line)]

announce = bytes(20) + b"-TR2940-abcdefghijkl" + bytes(8) + bytes(7) + b"\1" + bytes(8)
datagrams = [b"\0\0\0\1mine" + b"\xae" * 20 + announce[20:] + bytes([0, 0, 0, event]) + bytes(8) + b"\0\0\0\x32" + b"\x1a\xe1"
             for event in range(4)] + [b"\0\0\0\2mine" + b"\xae" * 20 * count for count in (0, 1, 3)]
records = [b"\xae" * 20 + bytes([10, 0, 0, n]) + b"\x1a\xe1" + bytes([flags, 0]) for n, flags in ((1, 0), (2, 0x80), (3, 0xc0), (1, 0x20))]

seeds("query", [b"x?" + target.split(b"?", 1)[1] for target in targets if b"?" in target])
seeds("http_head", [b"\x20" + head for head in heads] + [b"\x05GET /" + target + b" HTTP/1.1\r\n\r\n" for target in targets[::8]])
requests = [bytes([n % 8, n % 5]) + target + b" HTTP/1.1\0" for n, target in enumerate(targets) if len(target) < 150]
seeds("http", [b"".join(requests[n:n + 3]) for n in range(len(requests))])
seeds("live", [b"\x08\x00" + bytes([len(target)]) + target + b"\x0c\x10" for target in targets if len(target) < 200])
seeds("udp", [bytes([step, 4, len(data)]) + data for step in (0, 5) for data in datagrams])
seeds("sync_packet", [b"\0\x28" + records[n] * 2 + b"\6\x28" + records[3 - n] * 2 for n in range(4)])
seeds("config", [b"\n".join(settings[n:n + 4]) for n in range(0, len(settings), 4)], size=600)
hashes = [b"aea0106a82f5a88ed922a63dc3ab60e1a6e465c0", b"9f5ed997956395cded6184b261b87a09666fcc19"]
seeds("access_list", [hashes[0] + b"\n" + hashes[1] + end for end in (b"", b"\n", b"0\n", b" name\r\n", b"\n\xef\xbb\xbf")])
seeds("state_file", [hashes[0] + b":28333333:7\n" + hashes[1] + b":28333300:0\n", b"x\n" + hashes[0] + b":99999999:1"])
seeds("state", [bytes([choice]) + bytes((n * 37 + choice) % 251 for n in range(60)) for choice in (0, 90, 200)])
