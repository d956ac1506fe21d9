// SPDX-License-Identifier: Apache-2.0
// Steps of a run against time, VM by VM: how long they took the last time as dashed outlines, actual as bars, a line for the
// present moment. Waits for people are cut short. Names stand above the bars on a phone. Its table twin is the list of steps.
// RunLanes is the same with one row for each VM. The report of a run has the like of it, drawn by the server.
import { html } from '../core/html.js';
import { t, stepName, word } from '../core/i18n.js';
import { duration, timeOnly } from '../core/time.js';
import { fit } from './fit.js';
import { Twin, now, tone, useWidth } from '../ui/parts.js';
import { timescale } from './timescale.js';

const people = new Set(['validate', 'test_running', 'source_return']); // steps that wait for somebody
const marks = { succeeded: '✔', done: '✔', running: '▶', failed: '✖', waiting: '◷', skipped: '↷', undone: '↶' };
export const markOf = (state) => marks[state] || '·';
const barTone = (state) => ({ succeeded: 'ok', done: 'ok', running: 'info', failed: 'bad', waiting: 'warning', undone: 'idle' }[state] || tone(state).tone);
const finished = (steps) => steps.filter((s) => ['succeeded', 'done'].includes(s.state)).length;

/** When the steps of one VM were (a to b) and when they would have been by the last run (p). After a wait for people the plan goes on from what happened. */
const timed = (steps, start) => {
  const since = (at) => (Date.parse(at) - start) / 1000;
  let plan = steps.find((s) => s.started_at) ? since(steps.find((s) => s.started_at).started_at) : 0;
  let waited = false;
  return steps.map((s) => {
    const a = s.started_at ? since(s.started_at) : null;
    const b = a === null ? null : Math.max(a, s.ended_at ? since(s.ended_at) : (now.value - start) / 1000);
    if (waited && a !== null) plan = a;
    waited = people.has(s.name);
    const long = waited ? 0 : s.predicted_seconds || 0;
    const p = { from: plan, to: plan + long };
    plan = waited ? Math.max(plan, b ?? plan) : p.to;
    return { ...s, a, b, p, waits: waited };
  });
};
const byVm = (steps, start) => [...new Set(steps.map((s) => s.vm_id))].map((vm) => ({ name: steps.find((s) => s.vm_id === vm).vm || '', rows: timed(steps.filter((s) => s.vm_id === vm), start) }));

const scaleOf = (rows) => {
  const span = Math.max(10, ...rows.flatMap((r) => [r.p.to, r.b || 0]));
  return timescale(rows.flatMap((r) => [...(r.a === null || r.waits ? [] : [[r.a - 1, r.b + 1]]), ...(r.p.to > r.p.from ? [[r.p.from, r.p.to]] : [])]), span);
};
const whole = (text, room) => (fit(text, room) === text ? text : ''); // what was cut is no figure any more
const stepFor = (total) => [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600].find((step) => total / step <= 6) || 86400;

/** Lines of the time, and what was cut out of it. @param {any} props */
const Axis = ({ scale, x, height }) => {
  const step = stepFor(scale.total);
  const ticks = [];
  const free = (s) => !scale.cuts.some((c) => s > c.from && s < c.to) && !ticks.some((o) => x(s) - x(o) < 58) && !scale.cuts.some((c) => Math.abs(x(s) - (x(c.from) + x(c.to)) / 2) < 62);
  const top = (scale.cuts[scale.cuts.length - 1]?.to || 0) + scale.total;
  for (let s = 0; s <= top && ticks.length < 12 && s / step < 5000; s += step) if (x(s) <= x(1e12) - 44 && free(s) && (s === 0 || x(s) > x(s - step))) ticks.push(s);
  return html`${ticks.map((s) => html`<g><line class="grid-line" x1=${x(s)} x2=${x(s)} y1="20" y2=${height}/><text class="axis" x=${x(s)} y="12" text-anchor=${s ? 'middle' : 'start'}>${duration(s)}</text></g>`)}
    ${scale.cuts.map((c) => html`<g><rect class="cut" x=${x(c.from)} y="18" width=${Math.max(2, x(c.to) - x(c.from))} height=${height - 18}/><text class="axis" x=${(x(c.from) + x(c.to)) / 2} y="12" text-anchor="middle">${whole(`⋯ ${duration(c.to - c.from)} ⋯`, x(c.to) - x(c.from)) || '⋯'}</text></g>`)}`;
};
const Bar = ({ r, x, y }) => html`${r.p.to > r.p.from && html`<rect x=${x(r.p.from)} y=${y} width=${Math.max(2, x(r.p.to) - x(r.p.from))} height="18" rx=${x(r.p.to) - x(r.p.from) > 12 ? 3 : 0} class=${x(r.p.to) - x(r.p.from) > 12 ? 'dash s-idle' : 's-idle'} fill="none" style=${{ strokeWidth: 1 }}/>`}
  ${r.a !== null && html`<rect x=${x(r.a)} y=${y + 4} width=${Math.max(3, x(r.b) - x(r.a))} height="10" rx="2" class=${`f-${barTone(r.state)}`}><title>${`${stepName(r)}: ${duration(r.b - r.a)}`}</title></rect>`}`;
