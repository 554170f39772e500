// What all parts of the page are made with.

/** An element, its attributes (on…: a listener; false or null: left out), and what is in it. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  return fill(element, ...children);
}

/** What is in an element from now on; null: nothing. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(child => child !== null));
  return element;
}

/** Marks the one of several that is shown. */
export function mark(element, shown) {
  if (shown) element.setAttribute('aria-current', 'page');
  else element.removeAttribute('aria-current');
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  set(element, attributes);
  element.append(...children);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
}

let pressed = false;
const waiting = new Map();

/**
 * Draws now, or while the mouse is pressed once it is released: a click is for what was there when it began, and is lost when that is replaced.
 * @param part of the page; of its draws only the last is made up for.
 */
export function draw(part, how) {
  if (pressed) waiting.set(part, how);
  else how();
}

addEventListener('pointerdown', () => { pressed = true; }, true);
// 'blur' is that of the window.
for (const end of ['pointerup', 'pointercancel', 'blur']) {
  // The click comes after this.
  addEventListener(end, () => setTimeout(() => {
    pressed = false;
    const late = [...waiting.values()];
    waiting.clear();
    late.forEach(how => how());
  }));
}

export const byId = id => document.getElementById(id);

/** Says what is wrong, where it went wrong; null: nothing any more. */
export function say(place, problem) {
  place.hidden = problem === null;
  place.textContent = problem === null ? '' : problem.message;
}

export async function get(path) {
  return answer(await fetch(`/api/console/${path}`));
}

export async function post(path, body = {}, headers = {}) {
  return answer(await fetch(`/api/console/${path}`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body),
  }));
}

async function answer(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  if (response.status === 401) document.dispatchEvent(new Event('unauthenticated'));
  const problem = await response.json().catch(() => ({ detail: `The console answered ${response.status}.` }));
  throw Object.assign(new Error(problem.detail), { status: response.status });
}

/** Says that Orders carries the order out by calls; null: it is a choreography. */
export const patternOf = order => order.pattern === 'SAGA_PATTERN_ORCHESTRATION'
  ? el('span', { class: 'badge pattern', title: 'Orders calls the participants one after the other' }, 'orchestrated') : null;

/** PENDING of ORDER_STATUS_PENDING. */
export const statusOf = order => order.status.replace('ORDER_STATUS_', '');

export const won = amount => `${Number(amount).toLocaleString('en')} won`;

/** A time span in the unit that suits it. */
export function span(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round(ms % 60_000 / 1000)} s`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** A moment in local time; the day only when it is not today. */
export function clock(time) {
  const date = new Date(time);
  const day = date.toDateString() === new Date().toDateString() ? '' : `${date.toLocaleDateString()} `;
  return day + date.toLocaleTimeString('en-GB');
}
