// SPDX-License-Identifier: Apache-2.0
import { html, useSignal } from '../core/html.js';
import { get, signIn } from '../core/api.js';
import { t } from '../core/i18n.js';
import { me } from '../core/store.js';
import { Demo, Form, Text } from '../ui/parts.js';

export const SignIn = () => {
  const email = useSignal('');
  const password = useSignal('');
  const totp = useSignal('');
  const asked = useSignal(false);
  const send = async () => {
    try {
      return await signIn(asked.value && totp.value ? { email: email.value, password: password.value, totp: totp.value } : { email: email.value, password: password.value });
    } catch (problem) {
      if (problem.fields.totp) asked.value = true;
      throw problem;
    }
  };
  return html`<main class="plain" id="main"><h1 class="big">Understudy <${Demo}/></h1><p class="muted">${t('sign-in.about')}</p>
    <${Form} label=${t('sign-in')} send=${send} done=${async () => { me.value = await get('/v1/me'); }}>${(wrong) => html`
      <${Text} id="email" label=${t('email')} kind="email" autocomplete="username" required value=${email} problem=${wrong.email}/>
      <${Text} id="password" label=${t('password')} kind="password" autocomplete="current-password" required value=${password} problem=${wrong.password}/>
      ${asked.value && html`<${Text} id="totp" label=${t('code')} hint=${t('code.hint')} inputmode="numeric" autocomplete="one-time-code" value=${totp} problem=${wrong.totp}/>`}`}</${Form}><p class="muted"><a href="/basic">${t('help.basic')}</a></p></main>`;
};
