// Plays one case with grpc-js against a running shop: shop-client.mjs ORDERS_PORT STOCK_PORT PAYMENTS_PORT CASE. Exit code 0: it went as it should.
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

const [ordersPort, stockPort, paymentsPort, name] = process.argv.slice(2);
const protos = fileURLToPath(new URL('../../protos', import.meta.url));
const { shop } = grpc.loadPackageDefinition(loader.loadSync(['orders', 'stock', 'payments'].map(file => `shop/v1/${file}.proto`), { includeDirs: [protos], defaults: true, enums: String }));
const open = (Client, port, options) => new Client(`localhost:${port}`, grpc.credentials.createInsecure(), options);
const orders = open(shop.v1.OrderService, ordersPort);
const stock = open(shop.v1.StockService, stockPort);
const payments = open(shop.v1.PaymentService, paymentsPort);

const call = (client, method, request, options = {}) =>
  new Promise((resolve, reject) => client[method](request, new grpc.Metadata(), options, (fault, answer) => (fault ? reject(fault) : resolve(answer))));
const refusal = promise => promise.then(() => assert.fail('It was not refused.'), fault => fault);

const key = `js-${randomUUID()}`;
const ready = async () => {
  await call(stock, 'putProduct', { productId: key, name: 'Tea, 茶', price: 1000, initialStock: 3 });
  await call(payments, 'openAccount', { userId: key, initialDeposit: 10_000 });
};
const order = quantity => ({ userId: key, items: [{ productId: key, quantity }] });

const cases = {
  async place_and_watch() {
    await ready();
    const placed = (await call(orders, 'placeOrder', order(2))).order;
    assert.equal(placed.status, 'ORDER_STATUS_PENDING');
    const seen = [];
    for await (const change of orders.watchOrder({ order: placed.orderId }, { deadline: Date.now() + 60_000 })) seen.push(change);
    assert.ok(seen.length >= 3);
    assert.equal((await call(orders, 'getOrder', { order: placed.orderId })).order.status, 'ORDER_STATUS_CONFIRMED');
  },

  async refused_with_details() {
    await ready();
    const fault = await refusal(call(orders, 'placeOrder', order(4)));
    assert.equal(fault.code, grpc.status.FAILED_PRECONDITION);
    const [details] = fault.metadata.get('grpc-status-details-bin');
    assert.ok(Buffer.isBuffer(details) && details.includes('google.rpc.PreconditionFailure'));
  },

  async too_late() {
    await ready();
    const fault = await refusal(call(orders, 'placeOrder', order(1), { deadline: Date.now() - 1 }));
    assert.equal(fault.code, grpc.status.DEADLINE_EXCEEDED);
  },

  async cancelled_watch() {
    await ready();
    const placed = (await call(orders, 'placeOrder', order(1))).order;
    const watch = orders.watchOrder({ order: placed.orderId });
    const ended = new Promise(resolve => watch.on('error', resolve).on('end', () => resolve(undefined)));
    watch.once('data', () => watch.cancel());
    assert.equal((await ended)?.code ?? grpc.status.CANCELLED, grpc.status.CANCELLED);
    assert.equal((await call(orders, 'getOrder', { order: placed.orderId })).order.orderId, placed.orderId);
  },

  async message_over_the_limit() {
    const fault = await refusal(call(orders, 'placeOrder', { ...order(1), shippingAddress: 'x'.repeat(5 * 1024 * 1024) }));
    assert.equal(fault.code, grpc.status.RESOURCE_EXHAUSTED);
  },

  async compressed() {
    await ready();
    const gzip = open(shop.v1.OrderService, ordersPort, { 'grpc.default_compression_algorithm': 2 });
    assert.equal((await call(gzip, 'placeOrder', order(1))).order.userId, key);
  },

  async unknown_method() {
    const absent = grpc.makeGenericClientConstructor({ nothing: { path: '/shop.v1.OrderService/Nothing', requestStream: false, responseStream: false, requestSerialize: () => Buffer.alloc(0), responseDeserialize: bytes => bytes } }, 'shop.v1.OrderService');
    assert.equal((await refusal(call(open(absent, ordersPort), 'nothing', {}))).code, grpc.status.UNIMPLEMENTED);
  },
};

await cases[name]();
process.exit(0);
