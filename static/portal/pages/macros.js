// SPDX-License-Identifier: Apache-2.0
// Macros: answers that support gives often. Here they are written and changed; on a ticket one is put into the reply, with
// the ticket's words in it, where it can still be changed before it is sent.
import { html, useSignal } from '../core/html.js';
import { get, patch, post, remove } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, me } from '../core/store.js';
import { List } from '../ui/list.js';
import { Ago, Area, Choice, Dialog, Empty, Form, Text, TypedConfirm, toast } from '../ui/parts.js';

// ---- on a ticket ----

/** What is filled in, by the word that stands for it. @type {Record<string, (ticket: any) => string>} */
const words = { 'ticket.number': (x) => x.number, 'ticket.subject': (x) => x.subject, 'requester.name': (x) => x.requester_name, 'me.name': () => me.value.display_name };
const fill = (body, ticket) => body.replace(/\{\{([a-z.]+)\}\}/g, (whole, w) => (words[w] ? words[w](ticket) || '' : whole));
const short = (name) => name.toLowerCase().replaceAll(' ', '-');

/** ";ack " becomes the macro whose name begins like that, where there is one alone; any other text stays.
 * @param {string} text @param {any[]} macros @param {any} ticket */
export const expand = (text, macros, ticket) => text.replace(/(^|\s);([\p{L}\d-]+)\s$/u, (whole, before, mark) => {
  const found = macros.filter((m) => short(m.name).startsWith(mark.toLowerCase()));
  return found.length === 1 ? before + fill(found[0].body, ticket) : whole;
});

/** Puts a chosen macro behind what is typed. @param {{ ticket: any, macros: any[], text: any }} props text is a signal */
export const PickMacro = ({ ticket, macros, text }) => {
  const chosen = useSignal('');
  const put = () => {
    const macro = macros.find((m) => m.id === chosen.value);
    if (!macro) return;
    text.value += (text.value && !text.value.endsWith('\n') ? '\n' : '') + fill(macro.body, ticket);
    chosen.value = '';
    document.getElementById('reply')?.focus();
  };
  return html`<${Choice} id="macro" label=${t('page.macro')} hint=${t('macro.hint')} value=${chosen} options=${[['', '—'], ...macros.map((m) => [m.id, m.name])]}/><div class="actions"><button type="button" aria-disabled=${chosen.value ? undefined : 'true'} onClick=${put}>${t('macro.insert')}</button></div>`;
};
/** The macros, for whoever may use them. @param {boolean} wanted */
export const useMacros = (wanted) => useData(wanted ? '/v1/macros?sort=name&limit=200' : null, ['macro.']).data.value?.data || [];

// ---- the page ----

const Edit = ({ macro, onClose }) => {
  const name = useSignal(macro?.name || '');
  const body = useSignal(macro?.body || '');
  const said = () => ({ name: name.value, body: body.value });
  const send = () => (macro ? patch(`/v1/macros/${macro.id}`, said(), macro.version) : post('/v1/macros', said()));
  return html`<${Dialog} title=${macro ? macro.name : t('macro.new')} onClose=${onClose}><${Form} label=${t('save')} send=${send} done=${() => { toast(t('saved')); onClose(); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/>
    <${Area} id="macro-body" label=${t('macro.body')} value=${body} problem=${wrong.body}/><p class="hint">${t('macro.words')} ${Object.keys(words).map((w, i) => html`${i ? ', ' : ''}<code>${`{{${w}}}`}</code>`)}</p>`}</${Form}></${Dialog}>`;
};

const drop = async (id) => remove(`/v1/macros/${id}`, (await get(`/v1/macros/${id}`)).version);

export const Macros = () => {
  const dialog = useSignal(/** @type {any} */ (null));
  const close = () => { dialog.value = null; };
  const open = (kind, macro) => () => { dialog.value = { kind, macro }; };
  const may = has('support_lead', 'operator');
  const d = dialog.value;
  return html`<div class="bar"><h1>${t('page.macros')}</h1>${may && html`<button class="primary" onClick=${open('edit')}>${t('macro.new')}</button>`}</div><p class="muted">${t('macro.about')}</p>
    ${d?.kind === 'edit' && html`<${Edit} macro=${d.macro} onClose=${close}/>`}
    ${d?.kind === 'delete' && html`<${TypedConfirm} title=${t('macro.delete')} text=${t('macro.delete.text')} name=${d.macro.name} label=${t('delete')} onYes=${() => drop(d.macro.id)} onClose=${close}/>`}
    <${List} path="/v1/macros" fixed=${{ sort: 'name' }} topics=${['macro.']} columns=${[
      { label: t('name'), sort: 'name', cell: (m) => m.name }, { label: t('macro.body'), cell: (m) => html`<span class="said">${m.body}</span>` }, { label: t('macro.changed'), cell: (m) => html`<${Ago} at=${m.updated_at}/>` },
      ...(may ? [{ label: t('actions'), cell: (m) => html`<span class="acts"><button onClick=${open('edit', m)}>${t('change')}</button><button class="danger" onClick=${open('delete', m)}>${t('delete')}</button></span>` }] : [])]}
      empty=${html`<${Empty} title=${t('macro.none')} text=${t('macro.none.text')}/>`}/>`;
};
