// SPDX-License-Identifier: Apache-2.0
// Measured RPO against its target over time, drawn by uPlot; breaches are hatched bands. In words below, and as a table.
import { html, useEffect, useRef } from '../core/html.js';
import { t } from '../core/i18n.js';
import { dateTime, duration } from '../core/time.js';
import { theme } from '../core/store.js';
import { Twin, useWidth } from '../ui/parts.js';
import uPlot from '../../vendor/uplot.js';
import { css, frame, rounds } from './plot.js';

const hatch = (ctx, color) => {
  const tile = document.createElement('canvas');
  tile.width = 6;
  tile.height = 6;
  const c = tile.getContext('2d');
  c.strokeStyle = color;
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(0, 6);
  c.lineTo(6, 0);
  c.stroke();
  return ctx.createPattern(tile, 'repeat');
};
const spans = (samples, target) => {
  const found = [];
  for (const s of samples) {
    const over = s.value !== null && s.value > target;
    const last = found[found.length - 1];
    if (over && last?.open) last.to = s.at;
    else if (over) found.push({ from: s.at, to: s.at, open: true });
    else if (last) last.open = false;
  }
  return found;
};

/** @param {{ samples: { at: number, value: number|null }[], target: number, height?: number }} props at in seconds */
export const RpoTimeline = ({ samples, target, height = 200 }) => {
  const { ref, width } = useWidth();
  const place = useRef(/** @type {any} */ (null));
  const breaches = spans(samples, target);
  useEffect(() => {
    if (!width || !samples.length) return undefined;
    const bands = (u) => {
      u.ctx.save();
      u.ctx.fillStyle = hatch(u.ctx, css('--bad'));
      for (const b of breaches) {
        const from = u.valToPos(b.from, 'x', true);
        u.ctx.fillRect(from, u.bbox.top, Math.max(2, u.valToPos(b.to, 'x', true) - from), u.bbox.height);
      }
      u.ctx.restore();
    };
    const plot = new uPlot({ width, height, ...frame(duration, rounds.duration),
      scales: { y: { range: (u, min, max) => [0, Math.max(max, target) * 1.15] } },
      series: [{}, { stroke: css('--accent'), width: 2, spanGaps: false }, { stroke: css('--warning'), width: 1, dash: [6, 4] }],
      hooks: { drawClear: [bands] } }, [samples.map((s) => s.at), samples.map((s) => s.value), samples.map(() => target)], place.current);
    return () => plot.destroy();
  }, [width, samples, target, theme.value]);
  const worst = Math.max(0, ...samples.map((s) => s.value || 0));
  return html`<div ref=${ref}><div ref=${place} role="img" aria-label=${t('timeline.about', { worst: duration(worst), target: duration(target), n: breaches.length })}></div>
    <p class="muted">${samples.length ? t('timeline.about', { worst: duration(worst), target: duration(target), n: breaches.length }) : t('timeline.none')}</p>
    <${Twin} head=${[t('time'), t('rpo.measured')]} rows=${samples.slice(-60).reverse().map((s) => [dateTime(new Date(s.at * 1000).toISOString()), s.value === null ? t('unknown') : duration(s.value)])}/></div>`;
};
