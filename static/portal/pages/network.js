// SPDX-License-Identifier: Apache-2.0
// Blocks of addresses, and one of them as a picture and a list.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, isStaff } from '../core/store.js';
import { IpMap } from '../draw/ipmap.js';
import { List } from '../ui/list.js';
import { Action, Empty, Facts, Form, Loaded, Panel, State, Text, toast } from '../ui/parts.js';

export const Network = () => html`<div class="bar"><h1>${t('page.network')}</h1></div>
  <${List} path="/v1/ip-blocks" customers topics=${['ip_block.']} open=${(b) => `/app/network/${b.id}`} filters=${[{ name: 'kind', label: t('kind'), options: ['public', 'private'].map((k) => [k, word('kind', k)]) }]} columns=${[
    { label: t('prefix'), cell: (b) => html`<a class="mono" href=${`/app/network/${b.id}`}>${b.prefix}</a>` },
    { label: t('kind'), cell: (b) => word('kind', b.kind) },
    { label: t('note'), cell: (b) => b.note || '' },
  ]} empty=${html`<${Empty} title=${t('network.none')} text=${t('network.none.text')}/>`}/>`;

const number = (address) => {
  if (!address.includes(':')) return address.split('.').reduce((n, part) => n * 256n + BigInt(part), 0n);
  const [left, right] = address.split('::');
  const a = left ? left.split(':') : [];
  const b = right ? right.split(':') : [];
  return [...a, ...Array(Math.max(0, 8 - a.length - b.length)).fill('0'), ...b].reduce((n, part) => n * 65536n + BigInt(`0x${part || 0}`), 0n);
};
const sizeOf = (prefix) => {
  const [base, length] = prefix.split('/');
  return { first: number(base), total: 2n ** BigInt((base.includes(':') ? 128 : 32) - Number(length)) };
};

const Take = ({ block }) => {
  const note = useSignal('');
  return html`<${Form} kind="" label=${t('network.take')} send=${() => post(`/v1/ip-blocks/${block.id}/allocate-address`, note.value ? { note: note.value } : {})} done=${(a) => { note.value = ''; toast(t('network.taken', { address: a.address })); }}>
    ${(wrong) => html`<${Text} id="note" label=${t('note')} value=${note} problem=${wrong.note}/>`}</${Form}>`;
};

// A part of a block stands for all its addresses.
const cellsOf = (first, map) => (map?.cells || []).map((c) => {
  const part = c.kind === 'block' ? sizeOf(c.range) : { first: number(c.range), total: 1n };
  return { index: Number(part.first - first), count: Number(part.total), address: c.range, state: c.state, text: c.kind === 'block' ? t('network.part') : '' };
});

// What may follow on a state (api/addresses.c); only the provider takes one out of use.
const moves = { reserved: ['assign', 'release'], assigned: ['release'] };
const Moves = ({ a }) => {
  const ops = [...(moves[a.state] || []), ...(isStaff.value && moves[a.state] ? ['quarantine'] : [])];
  return html`<span class="acts">${ops.map((op) => html`<${Action} key=${op} label=${t(`network.${op}`)} onPress=${async () => { await post(/** @type {any} */ (`/v1/ip-addresses/${a.id}/${op}`)); toast(t('saved')); }}/>`)}</span>`;
};
const takers = ['support_agent', 'support_engineer', 'support_lead', 'operator', 'customer_operator', 'customer_approver', 'customer_admin'];
const byAddress = (a, b) => (number(a.address) < number(b.address) ? -1 : 1);

export const Block = ({ id }) => {
  const block = useData(`/v1/ip-blocks/${id}`, ['ip_block.']);
  const map = useData(`/v1/ip-blocks/${id}/map`, ['ip_address.', 'ip_block.']);
  return html`<${Loaded} page of=${block}>${(b) => {
    const { first, total } = sizeOf(b.prefix);
    const taken = cellsOf(first, map.data.value);
    return html`<div class="bar"><h1 class="mono">${b.prefix}</h1></div>
      <${Panel} title=${t('network.map')}><${IpMap} prefix=${b.prefix} total=${Number(total > 1n << 40n ? 1n << 40n : total)} taken=${taken}/>${map.data.value && !map.data.value.complete && html`<p class="muted">${t('network.map.part')}</p>`}</${Panel}>
      <${Panel} title=${t('facts')}><${Facts} rows=${[[t('kind'), word('kind', b.kind)], [t('gateway'), b.gateway || t('none')], [t('note'), b.note || t('none')]]}/>
        ${has(...takers) && html`<${Take} block=${b}/>`}</${Panel}>
      <${Panel} title=${t('network.addresses')}><${List} path="/v1/ip-addresses" topics=${['ip_address.']} fixed=${{ block_id: id, expand: 'vm', limit: '200' }} order=${byAddress} columns=${[
        { label: t('address'), cell: (a) => html`<span class="mono">${a.address}</span>` }, { label: t('state'), cell: (a) => html`<${State} group="address" value=${a.state}/>` },
        { label: t('vm'), cell: (a) => (a.vm ? html`<a href=${`/app/vms/${a.vm_id}`}>${a.vm.name}</a>` : '') }, { label: t('purpose'), cell: (a) => word('purpose', a.purpose) }, { label: t('note'), cell: (a) => a.note || '' },
        ...(has(...takers) ? [{ label: t('actions'), cell: (a) => html`<${Moves} a=${a}/>` }] : [])]}/></${Panel}>`;
  }}</${Loaded}>`;
};
