// One order: where it stands, what it waits for, and its timeline with a lane for each service.
import { clock, draw, el, fill, get, patternOf, span, statusOf, won } from './page.js';
import { follow } from './stream.js';

// The steps whose answers are events of their own: the participant, how its events begin, and what is waited for while the order is pending and once it has failed.
const OWN_EVENTS = {
  STEP_STOCK: ['Stock', 'stock', 'stock-reserved', 'stock-released'],
  STEP_PAYMENT: ['Payments', 'payment', 'payment-completed', 'payment-refunded'],
  STEP_COUPON: ['Coupons', 'coupon', 'coupon-used', 'coupon-restored'],
};

const STATES = {
  STEP_STATE_WAITING: 'waiting',
  STEP_STATE_DONE: 'done',
  STEP_STATE_REFUSED: 'refused',
  STEP_STATE_UNDONE: 'done and undone',
  STEP_STATE_SKIPPED: 'never done',
};

/** A lane for Orders and for each step of the order, whichever it has. */
function lanesOf(order) {
  return [{ name: 'Orders', prefix: 'order', column: 2 }, ...order.steps.map((step, at) => {
    const [name, prefix, answer, compensation] = OWN_EVENTS[step.step]
      ?? [step.name[0].toUpperCase() + step.name.slice(1), step.name, `${step.name}-succeeded`, `${step.name}-compensated`];
    return { name, prefix, answer, compensation, step, column: at + 3 };
  })];
}

function laneOf(lanes, event) {
  const matching = lanes.filter(lane => event.startsWith(`${lane.prefix}-`)).sort((one, other) => other.prefix.length - one.prefix.length);
  return matching[0] ?? lanes[0];
}

/** placed, good, bad or undone. */
function kindOf(event) {
  if (/-(released|refunded|restored|compensated)$/.test(event)) return 'undone';
  if (event.endsWith('-failed')) return 'bad';
  return event === 'order-created' ? 'placed' : 'good';
}

const SIGNS = { placed: '●', good: '✓', bad: '✕', undone: '↩' };

export class OrderPane {
  #place;
  #id = null;
  #close = null;
  #settings = null;
  #drawn = null;

  constructor(place) {
    this.#place = place;
  }

