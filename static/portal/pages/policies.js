// SPDX-License-Identifier: Apache-2.0
// Approval policies: how many people must say yes to what, and a trial of one on a ticket that is there.
import { html, useSignal } from '../core/html.js';
import { get, patch, post, remove } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, isStaff } from '../core/store.js';
import { duration } from '../core/time.js';
import { List } from '../ui/list.js';
import { Choice, Dialog, Empty, Facts, Form, Panel, State, Text, TypedConfirm, toast } from '../ui/parts.js';
import { types } from './tickets.js';

const mayChange = () => has('customer_admin', 'support_lead');
const kinds = ['none', 'test', 'planned', 'unplanned'];
const kindName = (k) => (k === 'none' ? t('policy.every-kind') : t(`kind.${k}.title`));

const Edit = ({ policy, onClose }) => {
  const s = (value) => useSignal(String(value));
  const name = s(policy?.name || '');
  const type = s(policy?.ticket_type || 'failover');
  const kind = s(policy?.failover_kind || 'planned');
  const severity = s(policy?.least_severity || 'low');
  const customer = s(policy?.customer_approvals ?? 1);
  const staff = s(policy?.staff_approvals ?? 1);
  const sum = s(policy?.approvals ?? 2);
  const requester = s(policy?.requester || 'one_of');
  const hours = s((policy?.expires_after_seconds ?? 86400) / 3600);
  const enabled = useSignal(policy?.enabled ?? true);
  const body = () => ({ name: name.value, least_severity: severity.value, customer_approvals: Number(customer.value), staff_approvals: Number(staff.value), approvals: Number(sum.value), requester: requester.value, expires_after_seconds: Math.round(Number(hours.value) * 3600), enabled: enabled.value,
    ...(policy ? {} : { ticket_type: type.value, ...(type.value === 'failover' ? { failover_kind: kind.value } : {}) }) });
  const send = () => (policy ? patch(`/v1/approval-policies/${policy.id}`, body(), policy.version) : post('/v1/approval-policies', body()));
  const number = (id, value, problem) => html`<${Text} id=${id} label=${t(`policy.${id}`)} kind="number" min="0" value=${value} problem=${problem}/>`;
  return html`<${Dialog} title=${policy ? policy.name : t('policy.new')} onClose=${onClose}><${Form} label=${t('save')} send=${send} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/>
    ${!policy && html`<${Choice} id="type" label=${t('type')} value=${type} options=${types.map((x) => [x, word('ticket_type', x)])} problem=${wrong.ticket_type}/>`}
    ${!policy && type.value === 'failover' && html`<${Choice} id="kind" label=${t('kind')} value=${kind} options=${kinds.map((k) => [k, kindName(k)])} problem=${wrong.failover_kind}/>`}
    <${Choice} id="severity" label=${t('policy.severity')} value=${severity} options=${['low', 'normal', 'high', 'urgent'].map((x) => [x, word('severity', x)])} problem=${wrong.least_severity}/>
    ${number('customer', customer, wrong.customer_approvals)}${number('staff', staff, wrong.staff_approvals)}${number('sum', sum, wrong.approvals)}
    <${Choice} id="requester" label=${t('policy.requester')} value=${requester} options=${['alone', 'one_of', 'never'].map((r) => [r, t(`policy.requester.${r}`)])} problem=${wrong.requester}/>
    ${number('hours', hours, wrong.expires_after_seconds)}
    <label class="check"><input type="checkbox" checked=${enabled.value} onChange=${(e) => { enabled.value = e.currentTarget.checked; }}/>${t('policy.enabled')}</label>`}</${Form}></${Dialog}>`;
};

const Try = ({ policy, onClose }) => {
  const tickets = useData(`/v1/tickets?type=${policy.ticket_type}&sort=-number&limit=50`);
  const ticket = useSignal('');
  const found = useSignal(/** @type {any} */ (null));
  return html`<${Dialog} title=${t('policy.try.title', { name: policy.name })} onClose=${onClose}><${Form} label=${t('policy.try')} kind="primary" send=${() => post(`/v1/approval-policies/${policy.id}/evaluate`, { ticket_id: ticket.value })} done=${(e) => { found.value = e; }}>${(wrong) => html`
    <${Choice} id="ticket" label=${t('page.ticket')} value=${ticket} options=${[['', '—'], ...(tickets.data.value?.data || []).map((x) => [x.id, `${x.number} ${x.subject}`])]} problem=${wrong.ticket_id}/>`}</${Form}>
    ${found.value && html`<p class=${found.value.applies ? 'ok' : 'muted'} role="status">${found.value.applies ? `● ${t('policy.applies')}` : `○ ${t('policy.applies-not')}`}</p><${Facts} rows=${[[t('policy.customer'), `${found.value.customer_given} / ${found.value.customer_needed}`], [t('policy.staff'), `${found.value.staff_given} / ${found.value.staff_needed}`], [t('policy.sum'), `${found.value.customer_given + found.value.staff_given} / ${found.value.needed}`], [t('policy.enough'), found.value.enough ? t('yes') : t('no')], [t('policy.requester'), t(`policy.requester.${found.value.requester}`)]]}/>`}</${Dialog}>`;
};

// Whoever typed the name means the policy as it is now, also when the row is not that new yet.
const drop = async (id) => remove(`/v1/approval-policies/${id}`, (await get(`/v1/approval-policies/${id}`)).version);

export const Policies = () => {
  const dialog = useSignal(/** @type {any} */ (null));
  const close = () => { dialog.value = null; };
  const open = (kind, policy) => () => { dialog.value = { kind, policy }; };
  const own = (p) => mayChange() && (isStaff.value || p.customer_id);
  const d = dialog.value;
  return html`<div class="bar"><h1>${t('page.policies')}</h1>${mayChange() && html`<button class="primary" onClick=${open('edit')}>${t('policy.new')}</button>`}</div>
    <${Panel} title=${t('policy.least')}><p>${t('policy.least.text')}</p></${Panel}>
    ${d?.kind === 'edit' && html`<${Edit} policy=${d.policy} onClose=${close}/>`}${d?.kind === 'try' && html`<${Try} policy=${d.policy} onClose=${close}/>`}
    ${d?.kind === 'delete' && html`<${TypedConfirm} title=${t('policy.delete')} text=${t('policy.delete.text')} name=${d.policy.name} label=${t('delete')} onYes=${() => drop(d.policy.id)} onClose=${close}/>`}
    <${List} path="/v1/approval-policies" topics=${['approval_policy.']} columns=${[
      { label: t('name'), sort: 'name', under: true, cell: (p) => p.name }, { label: t('policy.for'), folds: true, cell: (p) => `${word('ticket_type', p.ticket_type)}${p.ticket_type === 'failover' ? ` · ${kindName(p.failover_kind)}` : ''}` },
      { label: t('policy.customer'), num: true, cell: (p) => p.customer_approvals }, { label: t('policy.staff'), num: true, cell: (p) => p.staff_approvals }, { label: t('policy.sum'), num: true, cell: (p) => p.approvals },
      { label: t('policy.requester'), folds: true, cell: (p) => t(`policy.requester.${p.requester}`) }, { label: t('policy.counts'), cell: (p) => duration(p.expires_after_seconds) }, { label: t('state'), folds: true, cell: (p) => html`<${State} value=${p.enabled ? 'active' : 'off'}/>` },
      ...(mayChange() ? [{ label: t('actions'), cell: (p) => html`<span class="acts"><button onClick=${open('try', p)}>${t('policy.try')}</button>${own(p) && html`<button onClick=${open('edit', p)}>${t('change')}</button><button class="danger" onClick=${open('delete', p)}>${t('delete')}</button>`}</span>` }] : [])]}
      empty=${html`<${Empty} title=${t('policy.none')} text=${t('policy.none.text')}/>`}/>`;
};
