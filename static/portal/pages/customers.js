// SPDX-License-Identifier: Apache-2.0
import { html, useSignal } from '../core/html.js';
import { patch, post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go } from '../core/router.js';
import { has } from '../core/store.js';
import { List } from '../ui/list.js';
import { Action, Choice, Dialog, Facts, Form, Loaded, Panel, State, Text, Toned, TypedConfirm, When, toast } from '../ui/parts.js';
import { operation } from './operation.js';

const zones = Intl.supportedValuesOf('timeZone').map((z) => [z, z]);
const NewCustomer = ({ onClose }) => {
  const name = useSignal('');
  const number = useSignal('');
  const zone = useSignal('Europe/London');
  return html`<${Dialog} title=${t('customers.new')} onClose=${onClose}><${Form} label=${t('create')} send=${() => post('/v1/customers', { name: name.value, account_number: number.value, time_zone: zone.value })} done=${(c) => { onClose(); go(`/app/customers/${c.id}`); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Text} id="number" label=${t('account-number')} value=${number} problem=${wrong.account_number}/><${Choice} id="zone" label=${t('time-zone')} value=${zone} options=${zones} problem=${wrong.time_zone}/>`}</${Form}></${Dialog}>`;
};

export const Customers = () => {
  const making = useSignal(false);
  return html`<div class="bar"><h1>${t('page.customers')}</h1>${has('operator', 'support_lead') && html`<button class="primary" onClick=${() => { making.value = true; }}>${t('customers.new')}</button>`}</div>
    ${making.value && html`<${NewCustomer} onClose=${() => { making.value = false; }}/>`}
    <${List} path="/v1/customers" topics=${['customer.']} open=${(c) => `/app/customers/${c.id}`} columns=${[
      { label: t('name'), sort: 'name', cell: (c) => html`<a href=${`/app/customers/${c.id}`}>${c.name}</a>` }, { label: t('account-number'), cell: (c) => c.account_number },
      { label: t('state'), cell: (c) => html`<${State} value=${c.state}/>` }, { label: t('time-zone'), cell: (c) => c.time_zone }]}/>`;
};

const addOns = ['hyperv_replica', 'extended_replication', 'cloud_replication', 'file_backup', 'dedicated_nas', 'dedicated_san', 'shared_san'];
const Subscribe = ({ id }) => {
  const kind = useSignal('managed');
  const chosen = useSignal(['hyperv_replica']);
  const flip = (a) => { chosen.value = chosen.value.includes(a) ? chosen.value.filter((x) => x !== a) : [...chosen.value, a]; };
  return html`<${Form} kind="" label=${t('customers.subscribe')} send=${() => post('/v1/subscriptions', { customer_id: id, kind: kind.value, add_ons: chosen.value })} done=${() => toast(t('saved'))}>${(wrong) => html`
    <${Choice} id="kind" label=${t('kind')} value=${kind} options=${[['managed', word('kind', 'managed')], ['unmanaged', word('kind', 'unmanaged')]]} problem=${wrong.kind}/>
    <fieldset><legend>${t('add-ons')}</legend>${addOns.map((a) => html`<label class="check"><input type="checkbox" checked=${chosen.value.includes(a)} onChange=${() => flip(a)}/>${word('add_on', a)}</label>`)}</fieldset>`}</${Form}>`;
};

// What there is of it, in numbers; most lead to where it stands.
const numbers = [['vms'], ['vms_running'], ['vms_replicated'], ['replications_critical', 'bad'], ['recovery_plans'], ['failovers_under_way', 'warning'], ['tickets_open'], ['ip_addresses'], ['users']];
const Numbers = ({ id }) => {
  const data = useData(`/v1/customers/${id}/summary`, ['vm.', 'replication.', 'ticket.', 'failover.', 'user.']);
  return html`<${Panel} title=${t('customer.numbers')}><${Loaded} of=${data}>${(s) => html`<${Facts} rows=${numbers.filter(([k]) => s[k] !== undefined).map(([k, tone]) => [t(`customer.${k}`), html`<b class="num">${tone && s[k] ? html`<${Toned} tone=${tone}>${s[k]}</${Toned}>` : s[k]}</b>`])}/>`}</${Loaded}></${Panel}>`;
};

// Of a customer that is served no more. What is still in use stands in the server's answer.
const Erase = ({ customer }) => {
  const asked = useSignal(false);
  const erase = async () => { await operation(`/v1/customers/${customer.id}/erase`, t('customer.erase'), { name: customer.name }); go('/app/customers'); };
  return html`<button class="danger" onClick=${() => { asked.value = true; }}>${t('customer.erase')}</button>
    ${asked.value && html`<${TypedConfirm} title=${t('customer.erase')} text=${t('customer.erase.text')} name=${customer.name} label=${t('customer.erase')} onYes=${erase} onClose=${() => { asked.value = false; }}/>`}`;
};

export const Customer = ({ id }) => {
  const data = useData(`/v1/customers/${id}`, ['customer.']);
  const subscriptions = useData(`/v1/subscriptions?customer_id=${id}&limit=50`, ['subscription.']);
  const features = useData(`/v1/customers/${id}/features`, ['subscription.', 'vm.']);
  return html`<${Loaded} page of=${data}>${(c) => html`<div class="bar"><h1>${c.name}</h1><${State} value=${c.state}/>
      ${has('support_lead', 'operator') && (c.state === 'suspended' ? html`<${Action} label=${t('resume')} onPress=${() => post(`/v1/customers/${id}/resume`)}/>` : c.state === 'active' && html`<${Action} label=${t('suspend')} kind="danger" onPress=${() => post(`/v1/customers/${id}/suspend`)}/>`)}
      ${has('operator') && !['active', 'onboarding'].includes(c.state) && html`<${Erase} customer=${c}/>`}</div>
    <${Numbers} id=${id}/><div class="grid"><${Panel} title=${t('facts')}><${Facts} rows=${[[t('account-number'), c.account_number], [t('time-zone'), c.time_zone], [t('created'), html`<${When} at=${c.created_at}/>`], ['ID', html`<span class="mono">${c.id}</span>`]]}/></${Panel}>
    <${Panel} title=${t('features')}><${Loaded} of=${features}>${(f) => html`<ul class="steps">${f.data.map((x) => html`<li><span class="grow">${word('feature', x.feature)}</span><${State} value=${x.state} tone=${x.state === 'entitled' ? 'ok' : 'idle'}/>${x.reason && html`<span class="why">${x.reason}</span>`}</li>`)}</ul>`}</${Loaded}></${Panel}>
    <${Panel} title=${t('subscriptions')}><${Loaded} of=${subscriptions}>${(s) => html`<ul class="steps">${s.data.map((x) => html`<li><span class="grow">${word('kind', x.kind)}: ${x.add_ons.map((a) => word('add_on', a)).join(', ') || t('none')}</span><${State} value=${x.state}/></li>`)}</ul>`}</${Loaded}>${has('operator', 'support_lead') && html`<${Subscribe} id=${id}/>`}</${Panel}></div>`}</${Loaded}>`;
};
export { patch };
