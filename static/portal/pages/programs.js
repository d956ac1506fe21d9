// SPDX-License-Identifier: Apache-2.0
// Service accounts: programs that call the API with tokens of their own. A secret is shown once, when it is made.
import { html, useSignal } from '../core/html.js';
import { get, patch, post, remove } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, me } from '../core/store.js';
import { List } from '../ui/list.js';
import { Action, Ago, Choice, Dialog, Empty, Form, Loaded, State, Text, TypedConfirm, When, toast } from '../ui/parts.js';
import { customerRoles, staffRoles } from './users.js';

const DAY = 86400000;

const Make = ({ onClose }) => {
  const name = useSignal('');
  const customer = useSignal(me.value.customer_id || '');
  const role = useSignal('');
  const customers = useData(me.value.customer_id ? null : '/v1/customers?sort=name&limit=200');
  const roles = customer.value ? customerRoles : staffRoles;
  const chosen = () => (roles.includes(role.value) ? role.value : roles[0]);
  const send = () => post('/v1/service-accounts', { name: name.value, customer_id: customer.value || null, role: chosen() });
  return html`<${Dialog} title=${t('programs.new')} onClose=${onClose}><${Form} label=${t('create')} send=${send} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/>
    ${!me.value.customer_id && html`<${Choice} id="customer" label=${t('customer')} value=${customer} options=${[['', t('users.staff')], ...(customers.data.value?.data || []).map((c) => [c.id, c.name])]} problem=${wrong.customer_id}/>`}
    <${Choice} id="role" label=${t('role')} value=${{ get value() { return chosen(); }, set value(v) { role.value = v; } }} options=${roles.map((r) => [r, word('role', r)])} problem=${wrong.role}/>`}</${Form}></${Dialog}>`;
};

const MakeToken = ({ path, reload }) => {
  const name = useSignal('');
  const days = useSignal('90');
  const secret = useSignal('');
  const send = () => post(path, { name: name.value, scopes: ['*'], expires_at: new Date(Date.now() + Number(days.value) * DAY).toISOString() });
  return html`${secret.value && html`<p class="note" role="status">${t('settings.token.once')}</p><pre>${secret.value}</pre>`}
    <${Form} kind="" label=${t('settings.token.make')} send=${send} done=${(x) => { secret.value = x.token; name.value = ''; reload(); }}>${(wrong) => html`
    <${Text} id="token-name" label=${t('settings.token.name')} value=${name} problem=${wrong.name}/><${Choice} id="token-days" label=${t('programs.days')} value=${days} options=${['7', '30', '90', '365'].map((d) => [d, t('programs.days.n', { n: Number(d) })])} problem=${wrong.expires_at}/>`}</${Form}>`;
};

const Tokens = ({ account, may, onClose }) => {
  const path = /** @type {'/v1/service-accounts/{id}/tokens'} */ (`/v1/service-accounts/${account.id}/tokens`);
  const data = useData(`${path}?limit=200`, ['token.']);
  const revoke = async (x) => { await remove(`${path}/${x.id}`); await data.reload(); };
  const own = (list) => list.filter((x) => !x.parent_id);
  return html`<${Dialog} title=${t('programs.tokens', { name: account.name })} onClose=${onClose}><${Loaded} of=${data}>${(s) => (own(s.data).length ? html`<ul class="steps">${own(s.data).map((x) => html`<li key=${x.id}><span class="grow">${x.name}<br/><span class="muted">${t('settings.token.until')} <${When} at=${x.expires_at}/> · ${t('programs.used')} <${Ago} at=${x.last_used_at}/></span></span>${may && html`<${Action} kind="danger" label=${t('revoke')} onPress=${() => revoke(x)}/>`}</li>`)}</ul>` : html`<p class="muted">${t('programs.tokens.none')}</p>`)}</${Loaded}>
    ${may && html`<${MakeToken} path=${path} reload=${data.reload}/>`}</${Dialog}>`;
};

const drop = async (id) => remove(`/v1/service-accounts/${id}`, (await get(`/v1/service-accounts/${id}`)).version);
const flip = (a) => patch(`/v1/service-accounts/${a.id}`, { state: a.state === 'active' ? 'disabled' : 'active' }, a.version);

export const Programs = () => {
  const dialog = useSignal(/** @type {any} */ (null));
  const close = () => { dialog.value = null; };
  const open = (kind, account) => () => { dialog.value = { kind, account }; };
  const may = has('customer_admin', 'support_lead', 'operator');
  const d = dialog.value;
  const acts = (a) => html`<span class="acts"><button aria-label=${t('programs.tokens', { name: a.name })} onClick=${open('tokens', a)}>${t('settings.tokens')}</button>${may && html`<${Action} label=${t(a.state === 'active' ? 'disable' : 'enable')} onPress=${() => flip(a)}/><button class="danger" onClick=${open('delete', a)}>${t('delete')}</button>`}</span>`;
  return html`<div class="bar"><h1>${t('page.programs')}</h1>${may && html`<button class="primary" onClick=${open('make')}>${t('programs.new')}</button>`}</div><p class="muted">${t('programs.about')}</p>
    ${d?.kind === 'make' && html`<${Make} onClose=${close}/>`}${d?.kind === 'tokens' && html`<${Tokens} account=${d.account} may=${may} onClose=${close}/>`}
    ${d?.kind === 'delete' && html`<${TypedConfirm} title=${t('programs.delete')} text=${t('programs.delete.text')} name=${d.account.name} label=${t('delete')} onYes=${() => drop(d.account.id)} onClose=${close}/>`}
    <${List} path="/v1/service-accounts" customers topics=${['service_account.']} columns=${[
      { label: t('name'), cell: (a) => a.name }, { label: t('role'), cell: (a) => a.roles.map((r) => word('role', r.role)).join(', ') }, { label: t('state'), cell: (a) => html`<${State} value=${a.state} tone=${a.state === 'active' ? 'ok' : 'idle'}/>` }, { label: t('actions'), cell: acts }]}
      empty=${html`<${Empty} title=${t('programs.none')} text=${t('programs.none.text')}/>`}/>`;
};
