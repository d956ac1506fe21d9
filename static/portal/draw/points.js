// SPDX-License-Identifier: Apache-2.0
// Recovery points on a line of time: circles are crash-consistent, diamonds application-consistent. Arrow keys move.
import { html, useSignal } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { bytes, dateTime } from '../core/time.js';
import { Twin, useWidth } from '../ui/parts.js';

/** @param {{ points: any[], value?: string, onPick?: (id: string) => void }} props points newest first */
export const Points = ({ points, value, onPick }) => {
  const { ref, width } = useWidth();
  const at = useSignal(0);
  if (!points.length) return html`<p class="muted" ref=${ref}>${t('points.none')}</p>`;
  const newest = Date.parse(points[0].taken_at);
  const span = Math.max(newest - Date.parse(points[points.length - 1].taken_at), 1000);
  const least = Math.min(...points.slice(1).map((p, i) => Date.parse(points[i].taken_at) - Date.parse(p.taken_at)), span);
  const r = Math.max(3, Math.min(8, (least / span) * (width - 28) * 0.42)); // neighbours stand beside each other
  const x = (p) => 14 + (1 - (newest - Date.parse(p.taken_at)) / span) * (width - 28);
  const pick = (i) => { at.value = Math.max(0, Math.min(points.length - 1, i)); onPick?.(points[at.value].id); };
  const key = (event) => {
    if (event.key === 'ArrowLeft') pick(at.value + 1);
    else if (event.key === 'ArrowRight') pick(at.value - 1);
    else return;
    event.preventDefault();
  };
  const near = (event) => { // a finger is wider than a point
    const from = event.currentTarget.getBoundingClientRect().left;
    const away = points.map((p) => Math.abs(x(p) - (event.clientX - from)));
    pick(away.indexOf(Math.min(...away)));
  };
  const chosen = Math.max(0, value ? points.findIndex((p) => p.id === value) : at.value);
  const says = (p) => `${dateTime(p.taken_at)}, ${word('consistency', p.consistency)}, ${word('state', p.state)}`;
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="slider" tabindex="0" aria-label=${t('points')} aria-valuemin="0" aria-valuemax=${points.length - 1} aria-valuenow=${chosen} aria-valuetext=${says(points[chosen])} width=${width} height="64" style=${{ cursor: onPick ? 'pointer' : 'default' }} onKeyDown=${key} onClick=${near}>
    <line class="grid-line" x1="8" x2=${width - 8} y1="24" y2="24" stroke-width="2"/>
    ${points.map((p, i) => {
    const state = p.state === 'corrupt' ? 'bad' : 'ok';
    const mine = i === chosen;
    return html`<g><title>${says(p)}</title>${p.consistency === 'application'
      ? html`<path d=${`M${x(p)},${23 - r} l${r + 1},${r + 1} l${-r - 1},${r + 1} l${-r - 1},${-r - 1} z`} class=${`f-${state} ${mine ? 's-info' : ''}`}/>` : html`<circle cx=${x(p)} cy="24" r=${mine ? r : r * 0.8} class=${`hollow s-${mine ? 'info' : state}`}/>`}</g>`;
  })}<text class="axis" x="4" y="56">${dateTime(points[points.length - 1].taken_at)}</text><text class="axis" x=${width - 4} y="56" text-anchor="end">${dateTime(points[0].taken_at)}</text></svg>`}
    <p class="muted">${says(points[chosen])} · ◆ ${t('consistency.application')} ○ ${t('consistency.crash')}</p>
    <${Twin} head=${[t('taken'), t('consistency'), t('state'), t('size')]} rows=${points.map((p) => [dateTime(p.taken_at), word('consistency', p.consistency), word('state', p.state), bytes(p.size_bytes)])}/></div>`;
};
