// SPDX-License-Identifier: Apache-2.0
// Lines over time, drawn by uPlot. The first line is drawn through, the second is dashed; what each says last stands below
// in words, all of it in the table.
import { html, useEffect, useRef } from '../core/html.js';
import { t } from '../core/i18n.js';
import { dateTime, timeOnly, zone } from '../core/time.js';
import { theme } from '../core/store.js';
import { Twin, useWidth } from '../ui/parts.js';
import uPlot from '../../vendor/uplot.js';

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// Steps of an axis that look round in the words of its values.
const twos = Array.from({ length: 50 }, (_, i) => 2 ** i);
export const rounds = { duration: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800], bytes: twos, percent: [5, 10, 20, 25, 50, 100, 200, 400, 800, 1600] };
/** What all plots have in common. @param {(n: number) => string} format of the values at the left @param {number[]} incrs steps of that axis */
export const frame = (format, incrs) => {
  const axis = { stroke: css('--muted'), grid: { stroke: css('--hair') }, ticks: { stroke: css('--hair') }, font: '12px system-ui' };
  return { legend: { show: false }, cursor: { drag: { x: false, y: false } }, tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), zone()),
    axes: [{ ...axis, values: (u, v) => v.map((s) => timeOnly(new Date(s * 1000).toISOString()).slice(0, 5)) }, { ...axis, size: 76, incrs, values: (u, v) => v.map(format) }] };
};

const dashes = [[], [6, 4]];
/** @param {{ title: string, times: number[], lines: { label: string, values: (number|null)[] }[], format: (n: number) => string, round: number[], least?: number, height?: number }} props times in seconds; least: what the axis shows at least */
export const Plot = ({ title, times, lines, format, round, least = 1, height = 150 }) => {
  const { ref, width } = useWidth();
  const place = useRef(/** @type {any} */ (null));
  const say = (n) => (n === null || n === undefined ? t('unknown') : format(n));
  useEffect(() => {
    if (!width || !times.length) return undefined;
    const plot = new uPlot({ width, height, ...frame(format, round), scales: { y: { range: (u, min, max) => [0, Math.max(max || 0, least) * 1.1] } },
      series: [{}, ...lines.map((l, i) => ({ stroke: css(i ? '--test' : '--accent'), width: 2, dash: dashes[i], spanGaps: false }))] }, [times, ...lines.map((l) => l.values)], place.current);
    return () => plot.destroy();
  }, [width, times, theme.value]);
  const last = times.length - 1;
  const says = lines.map((l, i) => `${lines.length > 1 ? `${i ? '╌' : '━'} ` : ''}${l.label} ${say(l.values[last])}`).join(' · ');
  return html`<section ref=${ref} aria-label=${title}><h3>${title}</h3><div ref=${place} role="img" aria-label=${`${title}: ${says}`}></div><p class="muted num">${says}</p>
    <${Twin} head=${[t('time'), ...lines.map((l) => l.label)]} rows=${times.slice(-60).map((s, i, part) => [dateTime(new Date(s * 1000).toISOString()), ...lines.map((l) => say(l.values[l.values.length - part.length + i]))]).reverse()}/></section>`;
};
