// SPDX-License-Identifier: Apache-2.0
// The order in which the VMs of a plan start: a column for each group, from the first to the last, below each other on a
// phone. What a VM waits for inside its group stands on it in words. The twin is a list.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { fit } from './fit.js';
import { Twin, tone, useWidth } from '../ui/parts.js';

const BOX = { h: 58, gap: 10 };

/** Places of groups: beside each other while a column has room for words, else below each other. */
const layOut = (groups, width) => {
  const down = width < groups.length * 190;
  const w = down ? Math.min(width - 4, 360) : Math.min(240, (width - (groups.length - 1) * 34) / groups.length);
  let y = 0;
  const placed = groups.map((g, i) => {
    const h = 26 + g.members.length * (BOX.h + BOX.gap);
    const at = down ? { x: 2, y } : { x: i * (w + 34) + 2, y: 0 };
    if (down) y += h + 20;
    else y = Math.max(y, h);
    return { ...g, ...at, h };
  });
  return { down, w, placed, height: y + 4 };
};

const Between = ({ g, w, down }) => (down
  ? html`<path class="f-idle" d=${`M${g.x + 20},${g.y + g.h} l12,0 l-6,10 z`}/>`
  : html`<path class="f-idle" d=${`M${g.x + w + 12},${g.y + 40} l12,8 l-12,8 z`}/>`);

/** @param {{ members: { vm_id: string, name: string, group: number, after: string[], state: string, href?: string }[] }} props */
export const Lanes = ({ members }) => {
  const { ref, width } = useWidth();
  const numbers = [...new Set(members.map((m) => m.group))].sort((a, b) => a - b);
  const groups = numbers.map((n, i) => ({ title: t('plan.group', { n: i + 1 }), members: members.filter((m) => m.group === n) }));
  const { down, w, placed, height } = layOut(groups, width);
  const waits = (m) => (m.after.length ? t('plan.after', { names: m.after.join(', ') }) : '');
  const says = groups.map((g) => `${g.title}: ${g.members.map((m) => m.name).join(', ')}`).join('; ');
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${`${t('plan.order')}: ${says}`} width=${width} height=${height}>
    ${placed.map((g, i) => html`<g><text x=${g.x} y=${g.y + 14} class="strong">${g.title}</text>
      ${g.members.map((m, k) => html`<g transform=${`translate(${g.x},${g.y + 24 + k * (BOX.h + BOX.gap)})`}><rect class=${`node s-${tone(m.state).tone}`} width=${w} height=${BOX.h} rx="8"/>
        <text x="12" y="24" class="strong">${fit(m.name, w - 24, true)}</text><text x="12" y="44" class=${waits(m) ? 'muted' : `f-${tone(m.state).tone}`}>${fit(waits(m) || `${tone(m.state).shape} ${word('state', m.state)}`, w - 24)}</text></g>`)}
      ${i < placed.length - 1 && html`<${Between} g=${g} w=${w} down=${down}/>`}</g>`)}</svg>`}
    <${Twin} head=${[t('plan.group.head'), t('vm'), t('plan.after.head'), t('protection')]} rows=${groups.flatMap((g) => g.members.map((m) => [g.title, m.name, m.after.join(', '), word('state', m.state)]))}/></div>`;
};
