// SPDX-License-Identifier: Apache-2.0
// How the support team's work is arranged: queues, working time, and how soon tickets are answered and solved.
import { html, useSignal } from '../core/html.js';
import { get, patch, post, remove } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { duration } from '../core/time.js';
import { Choice, Dialog, Empty, Facts, Form, Loaded, Panel, Text, Toned, TypedConfirm, toast } from '../ui/parts.js';
import { types } from './tickets.js';

const mayArrange = () => has('support_lead', 'operator');
export const useCustomers = () => useData('/v1/customers?sort=name&limit=200', ['customer.'], { all: true }).data.value?.data || [];
const named = (list, id) => list.find((x) => x.id === id)?.name || t('unknown');
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** A form in a dialog that makes a thing of a collection, or changes it. @param {any} props body() is what is sent */
export const Edit = ({ path, of, title, body, onClose, children }) => {
  const send = () => (of.id ? patch(/** @type {any} */ (`${path}/${of.id}`), body(), of.version) : post(path, body()));
  return html`<${Dialog} title=${of.name || title} onClose=${onClose}><${Form} label=${t('save')} send=${send} done=${() => { toast(t('saved')); onClose(); }}>${children}</${Form}></${Dialog}>`;
};
/** Whom a thing may be for: all of them ('') or one. */
export const owners = (customers) => [['', t('desk.all')], ...customers.map((c) => [c.id, c.name])];
export const Whose = ({ of, customer, options }) => (of.id ? null : html`<${Choice} id="customer" label=${t('desk.for')} value=${customer} options=${options}/>`);

const EditQueue = ({ of, queues, customers, onClose }) => {
  const name = useSignal(of.name || '');
  const customer = useSignal('');
  const above = useSignal(of.escalates_to_id || '');
  const note = useSignal(of.note || '');
  const chosen = useSignal(/** @type {string[]} */ (of.types || []));
  const standard = useSignal(Boolean(of.standard));
  const flip = (x) => { chosen.value = chosen.value.includes(x) ? chosen.value.filter((y) => y !== x) : [...chosen.value, x]; };
  const body = () => ({ name: name.value, types: chosen.value, standard: standard.value, escalates_to_id: above.value || null, note: note.value || null, ...(of.id ? {} : { customer_id: customer.value || null }) });
  return html`<${Edit} path="/v1/queues" of=${of} title=${t('queues.new')} body=${body} onClose=${onClose}>${(wrong) => html`<${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Whose} of=${of} customer=${customer} options=${owners(customers)}/>
    <fieldset><legend>${t('queues.types')}</legend>${types.map((x) => html`<label class="check"><input type="checkbox" checked=${chosen.value.includes(x)} onChange=${() => flip(x)}/>${word('ticket_type', x)}</label>`)}</fieldset>
    <${Choice} id="above" label=${t('queues.above')} value=${above} options=${[['', t('none')], ...queues.filter((q) => q.id !== of.id).map((q) => [q.id, q.name])]} problem=${wrong.escalates_to_id}/><${Text} id="note" label=${t('note')} value=${note} problem=${wrong.note}/>
    <label class="check"><input type="checkbox" checked=${standard.value} onChange=${() => { standard.value = !standard.value; }}/>${t('queues.standard')}</label>`}</${Edit}>`;
};

const days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
const office = (d) => (['saturday', 'sunday'].includes(d) ? '' : '08:00-18:00');
const EditCalendar = ({ of, customers, onClose }) => {
  const name = useSignal(of.name || '');
  const customer = useSignal('');
  const zone = useSignal(of.time_zone || Intl.DateTimeFormat().resolvedOptions().timeZone);
  const free = useSignal((of.holidays || []).join(' '));
  const hours = useSignal(Object.fromEntries(days.map((d) => [d, of.id ? of[d].join(' ') : office(d)])));
  const of1 = (d) => ({ get value() { return hours.value[d]; }, set value(v) { hours.value = { ...hours.value, [d]: v }; } });
  const body = () => ({ name: name.value, time_zone: zone.value, holidays: words(free.value), ...Object.fromEntries(days.map((d) => [d, words(hours.value[d])])), ...(of.id ? {} : { customer_id: customer.value || null }) });
  return html`<${Edit} path="/v1/calendars" of=${of} title=${t('calendars.new')} body=${body} onClose=${onClose}>${(wrong) => html`<${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Whose} of=${of} customer=${customer} options=${owners(customers)}/><${Text} id="zone" label=${t('time-zone')} value=${zone} problem=${wrong.time_zone}/>
    ${days.map((d) => html`<${Text} id=${d} label=${t(`day.${d}`)} hint=${d === 'monday' ? t('calendars.hint') : ''} value=${of1(d)} problem=${wrong[d]}/>`)}<${Text} id="holidays" label=${t('calendars.holidays')} hint=${t('calendars.holidays.hint')} value=${free} problem=${wrong.holidays}/>`}</${Edit}>`;
};

