"""Answers Unary with 314,159 zeros in gzip on a free port, and prints 'port N'."""
from concurrent import futures

import grpc

PAYLOAD = b"\x0a" + bytes([0xAF, 0x96, 0x13]) + bytes(314_159)  # The message Answer of interop.proto.

handler = grpc.unary_unary_rpc_method_handler(lambda request, context: PAYLOAD)
server = grpc.server(futures.ThreadPoolExecutor(), compression=grpc.Compression.Gzip)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("standins.interop.Interop", {"Unary": handler})])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"port {port}", flush=True)
server.wait_for_termination()
