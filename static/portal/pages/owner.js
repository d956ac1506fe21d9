// SPDX-License-Identifier: Apache-2.0
// A VM that hosts claim against each other: who says what, and the choice of two people whose copy goes on.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { Area, Choice, Dialog, Form, Panel, When } from '../ui/parts.js';

const Choose = ({ vm, parties, name, onClose }) => {
  const host = useSignal('');
  const statement = useSignal('');
  return html`<${Dialog} title=${t('owner.choose')} onClose=${onClose}><p class="note bad">${t('owner.choose.text')}</p><${Form} label=${t('owner.sign')} kind="danger" send=${() => post(`/v1/vms/${vm.id}/choose-owner`, { host_id: host.value, statement: statement.value })} done=${onClose}>${(wrong) => html`
    <${Choice} id="owner" label=${t('owner.host')} value=${host} options=${[['', '—'], ...parties.map((h) => [h, name(h)])]} problem=${wrong.host_id}/><${Area} id="statement" label=${t('attest.statement')} value=${statement} problem=${wrong.statement}/>`}</${Form}></${Dialog}>`;
};

/** Nothing while no hosts claim it. @param {{ vm: any }} props */
export const Owner = ({ vm }) => {
  const conflict = useData(`/v1/vms/${vm.id}/owner-conflict`, ['vm.', 'owner_choice.']);
  const choices = useData(`/v1/vms/${vm.id}/owner-choices?limit=20`, ['vm.', 'owner_choice.']);
  const hosts = useData('/v1/hosts?limit=200');
  const choosing = useSignal(false);
  const c = conflict.data.value;
  if (!c?.standing) return null;
  const name = (id) => (hosts.data.value?.data || []).find((h) => h.id === id)?.name || id;
  const claims = /** @type {any[]} */ (c.claims || []);
  const parties = [...new Set([c.owner_host_id, ...claims.map((x) => x.host_id)].filter(Boolean))];
  const said = (choices.data.value?.data || []).filter((x) => x.epoch === c.epoch);
  return html`<${Panel} title=${t('owner')} more=${has('support_engineer', 'support_lead', 'operator') && html`<button type="button" class="danger" onClick=${() => { choosing.value = true; }}>${t('owner.choose')}</button>`}><p class="note bad" role="alert">${t('owner.text')}</p>
    <ul class="steps">${c.owner_host_id && html`<li><span class="grow">${name(c.owner_host_id)}</span><span>${t('owner.recorded', { epoch: c.epoch })}</span></li>`}${claims.map((x) => html`<li key=${x.host_id}><span class="grow">${name(x.host_id)}</span><span>${t('owner.claims', { epoch: x.epoch })} <${When} at=${x.claimed_at}/></span></li>`)}</ul>
    ${said.map((x) => html`<p class="note" key=${x.id}>${t('owner.said', { who: x.user_name, host: name(x.host_id), statement: x.statement })}</p>`)}
    ${choosing.value && html`<${Choose} vm=${vm} parties=${parties} name=${name} onClose=${() => { choosing.value = false; conflict.reload(); choices.reload(); }}/>`}</${Panel}>`;
};
