// Plays one case with Dapr's own SDK against a sidecar: dapr-client.mjs GRPC|HTTP HOST PORT CASE. Exit code 0: it went as it should.
// The sidecar has the state store 'store' and the broker 'pubsub', and its app is named 'app'.
import { CommunicationProtocolEnum, DaprClient } from '@dapr/dapr';
import assert from 'node:assert/strict';

const [protocol, host, port, name] = process.argv.slice(2);
const client = new DaprClient({ daprHost: host, daprPort: port, communicationProtocol: CommunicationProtocolEnum[protocol] });
const store = 'store';

const cases = {
  async save_get_delete() {
    await client.state.save(store, [{ key: 'tea', value: 'green' }, { key: 'cup', value: { size: 3 } }]);
    assert.equal(await client.state.get(store, 'tea'), 'green');
    assert.deepEqual(await client.state.get(store, 'cup'), { size: 3 });
    await client.state.delete(store, 'tea');
    assert.equal(await client.state.get(store, 'tea'), '');
  },

  async bulk_get() {
    await client.state.delete(store, 'two');
    await client.state.save(store, [{ key: 'one', value: 'a' }, { key: 'two', value: 'b' }]);
    const items = await client.state.getBulk(store, ['two', 'one', 'none']);
    assert.deepEqual(items.map(item => [item.key, item.data || undefined]), [['two', 'b'], ['one', 'a'], ['none', undefined]]);
    assert.equal(items[0].etag, '1');
  },

  async etag() {
    await client.state.save(store, [{ key: 'marked', value: 'a' }]);
    const [{ etag }] = await client.state.getBulk(store, ['marked']);
    await client.state.save(store, [{ key: 'marked', value: 'b', etag }]);
    const stale = await client.state.save(store, [{ key: 'marked', value: 'c', etag }]).catch(error => ({ error }));
    assert.match(String(stale.error), /possible etag mismatch/);
    assert.equal(await client.state.get(store, 'marked'), 'b');
  },

  async publish() {
    assert.equal((await client.pubsub.publish('pubsub', 'plain', { cups: 2 })).error, undefined);
  },

  async publish_bulk() {
    const { failedMessages } = await client.pubsub.publishBulk('pubsub', 'plain', [{ cups: 1 }, { cups: 2 }, { cups: 3 }]);
    assert.deepEqual(failedMessages, []);
  },

  async publish_bulk_with_an_id_twice() {
    const entry = { entryID: 'same', event: { cups: 1 }, contentType: 'application/json' };
    const { failedMessages } = await client.pubsub.publishBulk('pubsub', 'plain', [entry, entry]);
    assert.equal(failedMessages.length, 2);
  },

  async metadata() {
    assert.equal((await client.metadata.get()).id, 'app');
    assert.equal(await client.health.isHealthy(), true);
  },
};

await cases[name]();
process.exit(0); // The client keeps its connections open otherwise.