const severities = ['urgent', 'high', 'normal', 'low'];
const promises = severities.flatMap((s) => ['response', 'resolve'].map((what) => ({ s, what, field: `${s}_${what}_seconds` })));
/** Whom no agreement is for yet: there is one at most for each. */
const without = ({ slas, customers }) => owners(customers).filter(([id]) => !slas.some((s) => (s.customer_id || '') === id));
const EditSla = ({ of, slas, calendars, customers, onClose }) => {
  const name = useSignal(of.name || '');
  const left = without({ slas, customers });
  const customer = useSignal(left[0]?.[0] || '');
  const calendar = useSignal(of.calendar_id || calendars[0]?.id || '');
  const minutes = useSignal(Object.fromEntries(promises.map(({ field }) => [field, of[field] ? String(of[field] / 60) : ''])));
  const of1 = (f) => ({ get value() { return minutes.value[f]; }, set value(v) { minutes.value = { ...minutes.value, [f]: v }; } });
  const body = () => ({ name: name.value, calendar_id: calendar.value, ...Object.fromEntries(promises.map(({ field }) => [field, minutes.value[field] ? Math.round(Number(minutes.value[field]) * 60) : null])), ...(of.id ? {} : { customer_id: customer.value || null }) });
  return html`<${Edit} path="/v1/slas" of=${of} title=${t('slas.new')} body=${body} onClose=${onClose}>${(wrong) => html`<${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Whose} of=${of} customer=${customer} options=${left}/>
    <${Choice} id="calendar" label=${t('calendar')} value=${calendar} options=${calendars.map((c) => [c.id, c.name])} problem=${wrong.calendar_id}/>
    ${promises.map(({ s, what, field }) => html`<${Text} id=${field} kind="number" min="1" label=${`${word('severity', s)}: ${t(`slas.${what}`)}`} hint=${t('slas.minutes')} value=${of1(field)} problem=${wrong[field]}/>`)}`}</${Edit}>`;
};

// What each kind of thing shows of one, who changes it, and where it lives.
const promised = (n) => (n ? duration(n) : t('none'));
const kinds = {
  queues: { path: '/v1/queues', Form: EditQueue, facts: (q, all) => [[t('queues.types'), q.types.length ? q.types.map((x) => word('ticket_type', x)).join(', ') : t('queues.types.none')], [t('queues.above'), q.escalates_to_id ? named(all.queues, q.escalates_to_id) : t('none')], q.note && [t('note'), q.note]], mark: (q) => q.standard && html`<${Toned} tone="ok">${t('queues.is-standard')}</${Toned}>` },
  slas: { path: '/v1/slas', Form: EditSla, room: (all) => without(all).length > 0, facts: (s, all) => [[t('calendar'), named(all.calendars, s.calendar_id)], ...severities.map((x) => [word('severity', x), `${t('slas.response')} ${promised(s[`${x}_response_seconds`])}, ${t('slas.resolve')} ${promised(s[`${x}_resolve_seconds`])}`])] },
  calendars: { path: '/v1/calendars', Form: EditCalendar, facts: (c) => [[t('time-zone'), c.time_zone], ...days.map((d) => [t(`day.${d}`), c[d].length ? c[d].join(', ') : t('calendars.closed')]), [t('calendars.holidays'), c.holidays.length ? c.holidays.join(', ') : t('none')]] },
};

const Kind = ({ kind, all, open }) => {
  const { facts, mark, room } = kinds[kind];
  const rows = all[kind];
  const may = mayArrange();
  return html`<${Panel} title=${t(`desk.${kind}`)} more=${may && (!room || room(all)) && html`<button type="button" onClick=${open('edit', kind, {})}>${t(`${kind}.new`)}</button>`}><p class="muted">${t(`desk.${kind}.text`)}</p><${Loaded} of=${all.read[kind]}>${() => (rows.length ? rows.map((x) => html`<section key=${x.id} class="thing" aria-label=${x.name}><div class="bar"><h3>${x.name}</h3>${mark?.(x)}<span class="grow muted">${x.customer_id ? named(all.customers, x.customer_id) : t('desk.all')}</span>
    ${may && html`<span class="acts"><button type="button" aria-label=${`${t('change')}: ${x.name}`} onClick=${open('edit', kind, x)}>${t('change')}</button><button type="button" class="danger" aria-label=${`${t('delete')}: ${x.name}`} onClick=${open('delete', kind, x)}>${t('delete')}</button></span>`}</div><${Facts} rows=${facts(x, all)}/></section>`) : html`<${Empty} title=${t('empty.title')} text=${t(`desk.${kind}.none`)}/>`)}</${Loaded}></${Panel}>`;
};

export const Desk = () => {
  const read = { queues: useData('/v1/queues?limit=200', ['queue.'], { all: true }), slas: useData('/v1/slas?limit=200', ['sla.'], { all: true }), calendars: useData('/v1/calendars?limit=200', ['calendar.'], { all: true }) };
  const customers = useCustomers();
  const list = (kind) => /** @type {any[]} */ (read[kind].data.value?.data || []);
  const all = { read, customers, queues: list('queues'), slas: list('slas'), calendars: list('calendars') };
  const dialog = useSignal(/** @type {any} */ (null));
  const close = () => { dialog.value = null; };
  const open = (what, kind, of) => () => { dialog.value = { what, kind, of }; };
  const d = dialog.value;
  const drop = async () => { const at = `${kinds[d.kind].path}/${d.of.id}`; await remove(at, (await get(/** @type {any} */ (at))).version); };
  return html`<div class="bar"><h1>${t('page.desk')}</h1></div>
    ${d?.what === 'edit' && html`<${kinds[d.kind].Form} of=${d.of} queues=${all.queues} slas=${all.slas} calendars=${all.calendars} customers=${customers} onClose=${close}/>`}
    ${d?.what === 'delete' && html`<${TypedConfirm} title=${t('desk.delete', { name: d.of.name })} text=${t(`desk.${d.kind}.delete`)} name=${d.of.name} label=${t('delete')} onYes=${drop} onClose=${close}/>`}
    ${Object.keys(kinds).map((kind) => html`<${Kind} key=${kind} kind=${kind} all=${all} open=${open}/>`)}`;
};
