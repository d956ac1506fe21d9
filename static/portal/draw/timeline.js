// SPDX-License-Identifier: Apache-2.0
// Measured RPO against its target over time, drawn by uPlot; breaches are hatched bands, at the bottom stand bars where it
// was paused (‖) or resynchronised (⟳). In words below, and as a table.
import { html, useEffect, useRef } from '../core/html.js';
import { t, word } from '../core/i18n.js';
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
/** Where `is` holds, one span after another. */
const spans = (samples, is) => {
  const found = [];
  for (const s of samples) {
    const over = is(s);
    const last = found[found.length - 1];
    if (over && last?.open) last.to = s.at;
    else if (over) found.push({ from: s.at, to: s.at, open: true });
    else if (last) last.open = false;
  }
  return found;
};

const marks = [['paused', '‖', ['paused', 'paused_by_system', 'resync_paused']], ['resync', '⟳', ['seeding', 'resyncing', 'resync_required']]];
const markedIn = (samples) => marks.flatMap(([name, sign, states]) => spans(samples, (s) => states.includes(s.state)).map((b) => ({ ...b, name, sign })));

/** @param {{ samples: { at: number, value: number|null, state?: string }[], target: number, height?: number }} props at in seconds */
export const RpoTimeline = ({ samples, target, height = 200 }) => {
  const { ref, width } = useWidth();
  const place = useRef(/** @type {any} */ (null));
  const breaches = spans(samples, (s) => s.value !== null && s.value > target);
  const marked = markedIn(samples);
  useEffect(() => {
    if (!width || !samples.length) return undefined;
    const bands = (u) => {
      u.ctx.save();
      u.ctx.fillStyle = hatch(u.ctx, css('--bad'));
      for (const b of breaches) {
        const from = u.valToPos(b.from, 'x', true);
        u.ctx.fillRect(from, u.bbox.top, Math.max(2, u.valToPos(b.to, 'x', true) - from), u.bbox.height);
      }
      for (const m of marked) {
        const from = u.valToPos(m.from, 'x', true);
        const wide = Math.max(3, u.valToPos(m.to, 'x', true) - from);
        u.ctx.fillStyle = css(m.name === 'paused' ? '--idle' : '--warning');
        u.ctx.fillRect(from, u.bbox.top + u.bbox.height - 5 * devicePixelRatio, wide, 5 * devicePixelRatio);
        u.ctx.font = `${12 * devicePixelRatio}px system-ui`;
        u.ctx.fillText(m.sign, from, u.bbox.top + u.bbox.height - 8 * devicePixelRatio);
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
    <p class="muted">${samples.length ? t('timeline.about', { worst: duration(worst), target: duration(target), n: breaches.length }) : t('timeline.none')}${marks.map(([name, sign]) => [name, sign, marked.filter((m) => m.name === name).length]).filter(([, , n]) => n).map(([name, sign, n]) => ` ${sign} ${t(`timeline.${name}`, { n })}`)}</p>
    <${Twin} head=${[t('time'), t('rpo.measured'), t('state')]} rows=${samples.slice(-60).reverse().map((s) => [dateTime(new Date(s.at * 1000).toISOString()), s.value === null ? t('unknown') : duration(s.value), word('state', s.state)])}/></div>`;
};
