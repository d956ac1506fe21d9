// SPDX-License-Identifier: Apache-2.0
// What belongs to a ticket besides its conversation: files, who hears of it, who else of support looks at it just now,
// other tickets, time.
import { html, useEffect, useSignal } from '../core/html.js';
import { Problem, get, newKey, post, remove, upload } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, isStaff, me } from '../core/store.js';
import { bytes, duration } from '../core/time.js';
import { Action, Ago, Choice, Form, Loaded, Panel, State, Text, toast } from '../ui/parts.js';

const MOST = 50 << 20; // bytes of a file that the server takes

/** Whether the ticket's own list has the operation. */
export const may = (ticket, op) => (ticket.allowed_operations || []).includes(op);

const Attach = ({ ticket, done }) => {
  const file = useSignal(/** @type {File|null} */ (null));
  const internal = useSignal(false);
  const key = useSignal(newKey());
  const send = async () => {
    if (!file.value) throw new Problem({ detail: t('files.choose') }, 0);
    if (file.value.size > MOST) throw new Problem({ detail: t('files.large', { most: bytes(MOST) }) }, 0);
    const path = `/v1/tickets/${ticket.id}/attachments?filename=${encodeURIComponent(file.value.name)}${internal.value ? '&visibility=internal' : ''}`;
    try { return await upload(path, file.value, { key: key.value }); } finally { key.value = newKey(); }
  };
  const sent = () => { file.value = null; /** @type {any} */ (document.getElementById('file')).value = ''; done(); };
  return html`<${Form} kind="" label=${t('files.attach')} send=${send} done=${sent}>${() => html`<label for="file">${t('files.file')}</label><input id="file" type="file" onChange=${(e) => { file.value = e.currentTarget.files[0] || null; }}/>
    ${isStaff.value && html`<label class="check"><input type="checkbox" checked=${internal.value} onChange=${(e) => { internal.value = e.currentTarget.checked; }}/>${t('files.internal')}</label>`}`}</${Form}>`;
};

export const Files = ({ ticket }) => {
  const data = useData(`/v1/tickets/${ticket.id}/attachments?limit=100`, ['ticket_attachment.']);
  return html`<${Panel} title=${t('files')}><${Loaded} of=${data}>${(list) => (list.data.length ? html`<ul class="steps">${list.data.map((a) => html`<li key=${a.id}><span class="grow"><a href=${`/v1/tickets/${ticket.id}/attachments/${a.id}/content`} download=${a.filename}>${a.filename}</a> <span class="muted">${bytes(a.size_bytes)}${a.visibility === 'internal' ? ` · ${t('ticket.internal')}` : ''}<br/>${a.author_name || ''}</span></span><${Ago} at=${a.created_at}/></li>`)}</ul>` : html`<p class="muted">${t('files.none')}</p>`)}</${Loaded}>
    ${may(ticket, 'comment') && html`<${Attach} ticket=${ticket} done=${data.reload}/>`}</${Panel}>`;
};

// Whoever may list people can have others hear of it; the rest themselves alone.
const AddWatcher = ({ ticket, there, done }) => {
  const people = useData(`/v1/users?limit=200${isStaff.value && ticket.customer_id ? `&customer_id=${ticket.customer_id}` : ''}`);
  const who = useSignal('');
  const others = (people.data.value?.data || []).filter((u) => u.state === 'active' && !there.includes(u.id));
  return others.length ? html`<${Form} kind="" label=${t('watchers.add')} send=${() => post(`/v1/tickets/${ticket.id}/watchers`, { user_id: who.value })} done=${() => { who.value = ''; done(); }}>${(wrong) => html`<${Choice} id="watcher" label=${t('watchers.who')} value=${who} options=${[['', '—'], ...others.map((u) => [u.id, u.display_name || u.email])]} problem=${wrong.user_id}/>`}</${Form}>` : null;
};

export const Watchers = ({ ticket }) => {
  const data = useData(`/v1/tickets/${ticket.id}/watchers?limit=100`, ['ticket_watcher.']);
  const changes = has('customer_operator', 'customer_approver', 'customer_admin', 'support_agent', 'support_engineer', 'support_lead');
  const path = `/v1/tickets/${ticket.id}/watchers`;
  const then = (run) => async () => { await run(); await data.reload(); };
  const mine = (list) => list.find((w) => w.user_id === me.value.id);
  return html`<${Panel} title=${t('watchers')}><${Loaded} of=${data}>${({ data: list }) => html`${list.length ? html`<ul class="steps">${list.map((w) => html`<li key=${w.id}><span class="grow">${w.user_name}</span>${changes && html`<${Action} label=${t('watchers.drop')} onPress=${then(() => remove(`${path}/${w.id}`, w.version))}/>`}</li>`)}</ul>` : html`<p class="muted">${t('watchers.none')}</p>`}
    ${changes && !mine(list) && html`<div class="actions"><${Action} label=${t('watchers.me')} onPress=${then(() => post(path, {}))}/></div>`}
    ${changes && has('customer_admin', 'support_agent', 'support_engineer', 'support_lead') && html`<${AddWatcher} ticket=${ticket} there=${list.map((w) => w.user_id)} done=${data.reload}/>`}`}</${Loaded}></${Panel}>`;
};

