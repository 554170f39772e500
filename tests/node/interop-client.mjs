// Plays one case against a server: interop-client.mjs ADDRESS CASE. Exit code 0: it went as it should.
import grpc from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Absent, Interop } from './interop.mjs';

const [address, name] = process.argv.slice(2);
const gzip = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
const open = (Service, options) => new Service(address, grpc.credentials.createInsecure(), options);
const client = open(Interop);
const sizes = [31_415, 9, 2_653, 58_979];
const blob = size => Buffer.alloc(size, 7);

/** The outcome of a call with one answer: the answer, or the error, with all that came along. */
function answered(start) {
  return new Promise(resolve => {
    const came = {};
    const call = start((error, answer) => Object.assign(came, { error, answer }));
    call.on('metadata', headers => { came.headers = headers; });
    call.on('status', status => { resolve({ ...came, status }); });
  });
}

/** The outcome of a call with a stream of answers. */
function heard(call) {
  return new Promise(resolve => {
    const answers = [];
    let headers;
    call.on('metadata', received => { headers = received; });
    call.on('data', answer => answers.push(answer));
    call.on('error', () => {}); // The status says it too.
    call.on('status', status => resolve({ answers, headers, status }));
  });
}

const lengths = answers => answers.map(answer => answer.payload.length);

function echoed() {
  const metadata = new grpc.Metadata();
  metadata.set('x-grpc-test-echo-initial', 'test_initial_metadata_value');
  metadata.set('x-grpc-test-echo-trailing-bin', Buffer.from([0xab, 0xab, 0xab, 0x00, 0xff]));
  return metadata;
}

function assertEchoed({ headers, status }) {
  assert.deepEqual(headers.get('x-grpc-test-echo-initial'), ['test_initial_metadata_value']);
  assert.deepEqual(status.metadata.get('x-grpc-test-echo-trailing-bin'), [Buffer.from([0xab, 0xab, 0xab, 0x00, 0xff])]);
}

const special = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

const cases = {
  async empty_unary() {
    const { answer, status } = await answered(done => client.empty({}, done));
    assert.deepEqual({ ...answer }, {});
    assert.equal(status.code, grpc.status.OK);
  },

  async large_unary() {
    const { answer } = await answered(done => client.unary({ payload: blob(271_828), answerBytes: [314_159] }, done));
    assert.equal(answer.payload.length, 314_159);
  },

  async client_streaming() {
    const { answer } = await answered(done => {
      const call = client.collect(done);
      sizes.forEach(size => call.write({ payload: blob(size) }));
      call.end();
      return call;
    });
    assert.equal(answer.receivedBytes, sizes.reduce((sum, size) => sum + size));
  },

  async server_streaming() {
    const { answers, status } = await heard(client.stream({ answerBytes: sizes }));
    assert.deepEqual(lengths(answers), sizes);
    assert.equal(status.code, grpc.status.OK);
  },

  async ping_pong() {
    const call = client.converse();
    const outcome = heard(call);
    for (const size of sizes) {
      call.write({ payload: blob(size), answerBytes: [size] });
      await once(call, 'data');
    }
    call.end();
    assert.deepEqual(lengths((await outcome).answers), sizes);
  },

  async empty_stream() {
    const call = client.converse();
    call.end();
    const { answers, status } = await heard(call);
    assert.deepEqual([answers.length, status.code], [0, grpc.status.OK]);
  },

  async cancel_after_begin() {
    const { status } = await answered(done => {
      const call = client.collect(done);
      call.cancel();
      return call;
    });
    assert.equal(status.code, grpc.status.CANCELLED);
  },

  async cancel_after_first_response() {
    const call = client.converse();
    const outcome = heard(call);
    call.write({ answerBytes: [31_415] });
    await once(call, 'data');
    call.cancel();
    const { answers, status } = await outcome;
    assert.deepEqual([lengths(answers), status.code], [[31_415], grpc.status.CANCELLED]);
  },

  async cancel_a_method_that_waits() {
    const { status } = await answered(done => {
      const call = client.empty({}, done);
      call.on('metadata', () => call.cancel());
      return call;
    });
    assert.equal(status.code, grpc.status.CANCELLED);
  },

  async timeout_on_sleeping_server() {
    // Connected before the clock runs, so that the call reaches the server.
    await promisify(client.waitForReady.bind(client))(Date.now() + 30_000);
    const { status } = await answered(done => client.empty({}, { deadline: Date.now() + 500 }, done));
    assert.equal(status.code, grpc.status.DEADLINE_EXCEEDED);
  },

  async status_code_and_message() {
    const ask = { status: grpc.status.UNKNOWN, statusMessage: 'test status message' };
    const unary = await answered(done => client.unary(ask, done));
    const call = client.converse();
    call.end(ask);
    const duplex = await heard(call);
    for (const { status } of [unary, duplex]) {
      assert.deepEqual([status.code, status.details], [grpc.status.UNKNOWN, 'test status message']);
    }
  },

  async special_status_message() {
    const { status } = await answered(done => client.unary({ status: grpc.status.UNKNOWN, statusMessage: special }, done));
    assert.deepEqual([status.code, status.details], [grpc.status.UNKNOWN, special]);
  },

  async unimplemented_method() {
    const { status } = await answered(done => client.unimplemented({}, done));
    assert.equal(status.code, grpc.status.UNIMPLEMENTED);
  },

  async unimplemented_service() {
    const { status } = await answered(done => open(Absent).call({}, done));
    assert.equal(status.code, grpc.status.UNIMPLEMENTED);
  },

  async custom_metadata() {
    assertEchoed(await answered(done => client.unary({ answerBytes: [1] }, echoed(), done)));
    const call = client.converse(echoed());
    call.end({ answerBytes: [1] });
    assertEchoed(await heard(call));
  },

  async compressed_unary() {
    const { answer } = await answered(done => open(Interop, gzip).unary({ payload: blob(271_828), answerBytes: [314_159] }, done));
    assert.equal(answer.payload.length, 314_159);
  },

  async compressed_client_streaming() {
    const { answer } = await answered(done => {
      const call = open(Interop, gzip).collect(done);
      call.write({ payload: blob(27_182) });
      call.end({ payload: blob(45_904) });
      return call;
    });
    assert.equal(answer.receivedBytes, 73_086);
  },

  async message_over_the_limit() {
    const { status } = await answered(done => client.unary({ payload: blob(5 * 1024 * 1024) }, done));
    assert.equal(status.code, grpc.status.RESOURCE_EXHAUSTED);
  },
};

await cases[name]();
process.exit(0); // Channels stay open otherwise.
