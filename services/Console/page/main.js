// Puts the parts together: which view is shown, and whether Orders answers.
import { byId, mark } from './page.js';
import { follow } from './stream.js';
import { Plots } from './plots.js';
import { OrderList } from './list.js';
import { OrderPane } from './order.js';
import { Letters } from './letters.js';
import { demo } from './demo.js';
import './sign-in.js';

const plots = new Plots(byId('plots'));
const order = new OrderPane(byId('order'));
const list = new OrderList(id => { location.hash = `#/orders/${id}`; });
const letters = new Letters();
demo(placed => { list.changed([placed]); location.hash = `#/orders/${placed.orderId}`; });

/** What is no encoding is shown as it is, and not found. */
function decode(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

function route() {
  const [, view, id] = location.hash.split('/');
  const atLetters = view === 'dead-letters';
  byId('orders-view').hidden = atLetters;
  byId('letters-view').hidden = !atLetters;
  mark(byId('to-orders'), !atLetters);
  mark(byId('to-letters'), atLetters);
  const shown = view === 'orders' && id ? decode(id) : null;
  byId('panes').classList.toggle('has-order', shown !== null);
  list.show(shown);
  order.show(shown);
  if (atLetters) letters.load();
}

// The console sends a "link" event every second.
const SILENCE_MS = 5000;

let lost = null;
/** @param silent the services that do not answer; '' when all is well. */
function linked(silent) {
  if (silent === lost) return;
  lost = silent;
  const state = byId('link-state');
  state.textContent = silent === '' ? 'Live' : `${silent} does not answer; trying again…`;
  state.classList.toggle('lost', silent !== '');
  document.body.classList.toggle('stale', silent !== '');
  if (silent !== '') return;
  list.load();
  letters.load();
}

let close = null;
function look() {
  close?.();
  lost = null;
  // A hidden page needs no stream; a browser has few to give.
  close = document.hidden ? null : follow('events', {
    link: ({ live }) => linked(live ? '' : 'Orders'),
    samples: samples => plots.add(samples),
    orders: changed => list.changed(changed),
  }, () => linked('The console'), SILENCE_MS);
}

addEventListener('hashchange', route);
document.addEventListener('visibilitychange', look);
route();
look();
