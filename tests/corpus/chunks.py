"""Transfer codings, and bodies in chunks (RFC 9112, sections 6.1 and 7.1)."""

from tests.corpus.building import ACCEPTED, NOTHING, REFUSED, Cases, chunked, get, post, request

_END = b"0\r\n\r\n"
_BODY = b"5\r\n12345\r\n" + _END
_NOT_IMPLEMENTED = "501"


def coded(*codings: bytes, body: bytes = _BODY) -> bytes:
    """A request with these Transfer-Encoding lines."""
    return post(*(b"Transfer-Encoding:" + coding for coding in codings), body=body)


CASES: Cases = {
    # --- The coding
    "chunks": (chunked(_BODY), ACCEPTED),
    "no chunk but the last": (chunked(_END), ACCEPTED),
    "chunks of GET": (get(b"Transfer-Encoding: chunked") + _BODY, ACCEPTED),
    "chunks of HEAD": (request(b"HEAD / HTTP/1.1", b"Transfer-Encoding: chunked", body=_BODY), ACCEPTED),
    "chunks of HTTP/1.0": (request(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked", body=_BODY), REFUSED),
    "chunks of HTTP/1.0 that is kept": (
        request(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked", b"Connection: keep-alive", body=_BODY),
        REFUSED,
    ),
    "the coding in capitals": (coded(b" CHUNKED"), ACCEPTED),
    "the coding without a blank": (coded(b"chunked"), ACCEPTED),
    "the coding between tabs": (coded(b"\tchunked\t"), ACCEPTED),
    "the coding twice": (coded(b" chunked", b" chunked"), REFUSED),
    "the coding twice in a list": (coded(b" chunked, chunked"), REFUSED),
    "the coding behind another": (coded(b" gzip, chunked"), _NOT_IMPLEMENTED),
    "the coding behind another, in two lines": (coded(b" gzip", b" chunked"), _NOT_IMPLEMENTED),
    "the coding before another": (coded(b" chunked, gzip"), REFUSED),
    "another coding alone": (coded(b" gzip"), REFUSED),
    "the coding behind identity": (coded(b" identity, chunked"), _NOT_IMPLEMENTED),
    "the coding before identity": (coded(b" chunked", b" identity"), REFUSED),
    "identity": (coded(b" identity"), REFUSED),
    "identity and a length": (
        post(b"Transfer-Encoding: identity", b"Content-Length: 5", body=b"12345"),
        REFUSED,
    ),
    "an empty coding": (coded(b""), _NOT_IMPLEMENTED),
    "an empty member of the list": (coded(b" ,chunked"), _NOT_IMPLEMENTED),
    "a coding that nobody knows": (coded(b" xchunked"), _NOT_IMPLEMENTED),
    "the coding with a parameter": (coded(b" chunked;q=1"), _NOT_IMPLEMENTED),
    "the coding in quotes": (coded(b' "chunked"'), _NOT_IMPLEMENTED),
    "the coding behind a vertical tab": (coded(b" \x0bchunked"), REFUSED),
    "the coding behind a NUL": (coded(b" \0chunked"), REFUSED),
    "the coding with a blank in it": (coded(b" chu nked"), _NOT_IMPLEMENTED),
    "the coding with a letter above ASCII": (coded(b" chun\xe5ked"), _NOT_IMPLEMENTED),
    "the coding with a Kelvin sign's byte": (coded(b" chun\xe2\x84\xaaed"), _NOT_IMPLEMENTED),
    # --- Sizes
    "a size in capitals": (chunked(b"A\r\n0123456789\r\n" + _END), ACCEPTED),
    "a size in small letters": (chunked(b"a\r\n0123456789\r\n" + _END), ACCEPTED),
    "a size with leading zeros": (chunked(b"005\r\n12345\r\n" + _END), ACCEPTED),
    "a last chunk of many zeros": (chunked(b"5\r\n12345\r\n00000\r\n\r\n"), ACCEPTED),
    "many chunks": (chunked(b"2\r\nab\r\n" * 200 + _END), ACCEPTED),
    "a chunk that looks like a last one": (chunked(b"5\r\n0\r\n\r\n\r\n" + _END), ACCEPTED),
    "a chunk of 50 kB": (chunked(b"c350\r\n" + b"x" * 50_000 + b"\r\n" + _END), ACCEPTED),
    "a size with 0x": (chunked(b"0x5\r\n12345\r\n" + _END), REFUSED),
    "a size with an underscore": (chunked(b"1_0\r\n" + b"x" * 16 + b"\r\n" + _END), REFUSED),
    "a size with a plus": (chunked(b"+5\r\n12345\r\n" + _END), REFUSED),
    "a size with a minus": (chunked(b"-5\r\n12345\r\n" + _END), REFUSED),
    "a size behind a blank": (chunked(b" 5\r\n12345\r\n" + _END), REFUSED),
    "a size behind a tab": (chunked(b"\t5\r\n12345\r\n" + _END), REFUSED),
    "a size before a blank": (chunked(b"5 \r\n12345\r\n" + _END), REFUSED),
    "a size before a vertical tab": (chunked(b"5\x0b\r\n12345\r\n" + _END), REFUSED),
    "a size with a blank in it": (chunked(b"1 0\r\n" + b"x" * 16 + b"\r\n" + _END), REFUSED),
    "a size with a NUL": (chunked(b"5\0\r\n12345\r\n" + _END), REFUSED),
    "an empty size": (chunked(b"\r\n12345\r\n" + _END), REFUSED),
    "a size that is none": (chunked(b"g\r\n12345\r\n" + _END), REFUSED),
    "a size of 2^32 and 5": (chunked(b"100000005\r\n12345\r\n" + _END), "413"),
    "a size of 2^63": (chunked(b"8000000000000000\r\n12345\r\n" + _END), "413"),
    "a size of 2^64 and 5": (chunked(b"10000000000000005\r\n12345\r\n" + _END), REFUSED),
    "a size of 100 digits": (chunked(b"f" * 100 + b"\r\n12345\r\n" + _END), REFUSED),
    "a size of 100 digits, most of them zeros": (chunked(b"0" * 99 + b"5\r\n12345\r\n" + _END), REFUSED),
    "a size that is too small": (chunked(b"4\r\n12345\r\n" + _END), REFUSED),
    "a size that is too large": (chunked(b"6\r\n12345\r\n" + _END), REFUSED),
    # --- Line ends
    "a bare LF behind the size": (chunked(b"5\n12345\r\n" + _END), REFUSED),
    "a bare CR behind the size": (chunked(b"5\r12345\r\n" + _END), REFUSED),
    "a bare LF behind the chunk": (chunked(b"5\r\n12345\n" + _END), REFUSED),
    "a bare CR behind the chunk": (chunked(b"5\r\n12345\r" + _END), REFUSED),
    "no line end behind the chunk": (chunked(b"5\r\n12345" + _END), REFUSED),
    "two line ends behind the chunk": (chunked(b"5\r\n12345\r\n\r\n" + _END), REFUSED),
    "a bare LF at the end": (chunked(b"0\r\n\n"), REFUSED),
    "bare LF throughout": (chunked(b"5\n12345\n0\n\n"), REFUSED),
    "two CR behind the size": (chunked(b"5\r\r\n12345\r\n" + _END), REFUSED),
    # --- Extensions
    "an extension": (chunked(b"5;a=b\r\n12345\r\n" + _END), ACCEPTED),
    "an extension without a value": (chunked(b"5;a\r\n12345\r\n" + _END), ACCEPTED),
    "an extension in quotes": (chunked(b'5;a="b;c"\r\n12345\r\n' + _END), ACCEPTED),
    "an extension behind a blank": (chunked(b"5 ; a = b\r\n12345\r\n" + _END), ACCEPTED),
    "an extension of the last chunk": (chunked(b"5\r\n12345\r\n0;a=b\r\n\r\n"), ACCEPTED),
    "an empty extension": (chunked(b"5;\r\n12345\r\n" + _END), REFUSED),
    "an extension with a bare LF": (chunked(b"5;a\nb\r\n12345\r\n" + _END), REFUSED),
    "an extension with a bare CR": (chunked(b"5;a\rb\r\n12345\r\n" + _END), REFUSED),
    "an extension with a NUL": (chunked(b"5;a\0\r\n12345\r\n" + _END), REFUSED),
    "an extension with a line end in quotes": (chunked(b'5;a="\r\n12345\r\n' + _END), REFUSED),
    "an extension of 3000 bytes": (chunked(b"5;a=" + b"b" * 3000 + b"\r\n12345\r\n" + _END), REFUSED),
    # --- Trailers
    "a trailer": (chunked(b"5\r\n12345\r\n0\r\nA: b\r\n\r\n"), ACCEPTED),
    "a trailer that is announced": (chunked(b"5\r\n12345\r\n0\r\nA: b\r\n\r\n", b"Trailer: A"), ACCEPTED),
    "a trailer named Content-Length": (chunked(b"0\r\nContent-Length: 5\r\n\r\n"), REFUSED),
    "a trailer named Transfer-Encoding": (chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), REFUSED),
    "a trailer named Host": (chunked(b"0\r\nHost: y\r\n\r\n"), REFUSED),
    "a trailer that is folded": (chunked(b"0\r\nA: b\r\n c\r\n\r\n"), REFUSED),
    "a trailer without a colon": (chunked(b"0\r\nA\r\n\r\n"), REFUSED),
    "a trailer with a blank before its colon": (chunked(b"0\r\nA : b\r\n\r\n"), REFUSED),
    "a trailer with a bare LF": (chunked(b"0\r\nA: b\nC: d\r\n\r\n"), REFUSED),
    "a trailer with a NUL": (chunked(b"0\r\nA: \0\r\n\r\n"), REFUSED),
    "a trailer of 40000 bytes": (chunked(b"0\r\nA: " + b"b" * 40_000 + b"\r\n\r\n"), REFUSED),
    # --- What does not come, or comes too
    "chunks that are cut short": (chunked(b"ff\r\n12345"), NOTHING),
    "chunks without a last one": (chunked(b"5\r\n12345\r\n"), REFUSED),
    "chunks that are cut in the size": (chunked(b"5\r\n12345\r\n1"), REFUSED),
    "no empty line at the end": (chunked(b"5\r\n12345\r\n0\r\n"), REFUSED),
    "garbage behind the chunks": (chunked(_BODY + b" "), "200 400"),
    "an empty line behind the chunks": (chunked(_BODY + b"\r\n"), ACCEPTED),
    "chunks that are sent without saying so": (post(body=_BODY), "200 400"),
    "chunks behind a length of none": (post(b"Content-Length: 0", body=_BODY), "200 400"),
}
