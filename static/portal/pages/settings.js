// SPDX-License-Identifier: Apache-2.0
// One's own account: profile, second factor, sessions, tokens.
import { html, useSignal } from '../core/html.js';
import { call, get, patch, post, remove } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { isStaff, me } from '../core/store.js';
import { Action, Ago, Choice, Facts, Form, Loaded, Panel, Text, When, toast } from '../ui/parts.js';

const zones = [['', t('settings.zone.none')], ...Intl.supportedValuesOf('timeZone').map((z) => [z, z])];
const Profile = () => {
  const name = useSignal(me.value.display_name);
  const zone = useSignal(me.value.time_zone || '');
  const send = () => patch('/v1/me', { display_name: name.value, time_zone: zone.value || null }, me.value.version);
  return html`<${Panel} title=${t('settings.profile')}><${Facts} rows=${[[t('email'), me.value.email]]}/><${Form} kind="" label=${t('save')} send=${send} done=${(u) => { me.value = u; toast(t('saved')); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.display_name}/><${Choice} id="zone" label=${t('time-zone')} value=${zone} options=${zones} problem=${wrong.time_zone}/>`}</${Form}></${Panel}>`;
};

const Password = () => {
  const old = useSignal('');
  const fresh = useSignal('');
  return html`<${Panel} title=${t('settings.password')}><${Form} kind="" label=${t('save')} send=${() => post('/v1/me/password', { current_password: old.value, new_password: fresh.value })} done=${() => { old.value = ''; fresh.value = ''; toast(t('settings.password.done')); }}>${(wrong) => html`
    <${Text} id="old" label=${t('settings.password.old')} kind="password" autocomplete="current-password" value=${old} problem=${wrong.current_password}/><${Text} id="fresh" label=${t('settings.password.new')} hint=${t('settings.password.hint')} kind="password" autocomplete="new-password" value=${fresh} problem=${wrong.new_password}/>`}</${Form}></${Panel}>`;
};

const Factor = () => {
  const seed = useSignal(/** @type {any} */ (null));
  const code = useSignal('');
  const codes = useSignal(/** @type {string[]} */ ([]));
  const again = async () => { me.value = await get('/v1/me'); };
  return html`<${Panel} title=${t('settings.factor')}>${codes.value.length ? html`<p>${t('settings.factor.codes')}</p><pre>${codes.value.join('\n')}</pre>` : me.value.factor_enrolled ? html`<p class="ok">● ${t('settings.factor.on')}</p><${Action} kind="danger" label=${t('settings.factor.remove')} onPress=${async () => { await remove('/v1/me/totp'); await again(); }}/>`
    : seed.value ? html`<p>${t('settings.factor.scan')}</p><pre>${seed.value.uri}</pre><p>${t('settings.factor.secret')} <code>${seed.value.secret}</code></p>
      <${Form} label=${t('settings.factor.verify')} send=${() => post('/v1/me/totp/verify', { code: code.value })} done=${async (a) => { codes.value = a.recovery_codes || a.codes || []; await again(); }}>${(wrong) => html`<${Text} id="code" label=${t('code')} inputmode="numeric" autocomplete="one-time-code" value=${code} problem=${wrong.code}/>`}</${Form}>`
      : html`<p class="warning">▲ ${t('settings.factor.off')}</p><${Action} label=${t('settings.factor.begin')} onPress=${async () => { seed.value = await post('/v1/me/totp'); }}/>`}</${Panel}>`;
};

// What comes how; each box is stored as it is pressed.
const Told = () => {
  const data = useData('/v1/me/notification-preferences', ['user.']);
  const store = async (wish) => { try { data.data.value = await call('PUT', '/v1/me/notification-preferences', wish); } catch (problem) { toast(problem.message, true); await data.reload(); } };
  const box = (p, list, event, label) => html`<td><input type="checkbox" aria-label=${label} checked=${!p[list].includes(event)} onChange=${(e) => store({ mail_muted: p.mail_muted, mail_off: p.mail_off, portal_off: p.portal_off, [list]: e.currentTarget.checked ? p[list].filter((x) => x !== event) : [...p[list], event] })}/></td>`;
  return html`<${Panel} title=${t('settings.told')}><p class="muted">${t('settings.told.text')}</p><${Loaded} of=${data}>${(p) => html`<label class="check"><input type="checkbox" checked=${p.mail_muted} onChange=${(e) => store({ mail_muted: e.currentTarget.checked, mail_off: p.mail_off, portal_off: p.portal_off })}/> ${t('settings.told.none')}</label>
    <div class="scroll" tabindex="0" role="region" aria-label=${t('settings.told')}><table><thead><tr><th scope="col">${t('notifications.what')}</th><th scope="col">${t('settings.told.mail')}</th><th scope="col">${t('settings.told.portal')}</th></tr></thead><tbody>${p.kinds.filter((k) => isStaff.value || !k.event.startsWith('host.')).map((k) => html`<tr key=${k.event}><td>${k.about}</td>${box(p, 'mail_off', k.event, `${t('settings.told.mail')}: ${k.about}`)}${box(p, 'portal_off', k.event, `${t('settings.told.portal')}: ${k.about}`)}</tr>`)}</tbody></table></div>`}</${Loaded}></${Panel}>`;
};

const Sessions = () => {
  const data = useData('/v1/me/sessions', ['session.']);
  return html`<${Panel} title=${t('settings.sessions')}><${Loaded} of=${data}>${(s) => html`<ul class="steps">${s.data.map((x) => html`<li><span class="grow"><span title=${x.user_agent || ''}>${browserOf(x.user_agent)}</span><br/><span class="muted">${x.address} · <${Ago} at=${x.last_seen_at}/></span></span>${x.current ? html`<span class="ok">● ${t('settings.this')}</span>` : html`<${Action} label=${t('settings.end')} onPress=${async () => { await remove(`/v1/me/sessions/${x.id}`); await data.reload(); }}/>`}</li>`)}</ul>`}</${Loaded}></${Panel}>`;
};

const Tokens = () => {
  const data = useData('/v1/me/tokens', ['token.']);
  const name = useSignal('');
  const secret = useSignal('');
  return html`<${Panel} title=${t('settings.tokens')}><${Loaded} of=${data}>${(s) => html`<ul class="steps">${s.data.map((x) => html`<li><span class="grow">${x.name}<br/><span class="muted">${t('settings.token.until')} <${When} at=${x.expires_at}/></span></span><${Action} kind="danger" label=${t('revoke')} onPress=${async () => { await remove(`/v1/me/tokens/${x.id}`); await data.reload(); }}/></li>`)}</ul>`}</${Loaded}>
    ${secret.value && html`<p class="note">${t('settings.token.once')}</p><pre>${secret.value}</pre>`}
    <${Form} kind="" label=${t('settings.token.make')} send=${() => post('/v1/me/tokens', { name: name.value, scopes: ['*'] })} done=${async (x) => { secret.value = x.token; name.value = ''; await data.reload(); }}>${(wrong) => html`<${Text} id="token-name" label=${t('settings.token.name')} value=${name} problem=${wrong.name}/>`}</${Form}></${Panel}>`;
};

// A browser calls itself by many names; the first that fits is its own.
const browsers = [['Edg/', 'Edge'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari'], ['curl/', 'curl']];
const systems = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'macOS'], ['Linux', 'Linux']];
const called = (names, text) => names.find(([mark]) => text.includes(mark))?.[1];
const browserOf = (text) => [called(browsers, text || ''), called(systems, text || '')].filter(Boolean).join(', ') || text || t('unknown');

export const Settings = () => html`<div class="bar"><h1>${t('page.settings')}</h1></div><div class="grid"><${Profile}/><${Factor}/><${Sessions}/><${Tokens}/><${Password}/><${Told}/></div>`;
