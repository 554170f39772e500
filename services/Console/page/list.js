// The list of orders: newest first, filtered, searched, walked with the arrow keys.
import { byId, clock, draw, el, fill, get, mark, patternOf, say, span, statusOf, won } from './page.js';

const PAGE_SIZE = 50;
const SHOWN_MAX = 500;
// A page may have none of the status that is asked for, and the next one may.
const PAGES_MAX = 10;
// What the stream has left out is seen after this time.
const LOOK_AGAIN_MS = 10_000;

export class OrderList {
  #orders = new Map();
  #rows = new Map();
  #shown = null;
  #next = '';
  // Whether what there is with these statuses has been read once.
  #loaded = false;
  #open;
  #drawing = false;

  /** @param open is called with an order's id. */
  constructor(open) {
    this.#open = open;
    byId('filters').addEventListener('change', () => this.#start());
    byId('search').addEventListener('input', () => this.#draw());
    byId('find').addEventListener('submit', event => { event.preventDefault(); this.#find(); });
    byId('more').addEventListener('click', () => this.#read(this.#next));
    byId('orders').addEventListener('keydown', event => this.#walk(event));
    byId('search').addEventListener('keydown', event => {
      if (event.key !== 'ArrowDown') return;
      event.preventDefault();
      byId('orders').querySelector('a')?.focus();
    });
    setInterval(() => { if (!document.hidden) this.load(); }, LOOK_AGAIN_MS);
  }

  /** Reads the newest again; those that are there stay. */
  load() {
    return this.#read('');
  }

  /** Orders that have just changed. */
  changed(orders) {
    for (const order of orders) {
      const known = this.#orders.get(order.orderId);
      if (!known || Number(known.revision) < Number(order.revision)) this.#orders.set(order.orderId, order);
    }
    this.#draw();
  }

  /** Marks the order that is shown beside; null: none is. */
  show(id) {
    this.#shown = id;
    this.#draw();
  }

  #statuses() {
    return [...byId('filters').querySelectorAll(':checked')].map(box => box.value);
  }

  #start() {
    this.#orders.clear();
    this.#next = '';
    this.#loaded = false;
    this.#draw();
    this.load();
  }

  async #read(token) {
    const asked = this.#statuses();
    try {
      let read = 0;
      for (let pages = 0; pages < PAGES_MAX; pages++) {
        const query = new URLSearchParams({ pageSize: PAGE_SIZE, pageToken: token });
        asked.forEach(status => query.append('status', status));
        const page = await get(`orders?${query}`);
        if (asked.join() !== this.#statuses().join()) return;
        say(byId('list-problem'), null);
        if (token || !this.#next) this.#next = page.nextPageToken;
        this.changed(page.orders);
        read += page.orders.length;
        token = page.nextPageToken;
        if (!token || read >= PAGE_SIZE / 2) break;
      }
      this.#loaded = true;
      this.#draw();
    } catch (problem) {
      if (!(problem instanceof TypeError)) say(byId('list-problem'), problem);
    }
  }

  #visible() {
    const statuses = this.#statuses(), text = byId('search').value.trim().toLowerCase();
    return [...this.#orders.values()]
      .filter(order => statuses.length === 0 || statuses.includes(statusOf(order)))
      .filter(order => text === '' || order.orderNumber.toLowerCase().includes(text) || order.orderId.includes(text))
      .sort((one, other) => other.placedTime < one.placedTime ? -1 : other.placedTime > one.placedTime ? 1 : 0);
  }

  // Many changes that come together are drawn once.
  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => { this.#drawing = false; draw(this, () => this.#drawNow()); });
  }

  #drawNow() {
    const visible = this.#visible(), list = byId('orders');
    for (const forgotten of visible.splice(SHOWN_MAX)) this.#orders.delete(forgotten.orderId);
    const focused = document.activeElement;
    const rows = visible.map(order => this.#rowOf(order));
    const reachable = rows.find(row => row.firstChild === focused) ?? rows.find(row => row.dataset.id === this.#shown) ?? rows[0];
    for (const row of rows) row.firstChild.tabIndex = row === reachable ? 0 : -1;

    // Only what is elsewhere is moved: focus and scrolling stay.
    rows.forEach((row, at) => { if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null); });
    while (list.children.length > rows.length) list.lastChild.remove();
    const kept = new Set(rows);
    for (const [id, { row }] of this.#rows) if (!kept.has(row)) this.#rows.delete(id);
    // Moving an element takes its focus away.
    if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });

    const empty = byId('list-empty');
    empty.hidden = rows.length > 0;
    empty.textContent = !this.#loaded ? 'Reading the orders…'
      : byId('search').value.trim() ? 'None of those read so far. Press Enter to look for a whole number or id.'
      : this.#statuses().length > 0 ? 'No order has this status now.' : 'No orders yet.';
    byId('more').hidden = !this.#next;
  }

  #rowOf(order) {
    const drawn = `${order.revision} ${order.orderId === this.#shown}`;
    const known = this.#rows.get(order.orderId);
    if (known?.drawn === drawn) return known.row;
    const row = known?.row ?? el('li', { 'data-id': order.orderId }, el('a', { href: `#/orders/${order.orderId}` }));
    const status = statusOf(order);
    fill(row.firstChild,
      el('span', { class: `badge ${status}` }, status),
      el('span', { class: 'number' }, order.orderNumber, patternOf(order)),
      el('span', { class: 'amount' }, won(order.finalAmount)),
      el('span', { class: 'when' }, clock(order.placedTime)),
      el('span', { class: 'what' }, whatOf(order, status)),
    );
    mark(row.firstChild, order.orderId === this.#shown);
    this.#rows.set(order.orderId, { row, drawn });
    return row;
  }

  /** A whole number or id is opened even when it is not in the list. */
  async #find() {
    const text = byId('search').value.trim();
    if (text === '') return;
    const [first, ...others] = this.#visible();
    if (first && others.length === 0) return this.#open(first.orderId);
    try {
      this.#open((await get(`orders/${encodeURIComponent(text)}`)).order.orderId);
      say(byId('list-problem'), null);
    } catch (problem) {
      say(byId('list-problem'), problem);
    }
  }

  #walk(event) {
    const links = [...byId('orders').querySelectorAll('a')];
    const at = links.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    if (to < 0) return byId('search').focus();
    const link = links[Math.min(to, links.length - 1)];
    links[at].tabIndex = -1;
    link.tabIndex = 0;
    link.focus();
  }
}

function whatOf(order, status) {
  if (status === 'CONFIRMED') return `in ${span(new Date(order.finalTime) - new Date(order.placedTime))}`;
  if (status === 'FAILED') return order.isClosed ? `${order.reason} · undone` : `${order.reason} · being undone`;
  const done = order.steps.filter(step => step.state === 'STEP_STATE_DONE').length;
  return `${done} of ${order.steps.length} steps done`;
}
