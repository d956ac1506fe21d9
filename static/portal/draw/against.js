// SPDX-License-Identifier: Apache-2.0
// What was measured against what was promised: a bar each, the target as a line through it. What went beyond it
// has the tone and the shape of what is bad.
import { html } from '../core/html.js';
import { t } from '../core/i18n.js';
import { duration } from '../core/time.js';
import { fit } from './fit.js';
import { Twin, shape, useWidth } from '../ui/parts.js';

const ROW = 46;
const toneOf = (r) => (r.value > r.target ? 'bad' : 'ok');
const says = (r) => t('against.of', { value: duration(r.value), target: duration(r.target) });

/** @param {{ rows: { label: string, value: number, target: number }[] }} props in seconds */
export const Against = ({ rows }) => {
  const { ref, width } = useWidth();
  const bar = (r) => {
    const most = Math.max(r.value, r.target, 1) * 1.1;
    return { target: (r.target / most) * (width - 4) + 2, value: Math.max(2, (r.value / most) * (width - 4)) };
  };
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${rows.map((r) => `${r.label}: ${says(r)}`).join('; ')} width=${width} height=${rows.length * ROW}>
    ${rows.map((r, i) => html`<g transform=${`translate(0,${i * ROW})`}><text x="2" y="14" class=${`f-${toneOf(r)}`}>${fit(`${shape(toneOf(r))} ${r.label}: ${says(r)}`, width - 4)}</text><rect class=${`f-${toneOf(r)}`} x="2" y="22" width=${bar(r).value} height="10" rx="2"/><line class="s-warning dash" x1=${bar(r).target} x2=${bar(r).target} y1="18" y2="38"/></g>`)}</svg>`}
    <${Twin} head=${['', t('against.measured'), t('against.target')]} rows=${rows.map((r) => [r.label, duration(r.value), duration(r.target)])}/></div>`;
};
