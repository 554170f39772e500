// Puts the parts together: which view is shown, and whether Orders is there.
import { byId, mark } from './page.js';
import { follow } from './stream.js';
import { Plots } from './plots.js';
import { OrderList } from './list.js';
import { OrderPane } from './order.js';
import { Letters } from './letters.js';
import { demo } from './demo.js';

const plots = new Plots(byId('plots'));
const order = new OrderPane(byId('order'));
const list = new OrderList(id => { location.hash = `#/orders/${id}`; });
const letters = new Letters();
demo(placed => { list.changed([placed]); location.hash = `#/orders/${placed.orderId}`; });

function route() {
  const [, view, id] = location.hash.split('/');
  const atLetters = view === 'dead-letters';
  byId('orders-view').hidden = atLetters;
  byId('letters-view').hidden = !atLetters;
  mark(byId('to-orders'), !atLetters);
  mark(byId('to-letters'), atLetters);
  const shown = view === 'orders' && id ? decodeURIComponent(id) : null;
  byId('panes').classList.toggle('has-order', shown !== null);
  list.show(shown);
  order.show(shown);
  if (atLetters) letters.load();
}

// The pulse comes every second.
const SILENCE_MS = 5000;

function linked(there) {
  const state = byId('link-state');
  state.textContent = there ? 'Live' : 'Orders does not answer; trying again…';
  state.classList.toggle('lost', !there);
  document.body.classList.toggle('stale', !there);
  if (!there) return;
  list.load();
  letters.load();
}

let close = null;
function look() {
  close?.();
  // A page that nobody sees needs no stream; a browser has few to give.
  close = document.hidden ? null : follow('events', { beats: beats => plots.add(beats), orders: changed => list.changed(changed) }, linked, SILENCE_MS);
}

addEventListener('hashchange', route);
document.addEventListener('visibilitychange', look);
route();
look();
