// SPDX-License-Identifier: Apache-2.0
// Parts of a whole as a ring, with the words for them beside it and its table below; and a line of small values.
import { html } from '../core/html.js';
import { t } from '../core/i18n.js';
import { Twin } from '../ui/parts.js';

const arc = (r, from, to) => {
  const p = (a) => `${20 + r * Math.sin(a * 2 * Math.PI)},${20 - r * Math.cos(a * 2 * Math.PI)}`;
  if (to - from >= 0.9999) return `M20,${20 - r} A${r},${r} 0 1 1 19.99,${20 - r}`;
  return `M${p(from)} A${r},${r} 0 ${to - from > 0.5 ? 1 : 0} 1 ${p(to)}`;
};
/** @param {{ parts: { n: number, tone: string, label: string }[], label: string, children?: any }} props children stand beside it */
export const Ring = ({ parts, label, children }) => {
  const sum = parts.reduce((s, p) => s + p.n, 0);
  let at = 0;
  return html`<div class="ring"><svg class="picture" role="img" aria-label=${`${label}: ${parts.map((p) => `${p.n} ${p.label}`).join(', ')}`} viewBox="0 0 40 40" style=${{ width: '72px', height: '72px', flex: 'none' }}>
    <circle cx="20" cy="20" r="16" fill="none" class="grid-line" stroke-width="6"/>
    ${sum > 0 && parts.filter((p) => p.n).map((p) => {
    const from = at;
    at += p.n / sum;
    return html`<path d=${arc(16, from, at)} fill="none" class=${`s-${p.tone}`} style=${{ strokeWidth: 6 }}/>`;
  })}</svg><div>${children}</div></div><${Twin} head=${[t('state'), t('number-of')]} rows=${parts.map((p) => [p.label, p.n])}/>`;
};
/** @param {{ values: number[], label: string, width?: number, tone?: string }} props */
export const Spark = ({ values, label, width = 96, tone = 'info' }) => {
  const most = Math.max(...values, 1);
  const points = values.map((v, i) => `${(i / Math.max(1, values.length - 1)) * (width - 4) + 2},${22 - (v / most) * 20}`).join(' ');
  return html`<svg class="picture" role="img" aria-label=${label} width=${width} height="24" style=${{ width: `${width}px` }}><polyline fill="none" class=${`s-${tone}`} points=${points}/></svg>`;
};
