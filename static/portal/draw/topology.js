// SPDX-License-Identifier: Apache-2.0
// Sites as boxes, their hosts inside, VMs counted by state on each: drawn for the width there is; the twin is a list.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { go } from '../core/router.js';
import { fit } from './fit.js';
import { Twin, tone, useWidth } from '../ui/parts.js';

const HOST = { w: 190, h: 62, gap: 10 };
/** @param {{ sites: { name: string, hosts: { id: string, name: string, state: string, text: string }[] }[], links?: boolean }} props links: hosts lead to their pages */
export const Topology = ({ sites, links = true }) => {
  const way = (h) => (links ? { role: 'link', tabindex: '0', style: { cursor: 'pointer' }, onClick: () => go(`/app/hosts/${h.id}`), onKeyDown: (e) => { if (e.key === 'Enter') go(`/app/hosts/${h.id}`); } } : {});
  const { ref, width } = useWidth();
  const columns = Math.max(1, Math.floor((width - 20) / (HOST.w + HOST.gap)));
  const w = columns === 1 ? Math.max(60, width - 22) : HOST.w;
  let y = 0;
  const placed = sites.map((s) => {
    const rows = Math.max(1, Math.ceil(s.hosts.length / columns));
    const box = { y, h: 40 + rows * (HOST.h + HOST.gap) };
    y += box.h + 16;
    return { ...s, box };
  });
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role=${links ? 'group' : 'img'} aria-label=${t('topology')} width=${width} height=${y}>${placed.map((s) => html`<g>
    <rect x="1" y=${s.box.y + 1} width=${width - 2} height=${s.box.h} rx="8" class="node" style=${{ fill: 'none' }}/><text x="12" y=${s.box.y + 24} class="strong">${fit(s.name, width - 24, true)}</text>
    ${s.hosts.map((h, i) => html`<g ...${way(h)} transform=${`translate(${10 + (i % columns) * (HOST.w + HOST.gap)},${s.box.y + 36 + Math.floor(i / columns) * (HOST.h + HOST.gap)})`}>
      <rect width=${w} height=${HOST.h} rx="6" class=${`node s-${tone(h.state).tone}`}/><title>${`${h.name}: ${word('state', h.state)}, ${h.text}`}</title><text x="10" y="20" class="strong">${fit(h.name, w - 16, true)}</text><text x="10" y="37" class=${`f-${tone(h.state).tone}`}>${fit(`${tone(h.state).shape} ${word('state', h.state)}`, w - 16)}</text><text x="10" y="54" class="muted">${fit(h.text, w - 16)}</text></g>`)}</g>`)}</svg>`}
    <${Twin} head=${[t('site'), t('host'), t('state'), t('vms')]} rows=${sites.flatMap((s) => s.hosts.map((h) => [s.name, h.name, word('state', h.state), h.text]))}/></div>`;
};
