// Live statistics of the last two minutes, in three small plots.
import { el, span, svg } from './page.js';

// Samples this far apart are not joined: Orders did not answer in between.
const GAP_SECONDS = 3;
const SECONDS = 120, WIDTH = 240, HEIGHT = 56;

const PLOTS = [
  { title: 'Throughput', unit: 'orders / s', lines: [['placed', 'placed'], ['confirmed', 'confirmed'], ['failed', 'failed']], text: String, least: 1 },
  { title: 'Latency', unit: 'placing to final', lines: [['p50', 'p50'], ['p99', 'p99']], text: span, least: 50 },
  { title: 'Open orders', unit: 'not closed', lines: [['open', 'open']], text: String, least: 1,
    also: sample => sample.open > 0 ? `oldest ${span(sample.oldestOpen * 1000)}` : 'none waits' },
];

export class Plots {
  #samples = [];
  #drawn;

  constructor(place) {
    this.#drawn = PLOTS.map(plot => frameOf(place, plot));
  }

  /** Samples that are known already are left out. */
  add(samples) {
    const last = this.#samples.at(-1)?.at ?? 0;
    this.#samples.push(...samples.filter(sample => sample.at > last));
    this.#samples = this.#samples.slice(-SECONDS);
    for (const frame of this.#drawn) draw(frame, this.#samples);
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

function draw({ plot, values, paths, most, also, picture }, samples) {
  const now = samples.at(-1);
  if (!now) return;
  const top = Math.max(plot.least, ...samples.flatMap(sample => plot.lines.map(([field]) => sample[field] ?? 0)));
  plot.lines.forEach(([field], at) => {
    paths[at].setAttribute('d', pathOf(samples, field, now.at, top));
    values[at].textContent = now[field] === null ? '–' : plot.text(now[field]);
  });
  most.textContent = plot.text(top);
  also.textContent = plot.also?.(now) ?? '';
  picture.setAttribute('aria-label', `${plot.title}: ${plot.lines.map(([, name], at) => `${name} ${values[at].textContent}`).join(', ')}`);
}

/** A gap where nothing was measured. */
function pathOf(samples, field, now, top) {
  let path = '', pen = 'M', last = 0;
  for (const sample of samples) {
    const value = sample[field];
    if (sample.at - last > GAP_SECONDS) pen = 'M';
    last = sample.at;
    if (value === null || now - sample.at > SECONDS) {
      pen = 'M';
      continue;
    }
    const x = WIDTH - (now - sample.at) * WIDTH / SECONDS, y = HEIGHT - 1.5 - value / top * (HEIGHT - 4);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  }
  return path;
}
