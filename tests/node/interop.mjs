// The interop service as grpc-js knows it, for the client and the server that our tests start.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

const proto = fileURLToPath(new URL('../StandIns.Tests/Grpc/interop.proto', import.meta.url));

export const { Interop, Absent } = grpc.loadPackageDefinition(loader.loadSync(proto, { defaults: true })).standins.interop;
