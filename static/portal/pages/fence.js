// SPDX-License-Identifier: Apache-2.0
// What can switch a host off, so that its VMs may start elsewhere: said, asked, forgotten. The password is never shown.
import { html, useSignal } from '../core/html.js';
import { call, remove } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { Action, Ago, Choice, Dialog, Facts, Form, Loaded, Panel, State, Text, TypedConfirm, toast } from '../ui/parts.js';
import { operation } from './operation.js';

const agents = ['fence_ipmilan', 'fence_redfish', 'fence_apc', 'fence_apc_snmp', 'fence_eaton_snmp', 'fence_raritan', 'fence_virsh'];
// Fields that are text, and those that are numbers; empty is null.
const texts = ['address', 'plug', 'username'];
const numbers = ['port', 'cipher_suite'];
const flags = ['separate_power', 'tls_unverified'];

const Edit = ({ path, old, host, onClose }) => {
  const agent = useSignal(old?.agent || agents[0]);
  const password = useSignal('');
  const said = useSignal(Object.fromEntries([...texts, ...numbers].map((f) => [f, String(old?.[f] ?? '')])));
  const set = useSignal(Object.fromEntries(flags.map((f) => [f, Boolean(old?.[f])])));
  const one = (f) => ({ get value() { return said.value[f]; }, set value(v) { said.value = { ...said.value, [f]: v }; } });
  const body = () => ({ agent: agent.value, ...set.value, ...Object.fromEntries(texts.map((f) => [f, said.value[f] || null])), ...Object.fromEntries(numbers.map((f) => [f, said.value[f] ? Number(said.value[f]) : null])), ...(password.value ? { password: password.value } : {}) });
  return html`<${Dialog} title=${t('fence.of', { host: host.name })} onClose=${onClose}><${Form} label=${t('save')} send=${() => call('PUT', path, body(), old ? { match: old.version } : {})} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <${Choice} id="agent" label=${t('fence.agent')} value=${agent} options=${agents.map((a) => [a, t(`fence.${a}`)])} problem=${wrong.agent}/>
    ${[...texts, ...numbers].map((f) => html`<${Text} key=${f} id=${f} label=${t(`fence.${f}`)} hint=${t(`fence.${f}.hint`)} kind=${numbers.includes(f) ? 'number' : 'text'} value=${one(f)} problem=${wrong[f]}/>`)}
    <${Text} id="fence-password" label=${t('password')} hint=${t(old ? 'fence.password.kept' : 'fence.password.hint')} kind="password" autocomplete="new-password" value=${password} problem=${wrong.password}/>
    <br/>${flags.map((f) => html`<label class="check" key=${f}><input type="checkbox" checked=${set.value[f]} onChange=${() => { set.value = { ...set.value, [f]: !set.value[f] }; }}/>${t(`fence.${f}`)}</label>`)}`}</${Form}></${Dialog}>`;
};

/** @param {{ host: any }} props */
export const Fence = ({ host }) => {
  const path = /** @type {'/v1/hosts/{id}/fence-device'} */ (`/v1/hosts/${host.id}/fence-device`);
  const device = useData(path, ['fence_device.', 'host.']);
  const dialog = useSignal('');
  const close = () => { dialog.value = ''; device.reload(); };
  const none = device.problem.value?.status === 404;
  const old = none ? undefined : device.data.value;
  const may = has('support_lead', 'operator');
  const ask = async () => { try { await operation(`${path}/test`, t('fence.test')); } finally { await device.reload(); } };
  const open = (what) => () => { dialog.value = what; };
  return html`<${Panel} title=${t('fence')}>${none ? html`<p class="muted">${t('fence.none')}</p>` : html`<${Loaded} of=${device}>${(d) => html`<${Facts} rows=${[[t('fence.agent'), t(`fence.${d.agent}`)], [t('fence.address'), html`<span class="mono">${d.address}${d.port ? `:${d.port}` : ''}</span>`], d.plug && [t('fence.plug'), d.plug], [t('fence.power'), html`<${State} group="fence.power" value=${d.host_power} tone=${d.host_power === 'on' ? 'ok' : 'idle'}/>`], [t('fence.asked'), html`<${Ago} at=${d.checked_at}/>`], [t('fence.separate_power'), d.separate_power ? t('yes') : t('no')]]}/>${d.problem && html`<p class="note warning">${d.problem}</p>`}`}</${Loaded}>`}
    <div class="actions">${old && has('support_engineer', 'support_lead', 'operator') && html`<${Action} label=${t('fence.test')} onPress=${ask}/>`}${may && html`<button type="button" onClick=${open('edit')}>${t(old ? 'fence.change' : 'fence.set')}</button>`}${may && old && html`<button type="button" class="danger" onClick=${open('drop')}>${t('fence.drop')}</button>`}</div>
    ${dialog.value === 'edit' && html`<${Edit} path=${path} old=${old} host=${host} onClose=${close}/>`}
    ${dialog.value === 'drop' && html`<${TypedConfirm} title=${t('fence.drop')} text=${t('fence.drop.text')} name=${host.name} label=${t('fence.drop')} onYes=${() => remove(path, old?.version)} onClose=${close}/>`}</${Panel}>`;
};
