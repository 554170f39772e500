// Delivers a batch as daprd does, with one traceparent and one grpc-trace-bin header field for each event: bulk-delivery.mjs PORT EVENTS.
// Takes the TopicEventBulkRequest in base64 from standard input; writes the :status, the grpc-status and the message of the answer in base64.
import http2 from 'node:http2';
import { randomBytes } from 'node:crypto';

const [port, events] = process.argv.slice(2).map(Number);
let input = '';
for await (const chunk of process.stdin) input += chunk;
const message = Buffer.from(input, 'base64');
const frame = Buffer.concat([Buffer.from([0]), Buffer.alloc(4), message]);
frame.writeUInt32BE(message.length, 1);

const each = make => Array.from({ length: events }, make);
const session = http2.connect(`http://127.0.0.1:${port}`);
const call = session.request({
  ':method': 'POST',
  ':path': '/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent',
  'content-type': 'application/grpc',
  te: 'trailers',
  traceparent: each(() => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`),
  'grpc-trace-bin': each(() => randomBytes(29).toString('base64')),
});
let status, code = '';
call.on('response', headers => { status = headers[':status']; code = headers['grpc-status'] ?? ''; });
call.on('trailers', trailers => { code = trailers['grpc-status'] ?? code; });
call.end(frame);
const chunks = [];
for await (const chunk of call) chunks.push(chunk);
session.close();
console.log(`${status} ${code} ${Buffer.concat(chunks).subarray(5).toString('base64')}`);