// Asking who looks is looking: it is asked again before the server forgets.
const EVERY = 20000;
export const Viewers = ({ ticket }) => {
  const data = useData(`/v1/tickets/${ticket.id}/viewers`);
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) data.reload(); }, EVERY);
    return () => clearInterval(timer);
  }, [ticket.id]);
  const others = (data.data.value?.data || []).filter((v) => v.user_id !== me.value.id);
  return html`<div role="status">${others.length > 0 && html`<p class="note warning">${t('viewers', { names: others.map((v) => v.user_name).join(', ') })}</p>`}</div>`;
};

const relations = ['relates_to', 'duplicates', 'is_caused_by', 'blocks', 'continues', 'is_part_of'];
const AddLink = ({ ticket, done }) => {
  const other = useSignal('');
  const relation = useSignal('relates_to');
  const send = async () => {
    const found = /** @type {any} */ (await get(`/v1/tickets?number=${encodeURIComponent(other.value.trim())}&limit=1`)).data[0];
    if (!found) throw new Problem({ detail: t('ticket.none'), errors: [{ pointer: '/other_id', detail: t('ticket.none') }] }, 0);
    return post(`/v1/tickets/${ticket.id}/links`, { other_id: found.id, relation: relation.value });
  };
  return html`<${Form} kind="" label=${t('links.add')} send=${send} done=${() => { other.value = ''; done(); }}>${(wrong) => html`<${Choice} id="relation" label=${t('links.this')} value=${relation} options=${relations.map((r) => [r, word('relation', r)])} problem=${wrong.relation}/><${Text} id="other" label=${t('links.number')} value=${other} problem=${wrong.other_id}/>`}</${Form}>`;
};

export const Links = ({ ticket }) => {
  const data = useData(`/v1/tickets/${ticket.id}/links?limit=100`, ['ticket_link.', 'ticket.']);
  return html`<${Panel} title=${t('links')}><${Loaded} of=${data}>${({ data: list }) => (list.length ? html`<ul class="steps">${list.map((l) => html`<li key=${l.id}><span class="grow">${word('relation', l.relation)} <a class="num" href=${`/app/tickets/${l.other_number}`}>${l.other_number}</a></span><${State} group="ticket_state" value=${l.other_state}/></li>`)}</ul>` : html`<p class="muted">${t('none')}</p>`)}</${Loaded}>
    ${may(ticket, 'comment') && html`<details class="later"><summary>${t('links.add')}</summary><${AddLink} ticket=${ticket} done=${data.reload}/></details>`}</${Panel}>`;
};

export const Worked = ({ ticket }) => {
  const data = useData(`/v1/tickets/${ticket.id}/time-entries?limit=100`, ['time_entry.']);
  const minutes = useSignal('');
  const note = useSignal('');
  const send = () => post(`/v1/tickets/${ticket.id}/time-entries`, { minutes: Number(minutes.value), note: note.value || null });
  const sum = (list) => list.reduce((n, x) => n + x.minutes, 0) * 60;
  return html`<${Panel} title=${t('worked')}><${Loaded} of=${data}>${({ data: list }) => html`${list.length ? html`<p>${t('worked.sum', { time: duration(sum(list)) })}</p><ul class="steps">${list.map((x) => html`<li key=${x.id}><span class="grow">${x.user_name || ''} <span class="muted">${x.note || ''}</span></span><span class="num">${duration(x.minutes * 60)}</span></li>`)}</ul>` : html`<p class="muted">${t('none')}</p>`}`}</${Loaded}>
    ${has('support_agent', 'support_engineer', 'support_lead') && html`<details class="later"><summary>${t('worked.add')}</summary><${Form} kind="" label=${t('worked.add')} send=${send} done=${() => { minutes.value = ''; note.value = ''; toast(t('saved')); data.reload(); }}>${(wrong) => html`<${Text} id="worked" label=${t('worked.minutes')} kind="number" min="1" max="1440" value=${minutes} problem=${wrong.minutes}/><${Text} id="worked-note" label=${t('note')} value=${note} problem=${wrong.note}/>`}</${Form}></details>`}</${Panel}>`;
};
