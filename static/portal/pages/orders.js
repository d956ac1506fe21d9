// SPDX-License-Identifier: Apache-2.0
// Standing orders: what a customer's approver has agreed to beforehand.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { List } from '../ui/list.js';
import { Area, Choice, Dialog, Empty, Form, State, Text, When, toast } from '../ui/parts.js';

const DAY = 86400000;
const kinds = ['unplanned', 'test'];
const listed = (data) => data.data.value?.data || [];

const Give = ({ onClose }) => {
  const plans = useData('/v1/recovery-plans?sort=name&limit=200');
  const vms = useData('/v1/vms?sort=name&limit=200');
  const name = useSignal('');
  const kind = useSignal('unplanned');
  const plan = useSignal('');
  const chosen = useSignal(/** @type {string[]} */ ([]));
  const statement = useSignal('');
  const days = useSignal('90');
  const chain = useSignal('unsaid');
  const pick = (id) => (e) => { chosen.value = e.currentTarget.checked ? [...chosen.value, id] : chosen.value.filter((v) => v !== id); };
  const body = () => ({ name: name.value, kind: kind.value, statement: statement.value, expires_at: new Date(Date.now() + Number(days.value) * DAY).toISOString(),
    ...(kind.value === 'unplanned' ? { outage_classes: ['site_outage'], chain: chain.value } : {}), ...(plan.value ? { plan_id: plan.value } : { vm_ids: chosen.value }) });
  return html`<${Dialog} title=${t('order.new')} onClose=${onClose}><p class="note warning">${t(`order.text.${kind.value}`)}</p>
    <${Form} label=${t('order.give')} send=${() => post('/v1/standing-orders', body())} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/>
    <${Choice} id="kind" label=${t('kind')} value=${kind} options=${kinds.map((k) => [k, t(`order.kind.${k}`)])} problem=${wrong.kind}/>
    <${Choice} id="plan" label=${t('page.plan')} value=${plan} options=${[['', kind.value === 'test' ? '—' : t('request.plan.none')], ...listed(plans).map((p) => [p.id, p.name])]} problem=${wrong.plan_id}/>
    ${kind.value === 'unplanned' && !plan.value && html`<fieldset><legend>${t('vms')}</legend>${listed(vms).map((v) => html`<label class="check" key=${v.id}><input type="checkbox" checked=${chosen.value.includes(v.id)} onChange=${pick(v.id)}/>${v.name}</label>`)}${wrong.vm_ids && html`<p class="field-problem">${wrong.vm_ids}</p>`}</fieldset>`}
    ${kind.value === 'unplanned' && html`<${Choice} id="chain" label=${t('request.chain')} value=${chain} options=${[['unsaid', t('order.chain.none')], ...['keep', 'reverse'].map((c) => [c, t(`request.chain.${c}`)])]} problem=${wrong.chain}/>`}
    <${Area} id="statement" label=${t('order.statement')} value=${statement} problem=${wrong.statement}/>
    <${Text} id="days" label=${t('order.days')} kind="number" min="1" max="366" value=${days} problem=${wrong.expires_at}/>`}</${Form}></${Dialog}>`;
};

const Revoke = ({ order, onClose }) => {
  const reason = useSignal('');
  return html`<${Dialog} title=${t('order.revoke.title', { name: order.name })} onClose=${onClose}><p>${t('order.revoke.text')}</p>
    <${Form} label=${t('revoke')} kind="danger" send=${() => post(`/v1/standing-orders/${order.id}/revoke`, { reason: reason.value })} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <${Text} id="reason" label=${t('reason')} value=${reason} problem=${wrong.reason}/>`}</${Form}></${Dialog}>`;
};

export const Orders = () => {
  const dialog = useSignal(/** @type {any} */ (null));
  const plans = useData('/v1/recovery-plans?limit=200');
  const close = () => { dialog.value = null; };
  const open = (kind, order) => () => { dialog.value = { kind, order }; };
  const covers = (o) => (o.plan_id ? listed(plans).find((p) => p.id === o.plan_id)?.name || t('page.plan') : t('vms.count', { n: o.vm_ids.length }));
  const mayEnd = has('customer_approver', 'customer_admin', 'support_lead');
  const d = dialog.value;
  return html`<div class="bar"><h1>${t('page.orders')}</h1>${has('customer_approver', 'customer_admin') && html`<button class="primary" onClick=${open('give')}>${t('order.new')}</button>`}</div>
    ${d?.kind === 'give' && html`<${Give} onClose=${close}/>`}${d?.kind === 'revoke' && html`<${Revoke} order=${d.order} onClose=${close}/>`}
    <${List} path="/v1/standing-orders" topics=${['standing_order.']} fixed=${{ sort: '-created_at' }} customers columns=${[
      { label: t('name'), under: true, cell: (o) => o.name }, { label: t('kind'), folds: true, cell: (o) => t(`order.kind.${o.kind}`) }, { label: t('order.covers'), cell: covers },
      { label: t('order.given'), folds: true, cell: (o) => o.given_by_name }, { label: t('order.until'), folds: true, cell: (o) => html`<${When} at=${o.expires_at}/>` },
      { label: t('state'), cell: (o) => html`<${State} group="standing_state" value=${o.state} tone=${o.state === 'in_force' ? 'ok' : 'idle'}/>` },
      ...(mayEnd ? [{ label: t('actions'), cell: (o) => o.state === 'in_force' && html`<button class="danger" onClick=${open('revoke', o)}>${t('revoke')}</button>` }] : [])]}
      empty=${html`<${Empty} title=${t('order.none')} text=${t('order.none.text')}/>`}/>`;
};
