// SPDX-License-Identifier: Apache-2.0
// Letting in a program that waits under a code (understudy auth login --device).
import { html, useSignal } from '../core/html.js';
import { get, post } from '../core/api.js';
import { t } from '../core/i18n.js';
import { query } from '../core/router.js';
import { Action, Ago, Facts, Form, Panel, Text } from '../ui/parts.js';

export const Device = () => {
  const code = useSignal(query().get('code') || '');
  const asks = useSignal(/** @type {any} */ (null));
  const said = useSignal('');
  const where = () => `/v1/oauth/device/${encodeURIComponent(code.value.trim())}`;
  const say = (verb) => async () => { await post(`${where()}/${verb}`, {}); said.value = verb; };
  return html`<div class="bar"><h1>${t('page.device')}</h1></div><${Panel} title=${t('device.program')}>${said.value ? html`<p role="status">${t(`device.${said.value}.done`)}</p>`
    : asks.value ? html`<p class="warning">▲ ${t('device.warning')}</p><${Facts} rows=${[[t('device.name'), asks.value.client_name], [t('device.address'), asks.value.address], [t('device.asked'), html`<${Ago} at=${asks.value.created_at}/>`]]}/>
      <div class="bar"><${Action} kind="primary" label=${t('device.approve')} onPress=${say('approve')}/><${Action} kind="danger" label=${t('device.deny')} onPress=${say('deny')}/></div>`
      : html`<p>${t('device.about')}</p><${Form} label=${t('device.look')} send=${() => get(where())} done=${(x) => { asks.value = x; }}>${(wrong) => html`
        <${Text} id="code" label=${t('device.code')} autocomplete="off" required value=${code} problem=${wrong.user_code}/>`}</${Form}>`}</${Panel}>`;
};
