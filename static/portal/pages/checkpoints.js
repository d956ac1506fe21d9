// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a VM, as its host told them last: take one, put the VM back to one, delete one.
import { html, useSignal } from '../core/html.js';
import { newKey, post, remove } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { Action, Ago, Choice, Dialog, Form, Loaded, Panel, Text, TypedConfirm, When } from '../ui/parts.js';
import { follow, operation } from './operation.js';

const kinds = ['production', 'standard'];
const Take = ({ vm, onClose, done }) => {
  const name = useSignal('');
  const kind = useSignal('production');
  const key = useSignal(newKey());
  const send = () => follow(post(`/v1/vms/${vm.id}/checkpoints`, { name: name.value, kind: kind.value }, { key: key.value }), t('checkpoint.take'));
  return html`<${Dialog} title=${t('checkpoint.take')} onClose=${onClose}><${Form} label=${t('checkpoint.take')} send=${async () => { try { return await send(); } finally { key.value = newKey(); } }} done=${() => { onClose(); done(); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Choice} id="kind" label=${t('kind')} value=${kind} options=${kinds.map((k) => [k, t(`checkpoint.${k}`)])} problem=${wrong.kind}/>`}</${Form}></${Dialog}>`;
};

/** @param {{ vm: any }} props */
export const Checkpoints = ({ vm }) => {
  const data = useData(`/v1/vms/${vm.id}/checkpoints?limit=100`, ['checkpoint.', 'vm.']);
  const dialog = useSignal(/** @type {any} */ (null));
  const may = new Set(vm.allowed_operations || []);
  const close = () => { dialog.value = null; data.reload(); };
  const ask = (verb, checkpoint) => () => { dialog.value = { verb, checkpoint }; };
  const run = { apply: (c) => operation(`/v1/checkpoints/${c.id}/apply`, t('checkpoint.apply')), delete: (c) => follow(remove(`/v1/checkpoints/${c.id}`, c.version), t('checkpoint.delete')) };
  const acts = ['apply', 'delete'].filter((verb) => may.has(`checkpoint_${verb}`));
  const d = dialog.value;
  return html`<${Panel} title=${t('checkpoints')} more=${html`${may.has('checkpoint_list') && html`<${Action} label=${t('checkpoint.refresh')} onPress=${async () => { await operation(`/v1/vms/${vm.id}/checkpoints/refresh`, t('checkpoint.refresh')); data.reload(); }}/>`}${may.has('checkpoint') && html`<button type="button" onClick=${ask('take')}>${t('checkpoint.take')}</button>`}`}>
    ${d?.verb === 'take' && html`<${Take} vm=${vm} onClose=${close} done=${data.reload}/>`}
    ${run[d?.verb] && html`<${TypedConfirm} title=${t(`checkpoint.${d.verb}`)} text=${t(`checkpoint.${d.verb}.text`)} name=${d.checkpoint.name} label=${t(`checkpoint.${d.verb}`)} onYes=${() => run[d.verb](d.checkpoint)} onClose=${close}/>`}
    <${Loaded} of=${data}>${(list) => (list.data.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('checkpoints')}><table><thead><tr>${[t('name'), t('kind'), t('consistency'), t('taken'), ...(acts.length ? [t('actions')] : [])].map((h) => html`<th scope="col">${h}</th>`)}</tr></thead><tbody>
      ${list.data.map((c) => html`<tr key=${c.id}><td>${c.name}</td><td>${t(`checkpoint.${c.kind}`)}</td><td>${c.consistency ? word('consistency', c.consistency) : ''}${c.reason && html` <span class="why">${c.reason}</span>`}</td><td><${When} at=${c.taken_at}/> <span class="muted"><${Ago} at=${c.taken_at}/></span></td>${acts.length > 0 && html`<td><span class="acts">${acts.map((verb) => html`<button type="button" class=${verb === 'delete' ? 'danger' : ''} aria-label=${`${t(`checkpoint.${verb}`)}: ${c.name}`} onClick=${ask(verb, c)}>${t(`checkpoint.${verb}`)}</button>`)}</span></td>`}</tr>`)}</tbody></table></div>` : html`<p class="muted">${t('checkpoint.none')}</p>`)}</${Loaded}></${Panel}>`;
};
