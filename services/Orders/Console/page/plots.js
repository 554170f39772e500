// The shop's pulse of the last two minutes, in three small plots.
import { el, span, svg } from './page.js';

const SECONDS = 120, WIDTH = 240, HEIGHT = 56;

const PLOTS = [
  { title: 'Throughput', unit: 'orders / s', lines: [['placed', 'placed'], ['confirmed', 'confirmed'], ['failed', 'failed']], text: String, least: 1 },
  { title: 'Latency', unit: 'placing to final', lines: [['p50', 'p50'], ['p99', 'p99']], text: span, least: 50 },
  { title: 'Open orders', unit: 'not at rest', lines: [['open', 'open']], text: String, least: 1,
    also: beat => beat.open > 0 ? `oldest ${span(beat.oldestOpen * 1000)}` : 'none waits' },
];

export class Plots {
  #beats = [];
  #drawn;

  constructor(place) {
    this.#drawn = PLOTS.map(plot => frameOf(place, plot));
  }

  /** Beats that are known already are left out. */
  add(beats) {
    const last = this.#beats.at(-1)?.at ?? 0;
    this.#beats.push(...beats.filter(beat => beat.at > last));
    this.#beats = this.#beats.slice(-SECONDS);
    for (const frame of this.#drawn) draw(frame, this.#beats);
  }
}

function frameOf(place, plot) {
  const values = plot.lines.map(([, name]) => el('output', { class: `value ${name}` }, '–'));
  const paths = plot.lines.map(([, name]) => svg('path', { class: `line ${name}` }));
  const most = el('span', { class: 'most' }), also = el('span', { class: 'also' });
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
    svg('path', { class: 'ground', d: `M0 ${HEIGHT - 0.5}H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 0.5H${WIDTH}` }), ...paths);
  place.append(el('figure', { class: 'plot' },
    el('figcaption', {}, el('strong', {}, plot.title), ` ${plot.unit}`, also),
    el('div', { class: 'picture' }, picture, most),
    el('div', { class: 'legend' }, ...plot.lines.map(([, name], at) => el('span', {}, el('i', { class: `key ${name}` }), `${name} `, values[at])), el('span', { class: 'reach' }, `last ${SECONDS / 60} min`))));
  return { plot, values, paths, most, also, picture };
}

function draw({ plot, values, paths, most, also, picture }, beats) {
  const now = beats.at(-1);
  if (!now) return;
  const top = Math.max(plot.least, ...beats.flatMap(beat => plot.lines.map(([field]) => beat[field] ?? 0)));
  plot.lines.forEach(([field], at) => {
    paths[at].setAttribute('d', pathOf(beats, field, now.at, top));
    values[at].textContent = now[field] === null ? '–' : plot.text(now[field]);
  });
  most.textContent = plot.text(top);
  also.textContent = plot.also?.(now) ?? '';
  picture.setAttribute('aria-label', `${plot.title}: ${plot.lines.map(([, name], at) => `${name} ${values[at].textContent}`).join(', ')}`);
}

/** A gap where nothing was measured. */
function pathOf(beats, field, now, top) {
  let path = '', pen = 'M';
  for (const beat of beats) {
    const value = beat[field];
    if (value === null || now - beat.at > SECONDS) {
      pen = 'M';
      continue;
    }
    const x = WIDTH - (now - beat.at) * WIDTH / SECONDS, y = HEIGHT - 1.5 - value / top * (HEIGHT - 4);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  }
  return path;
}
