"""Plays one case against a server: interop_client.py ADDRESS CASE. Exit code 0: it went as it should."""
import queue
import sys

import grpc


def varint(number):
    head, rest = number & 0x7F, number >> 7
    return bytes([head | 0x80]) + varint(rest) if rest else bytes([head])


def text(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def ask(payload=b"", answer_bytes=(), status=0, message=""):
    """The message Ask of interop.proto."""
    sizes = b"".join(map(varint, answer_bytes))
    return text(1, payload) + text(2, sizes) + varint(3 << 3) + varint(status) + text(4, message.encode())


def answer(size):
    """The message Answer with a payload of zeros."""
    return text(1, bytes(size)) if size else b""


SIZES = [31_415, 9, 2_653, 58_979]
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
ECHOED = (
    ("x-grpc-test-echo-initial", "test_initial_metadata_value"),
    ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab\x00\xff"),
)

address, case = sys.argv[1:]
channel = grpc.insecure_channel(address)


def path(method):
    return f"/standins.interop.Interop/{method}"


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("The call did not fail.")


def empty_unary():
    assert channel.unary_unary(path("Empty"))(b"") == b""


def large_unary():
    assert channel.unary_unary(path("Unary"))(ask(bytes(271_828), [314_159])) == answer(314_159)


def client_streaming():
    asked = iter([ask(bytes(size)) for size in SIZES])
    assert channel.stream_unary(path("Collect"))(asked) == varint(2 << 3) + varint(sum(SIZES))


def server_streaming():
    assert list(channel.unary_stream(path("Stream"))(ask(answer_bytes=SIZES))) == [answer(size) for size in SIZES]


def ping_pong():
    asks = queue.SimpleQueue()
    call = channel.stream_stream(path("Converse"))(iter(asks.get, None))
    for size in SIZES:
        asks.put(ask(bytes(size), [size]))
        assert next(call) == answer(size)
    asks.put(None)
    assert list(call) == []


def empty_stream():
    assert list(channel.stream_stream(path("Converse"))(iter([]))) == []


def cancel_after_first_response():
    asks = queue.SimpleQueue()
    call = channel.stream_stream(path("Converse"))(iter(asks.get, None))
    asks.put(ask(answer_bytes=[31_415]))
    assert next(call) == answer(31_415)
    call.cancel()
    asks.put(None)
    assert call.code() == grpc.StatusCode.CANCELLED


def timeout_on_sleeping_server():
    grpc.channel_ready_future(channel).result()  # Connected before the clock runs, so that the call reaches the server.
    error = failure(lambda: channel.unary_unary(path("Empty"))(b"", timeout=0.5))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def special_status_message():
    error = failure(lambda: channel.unary_unary(path("Unary"))(ask(status=2, message=SPECIAL)))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, SPECIAL)


def unimplemented():
    for method in path("Unimplemented"), "/standins.interop.Absent/Call":
        assert failure(lambda: channel.unary_unary(method)(b"")).code() == grpc.StatusCode.UNIMPLEMENTED


def custom_metadata():
    _, call = channel.unary_unary(path("Unary")).with_call(ask(answer_bytes=[1]), metadata=ECHOED)
    assert ECHOED[0] in tuple(call.initial_metadata())
    assert ECHOED[1] in tuple(call.trailing_metadata())


def compressed_unary():
    unary = channel.unary_unary(path("Unary"))
    assert unary(ask(bytes(271_828), [314_159]), compression=grpc.Compression.Gzip) == answer(314_159)


def unknown_encoding():
    unary = channel.unary_unary(path("Unary"))
    error = failure(lambda: unary(ask(bytes(271_828), [1]), compression=grpc.Compression.Deflate))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


globals()[case]()
