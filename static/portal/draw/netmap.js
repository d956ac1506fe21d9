// SPDX-License-Identifier: Apache-2.0
// What a network is at other sites: it stands at the left, at the right each site with the network that failovers use there
// (arrow drawn through) and the one for tests (dashed). Below each other on a phone. The twin is a list.
import { html } from '../core/html.js';
import { t } from '../core/i18n.js';
import { fit } from './fit.js';
import { Twin, useWidth } from '../ui/parts.js';

const BOX = { w: 230, h: 62, gap: 14 };

const Node = ({ x, y, w, tone, dashed, head, text, foot }) => html`<g transform=${`translate(${x},${y})`}><rect class=${`node s-${tone} ${dashed ? 'dash' : ''}`} width=${w} height=${BOX.h} rx="8"/>
  <text x="12" y="19" class="muted">${fit(head, w - 20)}</text><text x="12" y="37" class="strong">${fit(text, w - 20, true)}</text><text x="12" y="54" class=${`f-${tone}`}>${fit(foot, w - 20)}</text></g>`;

const Way = ({ from, to, tone, dashed }) => {
  const mid = (from.x + to.x) / 2;
  return html`<g><path class=${`s-${tone} ${dashed ? 'dash' : ''}`} fill="none" d=${`M${from.x},${from.y} C${mid},${from.y} ${mid},${to.y} ${to.x - 8},${to.y}`}/><path class=${`f-${tone}`} d=${`M${to.x - 9},${to.y - 5} l9,5 l-9,5 z`}/></g>`;
};

/** @param {{ from: { site: string, name: string, vlan: string }, ends: { site: string, kind: 'real'|'test', name: string|null }[] }} props */
export const NetMap = ({ from, ends }) => {
  const { ref, width } = useWidth();
  const narrow = width < 2 * BOX.w + 60;
  const w = Math.min(BOX.w, width - 44);
  const rows = narrow ? ends.length + 1 : Math.max(1, ends.length);
  const left = { x: 2, y: narrow ? 2 : (rows * (BOX.h + BOX.gap) - BOX.gap - BOX.h) / 2 + 2 };
  const place = (i) => ({ x: narrow ? 40 : Math.min(width - w - 2, BOX.w + 220), y: (narrow ? i + 1 : i) * (BOX.h + BOX.gap) + 2 });
  const tone = (e) => (e.name ? (e.kind === 'test' ? 'test' : 'ok') : 'warning');
  const foot = (e) => `${e.name ? (e.kind === 'test' ? '◆' : '●') : '▲'} ${t(`netmap.${e.kind}`)}`;
  const says = ends.map((e) => `${e.site}, ${t(`netmap.${e.kind}`)}: ${e.name || t('netmap.none')}`).join('; ');
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${`${from.name}: ${says}`} width=${width} height=${rows * (BOX.h + BOX.gap)}>
    ${ends.map((e, i) => html`<${Way} from=${narrow ? { x: 20, y: left.y + BOX.h } : { x: left.x + w, y: left.y + BOX.h / 2 }} to=${{ x: place(i).x, y: place(i).y + BOX.h / 2 }} tone=${tone(e)} dashed=${e.kind === 'test'}/>`)}
    <${Node} ...${left} w=${w} tone="info" head=${from.site} text=${from.name} foot=${from.vlan}/>
    ${ends.map((e, i) => html`<${Node} ...${place(i)} w=${w} tone=${tone(e)} dashed=${e.kind === 'test'} head=${e.site} text=${e.name || t('netmap.none')} foot=${foot(e)}/>`)}</svg>`}
    <${Twin} head=${[t('site'), t('netmap.when'), t('netmap.becomes')]} rows=${ends.map((e) => [e.site, t(`netmap.${e.kind}`), e.name || t('netmap.none')])}/></div>`;
};
