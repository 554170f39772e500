// Serves the interop service on a free port and prints 'port N'.
// Prints 'cancelled NAME' for a conversation that its client gave up, after the client's header x-test-name.
import grpc from '@grpc/grpc-js';
import { Interop } from './interop.mjs';

const answer = size => ({ payload: Buffer.alloc(size, 7) });
const failed = ask => ask.status !== 0 && { code: ask.status, details: ask.statusMessage };

function echo(call) {
  const headers = new grpc.Metadata();
  call.metadata.get('x-grpc-test-echo-initial').forEach(value => headers.add('x-grpc-test-echo-initial', value));
  call.sendMetadata(headers);
  const trailers = new grpc.Metadata();
  call.metadata.get('x-grpc-test-echo-trailing-bin').forEach(value => trailers.add('x-grpc-test-echo-trailing-bin', value));
  return trailers;
}

const service = {
  empty: (call, done) => done(null, {}),

  unary(call, done) {
    const trailers = echo(call);
    const failure = failed(call.request);
    done(failure ? { ...failure, metadata: trailers } : null, answer(call.request.answerBytes[0] ?? 0), trailers);
  },

  stream(call) {
    const trailers = echo(call);
    call.request.answerBytes.forEach(size => call.write(answer(size)));
    const failure = failed(call.request);
    if (failure) call.emit('error', failure);
    else call.end(trailers);
  },

  collect(call, done) {
    let receivedBytes = 0;
    call.on('data', ask => {
      const failure = failed(ask);
      if (failure) done(failure);
      receivedBytes += ask.payload.length;
    });
    call.on('end', () => done(null, { receivedBytes }));
  },

  converse(call) {
    const trailers = echo(call);
    call.on('cancelled', () => console.log('cancelled', ...call.metadata.get('x-test-name')));
    call.on('data', ask => {
      const failure = failed(ask);
      if (failure) call.emit('error', failure);
      else ask.answerBytes.forEach(size => call.write(answer(size)));
    });
    call.on('end', () => call.end(trailers));
  },
};

const server = new grpc.Server();
server.addService(Interop.service, service);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`port ${port}`);
});