  /** null: none. */
  show(id) {
    if (id === this.#id) return;
    this.#close?.();
    [this.#id, this.#close, this.#drawn] = [id, null, null];
    if (id === null) {
      this.#place.replaceChildren(el('p', { class: 'placeholder' }, 'Choose an order, or place one, to see what it is doing.'));
      return;
    }
    this.#place.replaceChildren(el('p', { class: 'placeholder' }, 'Reading…'));
    this.#place.scrollIntoView?.({ block: 'nearest' });
    this.#follow(id);
  }

  async #follow(id) {
    try {
      this.#settings ??= await get('settings');
      await this.#drawFirst(id);
    } catch (problem) {
      if (id !== this.#id) return;
      if (problem.status >= 400 && problem.status < 500) {
        this.#place.replaceChildren(back(), el('p', { class: 'problem', role: 'alert' }, problem.message));
        return;
      }
    }
    if (id !== this.#id) return;
    const close = follow(`orders/${encodeURIComponent(id)}/events`, { order: answer => draw(this, () => this.#draw(id, answer)), closed: () => close() });
    this.#close = close;
  }

  async #drawFirst(id) {
    this.#draw(id, await get(`orders/${encodeURIComponent(id)}`));
    if (id === this.#id) this.#place.focus({ preventScroll: true });
  }

  #draw(id, answer) {
    if (id !== this.#id) return;
    const { order, timeline } = answer, status = statusOf(order);
    if (this.#drawn === `${id} ${order.revision}`) {
      // Nothing has happened; only the time it has been waiting for.
      document.getElementById('outlook')?.replaceWith(outlookOf(answer));
      return;
    }
    this.#drawn = `${id} ${order.revision}`;
    const trace = timeline.map(entry => entry.traceId).find(found => found);
    const zipkin = this.#settings?.zipkin;
    const lanes = lanesOf(order);
    this.#place.style.setProperty('--lanes', lanes.length);
    const focused = this.#place.contains(document.activeElement) ? document.activeElement.id : null;

    this.#place.setAttribute('aria-label', `Order ${order.orderNumber}, ${status}`);
    fill(this.#place,
      back(),
      el('header', { class: 'order-head' },
        el('div', {},
          el('h2', { class: 'number' }, order.orderNumber, patternOf(order)),
          el('p', { class: 'hint' }, `${order.orderId} · placed ${clock(order.placedTime)} by ${order.userId}`)),
        el('span', { class: `badge big ${status}`, id: 'order-status' }, status)),
      order.reason ? el('p', { class: 'reason' }, el('strong', {}, order.reason), ` ${order.detail}`) : null,
      outlookOf(answer),
      el('dl', { class: 'facts' },
        ...fact('Items', order.items.map(item => `${item.quantity} × ${item.productId} at ${won(item.unitPrice)}`).join(', ')),
        ...fact('To pay', priceOf(order)),
        ...(order.userCouponId ? fact('Coupon', order.userCouponId) : []),
        ...(order.finalTime ? fact('Final after', span(new Date(order.finalTime) - new Date(order.placedTime))) : []),
        ...(zipkin && trace ? fact('Trace', linkTo(zipkin, trace)) : [])),
      el('h3', { class: 'timeline-title' }, 'Timeline'),
      el('div', { class: 'lanes', 'aria-hidden': 'true' }, el('span', {}, ''),
        ...lanes.map(lane => el('span', { class: 'lane-name' }, lane.name, el('small', {}, lane.step ? STATES[lane.step.state] : status.toLowerCase())))),
      el('ol', { class: 'timeline', 'aria-label': 'Timeline' },
        ...timeline.map(entry => happened(entry, laneOf(lanes, entry.event))),
        ...lanes.filter(lane => lane.step && missing(lane.step, status)).map(lane => awaited(lane, status))),
    );
    if (focused) document.getElementById(focused)?.focus();
  }
}

function outlookOf({ order, waitsFor, next }) {
  return el('div', { class: `outlook ${order.isClosed ? 'closed' : ''}`, id: 'outlook' },
    waitsFor.length > 0 ? el('div', {}, el('h3', {}, 'Waits for'), el('ul', {}, ...waitsFor.map(words => el('li', {}, words)))) : null,
    el('div', {}, el('h3', {}, 'What comes next'), el('p', {}, next)));
}

const back = () => el('a', { class: 'back', href: '#/' }, '← All orders');

const fact = (name, value) => [el('dt', {}, name), el('dd', {}, value)];

const priceOf = order => Number(order.discountAmount) > 0
  ? `${won(order.finalAmount)} (${won(order.totalAmount)} less ${won(order.discountAmount)})`
  : won(order.finalAmount);

const linkTo = (zipkin, trace) => el('a',
  { id: 'trace', href: `${zipkin.replace(/\/$/, '')}/zipkin/traces/${trace}`, target: '_blank', rel: 'noopener' }, `${trace.slice(0, 8)}… in Zipkin`);

const missing = (step, status) => status === 'PENDING' ? step.state === 'STEP_STATE_WAITING' : status === 'FAILED' && !step.compensated;

/** An entry in its lane. */
function inLane(lane, kind, ...children) {
  const entry = el('li', { class: `at-${lane.name} ${kind}` }, ...children);
  entry.style.setProperty('--lane', lane.column);
  return entry;
}

function happened(entry, lane) {
  const kind = kindOf(entry.event);
  return inLane(lane, kind,
    el('span', { class: 'after' }, `+${span(Number(entry.afterMs))}`),
    el('div', { class: 'happened' },
      el('p', { class: 'event' },
        el('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[kind]), el('span', { class: 'lane-tag' }, lane.name), el('strong', {}, entry.event)),
      el('p', { class: 'detail' }, entry.detail),
      kind === 'undone' ? el('p', { class: 'undo-mark' }, 'compensation') : null));
}

function awaited(lane, status) {
  return inLane(lane, 'awaited',
    el('span', { class: 'after' }, '…'),
    el('div', { class: 'happened' },
      el('p', { class: 'event' },
        el('span', { class: 'lane-tag' }, lane.name),
        el('strong', {}, `waiting for ${status === 'FAILED' ? lane.compensation : lane.answer}`))));
}
