// SPDX-License-Identifier: Apache-2.0
// Policies of replication: the figures that machines are protected with, under a name that people know.
import { html, useSignal } from '../core/html.js';
import { get, remove } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { duration } from '../core/time.js';
import { List } from '../ui/list.js';
import { Choice, Empty, Text, TypedConfirm } from '../ui/parts.js';
import { Edit, Whose, owners, useCustomers } from './desk.js';

const path = '/v1/policies';
const mayChange = () => has('support_agent', 'support_engineer', 'support_lead', 'operator');

/** What of a policy a replication's form takes over; least and most are the server's. */
export const figures = [
  { field: 'schedule_interval_seconds', label: 'protect.interval', usual: 300, choices: [5, 30, 300, 900] },
  { field: 'recovery_points_kept', label: 'protect.kept', usual: 24, min: 0, max: 240 },
  { field: 'rpo_target_seconds', label: 'protect.rpo', hint: 'seconds', usual: 900, min: 5, max: 604800 },
  { field: 'rto_target_seconds', label: 'protect.rto', hint: 'seconds', usual: 3600, min: 1, max: 604800 },
];

/** One of them in a form. @param {{ of: any, value: any, problem?: string }} props value is a signal of text */
export const Figure = ({ of, value, problem }) => (of.choices
  ? html`<${Choice} id=${of.field} label=${t(of.label)} value=${value} options=${[...new Set([...of.choices, Number(value.value)])].map((n) => [String(n), duration(n)])} problem=${problem}/>`
  : html`<${Text} id=${of.field} label=${t(of.label)} hint=${of.hint ? t(of.hint) : ''} kind="number" min=${of.min} max=${of.max} value=${value} problem=${problem}/>`);

/** The policies that a machine of a customer may be protected with. @param {string|null} customer */
export const usePolicies = (customer) => (useData(`${path}?sort=name&limit=200`, ['policy.'], { all: true }).data.value?.data || []).filter((p) => !p.customer_id || p.customer_id === customer);

const EditPolicy = ({ of, onClose }) => {
  const name = useSignal(of.name || '');
  const note = useSignal(of.note || '');
  const customer = useSignal('');
  const customers = useCustomers();
  const all = useSignal(Object.fromEntries(figures.map((f) => [f.field, String(of[f.field] ?? f.usual)])));
  const one = (field) => ({ get value() { return all.value[field]; }, set value(v) { all.value = { ...all.value, [field]: v }; } });
  const body = () => ({ name: name.value, note: note.value || null, ...Object.fromEntries(figures.map((f) => [f.field, Number(all.value[f.field])])), ...(of.id ? {} : { customer_id: customer.value || null }) });
  return html`<${Edit} path=${path} of=${of} title=${t('rpolicy.new')} body=${body} onClose=${onClose}>${(wrong) => html`<${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Whose} of=${of} customer=${customer} options=${owners(customers)}/>
    ${figures.map((f) => html`<${Figure} of=${f} value=${one(f.field)} problem=${wrong[f.field]}/>`)}<${Text} id="note" label=${t('note')} value=${note} problem=${wrong.note}/>`}</${Edit}>`;
};

const drop = async (id) => remove(`${path}/${id}`, (await get(`${path}/${id}`)).version);

export const ReplicationPolicies = () => {
  const dialog = useSignal(/** @type {any} */ (null));
  const close = () => { dialog.value = null; };
  const open = (what, of) => () => { dialog.value = { what, of }; };
  const d = dialog.value;
  return html`<div class="bar"><h1>${t('page.rpolicies')}</h1>${mayChange() && html`<button class="primary" onClick=${open('edit', {})}>${t('rpolicy.new')}</button>`}</div><p class="muted">${t('rpolicy.text')}</p>
    ${d?.what === 'edit' && html`<${EditPolicy} of=${d.of} onClose=${close}/>`}
    ${d?.what === 'delete' && html`<${TypedConfirm} title=${t('desk.delete', { name: d.of.name })} text=${t('rpolicy.delete')} name=${d.of.name} label=${t('delete')} onYes=${() => drop(d.of.id)} onClose=${close}/>`}
    <${List} path=${path} topics=${['policy.']} fixed=${{ expand: 'customer' }} columns=${[
      { label: t('name'), sort: 'name', under: true, cell: (p) => p.name }, { label: t('desk.for'), folds: true, cell: (p) => p.customer?.name || t('desk.all') }, { label: t('schedule'), num: true, cell: (p) => duration(p.schedule_interval_seconds) },
      { label: t('protect.rpo'), num: true, cell: (p) => duration(p.rpo_target_seconds) }, { label: t('protect.rto'), num: true, cell: (p) => duration(p.rto_target_seconds) },
      { label: t('points.kept'), num: true, cell: (p) => p.recovery_points_kept },
      ...(mayChange() ? [{ label: t('actions'), cell: (p) => html`<span class="acts"><button type="button" aria-label=${`${t('change')}: ${p.name}`} onClick=${open('edit', p)}>${t('change')}</button><button type="button" class="danger" aria-label=${`${t('delete')}: ${p.name}`} onClick=${open('delete', p)}>${t('delete')}</button></span>` }] : [])]}
      empty=${html`<${Empty} title=${t('rpolicy.none')} text=${t('rpolicy.none.text')}/>`}/>`;
};
