// SPDX-License-Identifier: Apache-2.0
// A block of addresses as cells: used, held, quarantined, free; by shape as well as colour. Large blocks show one cell for
// several addresses.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { Twin, useWidth } from '../ui/parts.js';

const marks = { assigned: ['info', ''], reserved: ['test', '◆'], quarantined: ['warning', '/'], free: ['', ''] };
/** @param {{ prefix: string, total: number, taken: { index: number, count?: number, address: string, state: string, text: string }[] }} props count: addresses of a part */
export const IpMap = ({ prefix, total, taken }) => {
  const { ref, width } = useWidth();
  const cells = Math.min(total, 256);
  const per = total / cells;
  const columns = width > 520 ? 32 : 16;
  const size = Math.min(24, Math.floor((width - 2) / columns));
  const of = new Map(taken.flatMap((a) => Array.from({ length: Math.min(cells, Math.max(1, Math.ceil((a.count || 1) / per))) }, (_, i) => [Math.floor(a.index / per) + i, a])));
  const count = (state) => taken.filter((a) => a.state === state).length;
  const says = `${prefix}: ${['assigned', 'reserved', 'quarantined'].map((s) => `${count(s)} ${word('address', s)}`).join(', ')}`;
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${says} width=${width} height=${Math.ceil(cells / columns) * size + 4}>
    ${Array.from({ length: cells }, (_, i) => {
    const a = of.get(i);
    const [tone, mark] = marks[a?.state || 'free'] || marks.free;
    const x = (i % columns) * size;
    const y = Math.floor(i / columns) * size;
    return html`<g><title>${a ? `${a.address} ${word('address', a.state)} ${a.text}` : word('address', 'free')}</title><rect x=${x + 1} y=${y + 1} width=${size - 2} height=${size - 2} rx="2" class=${tone === 'info' ? 'f-info' : `node ${tone ? `s-${tone}` : ''}`}/>${mark && html`<text x=${x + size / 2} y=${y + size / 2 + 4} text-anchor="middle" class=${`f-${tone}`}>${mark}</text>`}</g>`;
  })}</svg>`}<p class="muted">${says} · ■ ${word('address', 'assigned')} ◆ ${word('address', 'reserved')} / ${word('address', 'quarantined')} □ ${word('address', 'free')}</p>
    <${Twin} head=${[t('address'), t('state'), t('note')]} rows=${taken.map((a) => [a.address, word('address', a.state), a.text])}/></div>`;
};