const NowLine = ({ rows, start, x, height }) => {
  const at = Math.max((now.value - start) / 1000, ...rows.map((r) => r.b || 0));
  return rows.some((r) => ['running', 'waiting'].includes(r.state) && !r.ended_at) ? html`<line class="s-bad" x1=${x(at)} x2=${x(at)} y1="18" y2=${height}/>` : null;
};
const StepTwin = ({ rows, several }) => html`<${Twin} label=${t('gantt.twin')} head=${[...(several ? [t('vm')] : []), t('step'), t('state'), t('host'), t('started'), t('ended'), t('took'), t('predicted')]} rows=${rows.map((r) => [...(several ? [r.vm] : []), stepName(r), word('state', r.state), r.host || '', timeOnly(r.started_at), timeOnly(r.ended_at), r.a === null ? '' : duration(r.b - r.a), r.predicted_seconds && !r.waits ? duration(r.predicted_seconds) : ''])}/>`;

/** @param {{ steps: { name: string, state: string, vm_id?: string, vm?: string, started_at?: string, ended_at?: string, predicted_seconds?: number, host?: string }[], from: string }} props */
export const Gantt = ({ steps, from }) => {
  const { ref, width } = useWidth();
  const start = Date.parse(from);
  const vms = byVm(steps, start);
  const rows = vms.flatMap((v) => v.rows);
  const scale = scaleOf(rows);
  const narrow = width < 600;
  const left = narrow ? 4 : 290;
  const row = narrow ? 44 : 28;
  const x = (s) => left + (scale.at(s) / scale.total) * (width - left - 12);
  let y = 26;
  const placed = vms.map((v) => {
    const head = vms.length > 1 ? y + 16 : 0;
    if (head) y += 26;
    return { ...v, head, rows: v.rows.map((r) => { const here = { ...r, y: y + (narrow ? 18 : 0) }; y += row; return here; }) };
  });
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${t('gantt.about', { n: steps.length, done: finished(steps) })} width=${width} height=${y + 4}>
    <${Axis} scale=${scale} x=${x} height=${y}/>${placed.map((v) => html`<g>${v.head > 0 && html`<text class="strong" x="4" y=${v.head}>${v.name}</text>`}${v.rows.map((r) => html`<g><text x="4" y=${narrow ? r.y - 4 : r.y + 14}>${fit(`${markOf(r.state)} ${stepName(r)}${r.host ? ` · ${r.host}` : ''}`, (narrow ? width : left) - 8)}</text><${Bar} r=${r} x=${x} y=${r.y}/></g>`)}</g>`)}
    <${NowLine} rows=${rows} start=${start} x=${x} height=${y}/></svg>`}<${StepTwin} rows=${rows} several=${vms.length > 1}/></div>`;
};

/** One row for each VM of a run: what it does now in words, its steps beside each other. @param {{ steps: any[], from: string }} props */
export const RunLanes = ({ steps, from }) => {
  const { ref, width } = useWidth();
  const start = Date.parse(from);
  const vms = byVm(steps, start);
  const rows = vms.flatMap((v) => v.rows);
  const scale = scaleOf(rows);
  const x = (s) => 4 + (scale.at(s) / scale.total) * (width - 16);
  const height = 24 + vms.length * 44;
  const doing = (v) => v.rows.find((r) => !['done', 'succeeded', 'skipped', 'undone'].includes(r.state) && r.a !== null) || v.rows[finished(v.rows) - 1] || v.rows[0];
  const says = vms.map((v) => `${v.name}: ${stepName(doing(v))}`).join('; ');
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${`${t('gantt.about', { n: steps.length, done: finished(steps) })}. ${says}`} width=${width} height=${height}><${Axis} scale=${scale} x=${x} height=${height}/>
    ${vms.map((v, i) => html`<g><text x="4" y=${38 + i * 44}><tspan class="strong">${v.name}</tspan> ${markOf(doing(v).state)} ${stepName(doing(v))}</text>${v.rows.map((r) => html`<${Bar} r=${r} x=${x} y=${42 + i * 44}/>`)}</g>`)}
    <${NowLine} rows=${rows} start=${start} x=${x} height=${height}/></svg>`}<${StepTwin} rows=${rows} several=${vms.length > 1}/></div>`;
};
