// SPDX-License-Identifier: Apache-2.0
// Every chain as a dot: how old its newest point is, in parts of its target. What stands right of the line is too old; its
// dot is a square. The table has the latest first.
import { html } from '../core/html.js';
import { t } from '../core/i18n.js';
import { Twin, useWidth } from '../ui/parts.js';

const TOP = 3; // what is older stands at the edge
const columns = (dots, width, size) => {
  const seen = new Map();
  return dots.map((d) => {
    const x = 14 + (Math.min(d.part, TOP) / TOP) * (width - 28);
    const slot = Math.round(x / size);
    const n = seen.get(slot) || 0;
    seen.set(slot, n + 1);
    return { ...d, x: slot * size, n };
  });
};

/** @param {{ dots: { name: string, part: number }[] }} props part: age by target */
export const Dots = ({ dots }) => {
  const { ref, width } = useWidth();
  const sorted = [...dots].sort((a, b) => a.part - b.part);
  const rowsOf = (list) => Math.max(3, ...list.map((d) => d.n + 1));
  // where many stand above each other the dots are smaller
  const size = [12, 9, 7, 5, 4].find((s) => rowsOf(columns(sorted, width, s)) * s <= 300) || 3;
  const placed = columns(sorted, width, size);
  const rows = rowsOf(placed);
  const r = size / 3;
  const height = rows * size + 34;
  const late = dots.filter((d) => d.part > 1).length;
  const line = 14 + (width - 28) / TOP;
  const says = t('dots.about', { n: dots.length, late });
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${says} width=${width} height=${height}>
    <line class="grid-line" x1="8" x2=${width - 8} y1=${height - 24} y2=${height - 24}/><line class="s-warning dash" x1=${line} x2=${line} y1="2" y2=${height - 18}/>
    <text class="axis" x="14" y=${height - 6}>0</text><text class="axis" x=${line} y=${height - 6} text-anchor="middle">${t('rpo.target')}</text><text class="axis" x=${width - 8} y=${height - 6} text-anchor="end">× ${TOP}</text>
    ${placed.map((d) => html`<g><title>${`${d.name}: ${Math.round(d.part * 100)} %`}</title>${d.part > 1 ? html`<rect class="f-bad" x=${d.x - r} y=${height - 30 - r - d.n * size} width=${2 * r} height=${2 * r}/>` : html`<circle class="f-ok" cx=${d.x} cy=${height - 30 - d.n * size} r=${r}/>`}</g>`)}</svg>`}<p class="muted">${says}</p>
    <${Twin} head=${[t('vm'), t('dots.part')]} rows=${[...sorted].reverse().map((d) => [d.name, `${Math.round(d.part * 100)} %`])}/></div>`;
};
