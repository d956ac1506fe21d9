// SPDX-License-Identifier: Apache-2.0
// People and their roles.
import { html, useSignal } from '../core/html.js';
import { patch, post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, me } from '../core/store.js';
import { List } from '../ui/list.js';
import { Action, Ago, Choice, Dialog, Form, State, Text, toast } from '../ui/parts.js';

export const customerRoles = ['customer_viewer', 'customer_operator', 'customer_approver', 'customer_admin'];
export const staffRoles = ['support_agent', 'support_engineer', 'support_lead', 'auditor', 'operator'];

const Invite = ({ onClose }) => {
  const email = useSignal('');
  const name = useSignal('');
  const customer = useSignal(me.value.customer_id || '');
  const role = useSignal(me.value.customer_id ? 'customer_viewer' : 'support_agent');
  const url = useSignal('');
  const customers = useData(me.value.customer_id ? null : '/v1/customers?limit=200');
  const roles = customer.value ? customerRoles : staffRoles;
  const send = () => post('/v1/users', { email: email.value, display_name: name.value, customer_id: customer.value || null, role: roles.includes(role.value) ? role.value : roles[0] });
  return html`<${Dialog} title=${t('users.invite')} onClose=${onClose}>${url.value ? html`<p>${t('users.invited')}</p><pre>${url.value}</pre>` : html`<${Form} label=${t('users.invite')} send=${send} done=${(u) => { url.value = u.invitation_url || ''; if (!url.value) { toast(t('saved')); onClose(); } }}>${(wrong) => html`
    <${Text} id="email" label=${t('email')} kind="email" value=${email} problem=${wrong.email}/><${Text} id="name" label=${t('name')} value=${name} problem=${wrong.display_name}/>
    ${!me.value.customer_id && html`<${Choice} id="customer" label=${t('customer')} value=${customer} options=${[['', t('users.staff')], ...(customers.data.value?.data || []).map((c) => [c.id, c.name])]} problem=${wrong.customer_id}/>`}
    <${Choice} id="role" label=${t('role')} value=${role} options=${roles.map((r) => [r, word('role', r)])} problem=${wrong.role}/>`}</${Form}>`}</${Dialog}>`;
};

const Roles = ({ user, onClose }) => {
  const chosen = useSignal(user.roles.map((r) => r.role));
  const flip = (r) => { chosen.value = chosen.value.includes(r) ? chosen.value.filter((x) => x !== r) : [...chosen.value, r]; };
  return html`<${Dialog} title=${t('users.roles.of', { name: user.display_name })} onClose=${onClose}><${Form} label=${t('save')} send=${() => patch(`/v1/users/${user.id}`, { roles: chosen.value }, user.version)} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <fieldset><legend>${t('role')}</legend>${(user.customer_id ? customerRoles : staffRoles).map((r) => html`<label class="check"><input type="checkbox" checked=${chosen.value.includes(r)} onChange=${() => flip(r)}/>${word('role', r)}</label>`)}</fieldset>${wrong.roles && html`<p class="field-problem">${wrong.roles}</p>`}`}</${Form}></${Dialog}>`;
};

const Row = ({ user, onRoles }) => html`<span class="acts"><button type="button" aria-label=${`${t('users.roles')}: ${user.display_name}`} onClick=${onRoles}>${t('users.roles')}</button>${user.state === 'deactivated' ? html`<${Action} label=${t('enable')} onPress=${() => post(`/v1/users/${user.id}/enable`)}/>` : user.id !== me.value.id && html`<${Action} label=${t('disable')} kind="danger" onPress=${() => post(`/v1/users/${user.id}/disable`)}/>`}
  ${user.factor_enrolled && user.id !== me.value.id && html`<${Action} label=${t('users.reset-factor')} onPress=${() => post(`/v1/users/${user.id}/reset-mfa`)}/>`}</span>`;

export const Users = () => {
  const inviting = useSignal(false);
  const changing = useSignal(/** @type {any} */ (null));
  return html`<div class="bar"><h1>${t('page.users')}</h1><button class="primary" onClick=${() => { inviting.value = true; }}>${t('users.invite')}</button></div>
    ${inviting.value && html`<${Invite} onClose=${() => { inviting.value = false; }}/>`}${changing.value && html`<${Roles} user=${changing.value} onClose=${() => { changing.value = null; }}/>`}
    <${List} path="/v1/users" customers topics=${['user.']} columns=${[
      { label: t('name'), under: true, cell: (u) => u.display_name }, { label: t('email'), folds: true, cell: (u) => u.email }, { label: t('role'), cell: (u) => u.roles.map((r) => word('role', r.role)).join(', ') },
      { label: t('state'), cell: (u) => html`<${State} value=${u.state}/>` }, { label: t('factor'), folds: true, cell: (u) => t(u.factor_enrolled ? 'factor.yes' : 'factor.no') }, { label: t('last-seen'), cell: (u) => html`<${Ago} at=${u.last_seen_at}/>` },
      { label: t('actions'), cell: (u) => html`<${Row} user=${u} onRoles=${() => { changing.value = u; }}/>` }]}/>`;
};
export { has };
