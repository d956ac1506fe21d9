// SPDX-License-Identifier: Apache-2.0
// Primary -> replica -> extended replica: three boxes, lag on the arrows, who plays which part by letter, shape and word.
// A leg with `back` is drawn the other way. Laid out for the width there is: in a row, or one below the other on a phone. A test copy hangs below its replica.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { fit } from './fit.js';
import { Twin, shape, tone, useWidth } from '../ui/parts.js';

const BOX = { w: 220, h: 78 };
const LETTER = 7; // about as wide as one is
const MOST = 260; // for words on an arrow

const Node = ({ x, y, w, node }) => {
  const state = node.tone || tone(node.state).tone;
  const rows = [[`${node.letter} · ${node.host}`, 'strong'], [node.text, 'muted'], [`${shape(state)} ${word('state', node.state)}`, `f-${state}`]];
  return html`<g transform=${`translate(${x},${y})`}><title>${rows.map(([text]) => text).join(', ')}</title><rect class=${`node s-${state} ${node.dashed ? 'dash' : ''}`} width=${w} height=${BOX.h} rx="8"/>
    ${rows.map(([text, look], i) => html`<text x="12" y=${24 + i * 20} class=${look}>${fit(text, w - 20, look === 'strong')}</text>`)}</g>`;
};

const Arrow = ({ from, to, down, leg, wide }) => {
  const state = leg.tone || tone(leg.state).tone;
  const dash = ['replicating', 'reversing'].includes(leg.state) ? '' : 'dash';
  const mid = down ? { x: from.x + 12, y: (from.y + to.y) / 2 + 4 } : { x: (from.x + to.x) / 2, y: from.y - 8 };
  const end = leg.back ? from : to;
  const way = leg.back ? -1 : 1;
  const head = down ? `M${end.x - 5},${end.y - 8 * way} l5,${8 * way} l5,${-8 * way} z` : `M${end.x - 8 * way},${end.y - 5} l${8 * way},5 l${-8 * way},5 z`;
  return html`<g><path class=${`s-${state} ${dash}`} fill="none" d=${`M${from.x},${from.y} L${to.x},${to.y}`}/><path class=${`f-${state}`} d=${head}/>
    <text x=${mid.x} y=${mid.y} text-anchor=${down ? 'start' : 'middle'}>${fit(leg.label, down ? wide - mid.x : to.x - from.x)}</text></g>`;
};

/** @param {{ nodes: {letter: string, host: string, text: string, state: string, tone?: string, dashed?: boolean}[], legs: {state: string, label: string, tone?: string, back?: boolean}[], test?: any, label?: string }} props */
export const Chain = ({ nodes, legs, test, label }) => {
  const { ref, width } = useWidth();
  const room = Math.max(90, ...legs.map((l) => Math.min(MOST, l.label.length * LETTER + 20))); // for what stands on the arrows
  const down = width < nodes.length * 170 + (nodes.length - 1) * room;
  const w = down ? Math.min(width - 4, 340) : Math.min(BOX.w, (width - (nodes.length - 1) * room) / nodes.length);
  const gap = down ? 44 : nodes.length > 1 ? (width - nodes.length * w - 4) / (nodes.length - 1) : 0;
  const place = (i) => (down ? { x: 2, y: i * (BOX.h + gap) + 2 } : { x: i * (w + gap) + 2, y: 22 });
  const height = (down ? nodes.length * (BOX.h + gap) - gap + 4 : BOX.h + 34) + (test ? BOX.h + 24 : 0);
  const says = nodes.map((n) => `${n.letter} ${n.host}: ${word('state', n.state)}`).join(', ');
  return html`<div ref=${ref}>${width > 0 && html`<svg class="picture" role="img" aria-label=${`${label || t('chain')}: ${says}`} width=${width} height=${height}>
    ${legs.map((leg, i) => {
    const a = place(i);
    const b = place(i + 1);
    return down ? html`<${Arrow} down wide=${width} leg=${leg} from=${{ x: a.x + 40, y: a.y + BOX.h }} to=${{ x: b.x + 40, y: b.y }}/>` : html`<${Arrow} leg=${leg} from=${{ x: a.x + w + 6, y: a.y + BOX.h / 2 }} to=${{ x: b.x - 6, y: b.y + BOX.h / 2 }}/>`;
  })}${nodes.map((n, i) => html`<${Node} ...${place(i)} w=${w} node=${n}/>`)}
    ${test && html`<${Node} x=${down ? 2 : place(1).x} y=${height - BOX.h - 4} w=${w} node=${{ ...test, tone: 'test', dashed: true }}/>`}</svg>`}
    <${Twin} head=${[t('role'), t('host'), t('state'), t('lag')]} rows=${nodes.map((n, i) => [n.letter, n.host, word('state', n.state), i ? legs[i - 1].label : ''])}/></div>`;
};
