// SPDX-License-Identifier: Apache-2.0
// Steps of a run against time: how long they took the last time as dashed outlines, actual as bars, a line for now. Names stand above the bars on a
// phone. Its table twin is the list of steps.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { duration, timeOnly } from '../core/time.js';
import { Twin, now, tone, useWidth } from '../ui/parts.js';

const ticksFor = (span) => {
  for (const step of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600]) if (span / step <= 6) return step;
  return 86400;
};
const marks = { succeeded: '✔', done: '✔', running: '▶', failed: '✖', waiting: '◷', skipped: '↷', undone: '↶' };
export const markOf = (state) => marks[state] || '·';
const barTone = (state) => ({ succeeded: 'ok', done: 'ok', running: 'info', failed: 'bad', waiting: 'warning', undone: 'idle' }[state] || tone(state).tone);

/** @param {{ steps: { name: string, state: string, started_at?: string, ended_at?: string, predicted_seconds?: number, host?: string }[], from: string }} props */
export const Gantt = ({ steps, from }) => {
  const { ref, width } = useWidth();
  const start = Date.parse(from);
  let planned = 0;
  const rows = steps.map((s) => {
    const p = { from: planned, to: planned + (s.predicted_seconds || 0) };
    planned = p.to;
    const a = s.started_at ? (Date.parse(s.started_at) - start) / 1000 : null;
    const b = s.ended_at ? (Date.parse(s.ended_at) - start) / 1000 : a !== null ? (now.value - start) / 1000 : null;
    return { ...s, p, a, b: b === null || a === null ? b : Math.max(b, a) };
  });
  const over = steps.every((s) => s.ended_at || !s.started_at) && !steps.some((s) => s.state === 'running');
  const span = Math.max(planned, ...rows.map((r) => r.b || 0), 10) * 1.04;
  const narrow = width < 600;
  const left = narrow ? 4 : 290;
  const row = narrow ? 44 : 28;
  const x = (s) => left + (s / span) * (width - left - 12);
  const step = ticksFor(span);
  const ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, i) => i * step);
  const height = 30 + rows.length * row;
  const y = (i) => 28 + i * row + (narrow ? 18 : 0);
  const at = Math.max((now.value - start) / 1000, ...rows.map((r) => r.b || 0));
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${t('gantt.about', { n: steps.length, done: rows.filter((r) => ['succeeded', 'done'].includes(r.state)).length })} width=${width} height=${height}>
    ${ticks.map((s) => html`<g><line class="grid-line" x1=${x(s)} x2=${x(s)} y1="20" y2=${height}/><text class="axis" x=${x(s)} y="12" text-anchor=${s ? 'middle' : 'start'}>${duration(s)}</text></g>`)}
    ${rows.map((r, i) => html`<g><text x="4" y=${narrow ? y(i) - 4 : y(i) + 15}>${markOf(r.state)} ${word('step', r.name)}${r.host ? ` · ${r.host}` : ''}</text>
      ${r.p.to > r.p.from && html`<rect x=${x(r.p.from)} y=${y(i)} width=${Math.max(2, x(r.p.to) - x(r.p.from))} height="18" rx="3" class="dash s-idle" fill="none" style=${{ strokeWidth: 1 }}/>`}
      ${r.a !== null && html`<rect x=${x(r.a)} y=${y(i) + 4} width=${Math.max(3, x(r.b) - x(r.a))} height="10" rx="2" class=${`f-${barTone(r.state)}`}/>`}</g>`)}
    ${!over && at < span && html`<line class="s-bad" x1=${x(at)} x2=${x(at)} y1="18" y2=${height}/>`}</svg>`}
    <${Twin} label=${t('gantt.twin')} head=${[t('step'), t('state'), t('host'), t('started'), t('ended'), t('took'), t('predicted')]} rows=${rows.map((r) => [word('step', r.name), word('state', r.state), r.host || '', timeOnly(r.started_at), timeOnly(r.ended_at), r.a === null ? '' : duration(r.b - r.a), r.predicted_seconds ? duration(r.predicted_seconds) : ''])}/></div>`;
};
