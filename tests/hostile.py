"""Names of files that terminals, text files and figures stumble over."""

PIECES = (
    "人脸".encode("gbk"),
    "café".encode("latin-1"),
    "脸é".encode(),
    b"\xff\x80",
    b"\x1b[31m",
    b"\x07\r\n\t",
    b"[bold]",
    b"[x=1]",
    b"[red",
    "\u202egnp".encode(),
    "\u200b\u2028".encode(),
    b"a$b$",
    b"$\\frac",
    b"\"',;",
    b" ",
    b"%s{0}",
    b"<b>&",
    b"-",
)


def hostile_names(rng, count):
    """Random names of image files, as the bytes they are on disk."""
    return [
        b"".join(rng.choice(PIECES, rng.integers(1, 5)).tolist()) + b"_%d.png" % i
        for i in range(count)
    ]
