// SPDX-License-Identifier: Apache-2.0
// Tickets: the list, a new one, and one with its thread, approvals and what may be done.
import { html, useEffect, useSignal } from '../core/html.js';
import { get, newKey, post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go } from '../core/router.js';
import { isStaff, mayAsk, me } from '../core/store.js';
import { dateTime, duration } from '../core/time.js';
import { List } from '../ui/list.js';
import { Ago, Area, Blockers, Choice, Countdown, Dialog, Empty, Facts, Form, Loaded, NotFound, Operations, Panel, State, Text, Toned, When, now, toast } from '../ui/parts.js';
import { PickMacro, expand, useMacros } from './macros.js';
import { FormFields, FormPanel, formBody } from './ticket-forms.js';
import { Moves } from './ticket-moves.js';
import { Files, Links, Viewers, Watchers, Worked, may } from './ticket-parts.js';
import { Run, useNames } from './run.js';

export const open = ['new', 'open', 'pending_customer', 'pending_vendor', 'pending_maintenance', 'pending_machine'];
export const types = ['incident', 'request', 'change', 'failover', 'drill', 'firewall_change', 'hardware', 'consultation', 'account', 'billing'];
const severities = ['low', 'normal', 'high', 'urgent'];

/** How long until a clock ends, in words, shape and colour. */
export const Due = ({ at, breached, over = false }) => {
  if (over) return html`<span class="muted">${t(breached ? 'sla.was-late' : 'sla.none')}</span>`;
  if (breached) return html`<${Toned} tone="bad">${t('sla.breached')}</${Toned}>`;
  if (!at || at.startsWith('9999')) return html`<span class="muted">${t('sla.none')}</span>`;
  const left = Date.parse(at) - now.value;
  if (left < 0) return html`<${Toned} tone="bad">${t('sla.late')}</${Toned}>`;
  return left < 900000 ? html`<${Toned} tone="warning"><${Countdown} to=${at}/></${Toned}>` : html`<${Countdown} to=${at}/>`;
};

const columns = [
  { label: t('number'), sort: 'number', cell: (x) => html`<a class="num" href=${`/app/tickets/${x.number}`}>${x.number}</a>` },
  { label: t('subject'), under: true, cell: (x) => html`<a href=${`/app/tickets/${x.number}`}>${x.subject}</a>` },
  { label: t('type'), folds: true, cell: (x) => word('ticket_type', x.type) },
  { label: t('state'), cell: (x) => html`<${State} group="ticket_state" value=${x.state}/>` },
  { label: t('severity'), cell: (x) => word('severity', x.severity) },
  { label: t('due'), sort: 'due_at', cell: (x) => html`<${Due} at=${x.due_at} breached=${x.resolve_breached || x.response_breached} over=${!open.includes(x.state)}/>` },
  { label: t('assignee'), folds: true, cell: (x) => x.assignee_name || html`<span class="muted">${t('nobody')}</span>` },
];
const filters = [
  { name: 'state', label: t('state'), options: [...open, 'solved', 'closed', 'merged', 'rejected'].map((s) => [s, word('ticket_state', s)]) },
  { name: 'type', label: t('type'), options: types.map((x) => [x, word('ticket_type', x)]) },
];
/** @param {any} props */
export const TicketList = ({ fixed = {} }) => html`<${List} path="/v1/tickets" customers topics=${['ticket.']} open=${(x) => `/app/tickets/${x.number}`} filters=${filters} fixed=${{ sort: '-number', ...fixed }} columns=${columns} empty=${html`<${Empty} title=${t('tickets.none')} text=${t('tickets.none.text')}/>`}/>`;

export const Tickets = () => html`<div class="bar"><h1>${t('page.tickets')}</h1>${mayAsk() && html`<a class="button" href="/app/tickets/new">${t('tickets.new')}</a><a class="button primary" href="/app/request">${t('request.button')}</a>`}</div><${TicketList}/>`;

// What was typed stays in this browser until the ticket is there.
const draft = (name, first) => {
  const s = useSignal(JSON.parse(localStorage.getItem(`us.draft.${name}`) || 'null') ?? first);
  // at each key, not when the page is drawn next: it may be closed before
  useEffect(() => s.subscribe((now) => localStorage.setItem(`us.draft.${name}`, JSON.stringify(now))), [name]);
  return s;
};

const empty = { values: {}, at: '', minutes: '' };
export const NewTicket = () => {
  const type = draft('ticket.type', 'incident');
  const severity = draft('ticket.severity', 'normal');
  const subject = draft('ticket.subject', '');
  const body = draft('ticket.body', '');
  const form = draft('ticket.form', '');
  const filled = draft('ticket.filled', empty);
  const key = draft('ticket.key', newKey());
  const customer = useSignal(me.value.customer_id || '');
  const customers = useData(isStaff.value ? '/v1/customers?limit=200' : null);
  const forms = (useData('/v1/ticket-forms').data.value?.data || []).filter((f) => f.type === type.value);
  const chosen = forms.find((f) => f.key === form.value);
  // a form makes a subject by itself
  const about = () => (chosen ? { ...(subject.value ? { subject: subject.value } : {}), form: formBody(chosen, filled.value) } : { subject: subject.value });
  const send = () => post('/v1/tickets', { type: type.value, severity: severity.value, ...about(), body: body.value || null, ...(isStaff.value ? { customer_id: customer.value } : {}) }, { key: key.value });
  const done = (x) => {
    for (const s of [subject, body, form]) s.value = '';
    filled.value = empty;
    key.value = newKey();
    go(`/app/tickets/${x.number}`);
  };
  return html`<div class="bar"><h1>${t('tickets.new')}</h1></div><section class="panel"><${Form} label=${t('tickets.send')} send=${send} done=${done}>${(wrong) => html`
    ${isStaff.value && html`<${Choice} id="customer" label=${t('customer')} value=${customer} options=${[['', '—'], ...(customers.data.value?.data || []).map((c) => [c.id, c.name])]} problem=${wrong.customer_id}/>`}
    <${Choice} id="type" label=${t('type')} value=${type} options=${types.filter((x) => x !== 'failover').map((x) => [x, word('ticket_type', x)])} problem=${wrong.type}/>
    ${forms.length > 0 && html`<${Choice} id="form" label=${t('form')} value=${form} options=${[['', t('form.words')], ...forms.map((f) => [f.key, f.title])]} problem=${wrong['form/key']}/>`}
    ${chosen && html`<${FormFields} key=${chosen.key} form=${chosen} filled=${filled} wrong=${wrong} customer=${isStaff.value ? customer.value : ''}/>`}
    <${Choice} id="severity" label=${t('severity')} value=${severity} options=${severities.map((x) => [x, word('severity', x)])} problem=${wrong.severity}/>
    <${Text} id="subject" label=${t('subject')} hint=${chosen ? t('form.subject') : ''} value=${subject} problem=${wrong.subject}/><${Area} id="body" label=${t(chosen ? 'form.more' : 'tickets.body')} value=${body} problem=${wrong.body}/>`}</${Form}></section>`;
};

// ---- one ticket ----

const Thread = ({ ticket }) => {
  const comments = useData(`/v1/tickets/${ticket.id}/comments?limit=200`, ['ticket.', 'ticket_comment.', 'comment.']);
  const text = draft(`comment.${ticket.id}`, '');
  const internal = useSignal(false);
  const macros = useMacros(Boolean(isStaff.value));
  const send = () => post(`/v1/tickets/${ticket.id}/comments`, { body: text.value, ...(isStaff.value ? { visibility: internal.value ? 'internal' : 'public' } : {}) });
  return html`<${Panel} title=${t('ticket.thread')}>${ticket.body && html`<ul class="thread"><li><b>${ticket.requester_name}</b> <span class="muted"><${When} at=${ticket.created_at}/></span><br/>${ticket.body}</li></ul>`}
    <${Loaded} of=${comments}>${(c) => html`<ul class="thread">${[...c.data].sort((a, b) => (a.created_at < b.created_at ? -1 : 1)).map((x) => html`<li key=${x.id} class=${x.visibility === 'internal' ? 'internal' : ''}><b>${x.author_name || x.user_name || ''}</b> <span class="muted"><${When} at=${x.created_at}/>${x.visibility === 'internal' ? ` · ${t('ticket.internal')}` : ''}</span><br/>${x.body}</li>`)}</ul>`}</${Loaded}>
    ${!['closed', 'merged'].includes(ticket.state) && may(ticket, 'comment') && html`<${Form} kind="" label=${t('ticket.reply')} send=${send} done=${() => { text.value = ''; comments.reload(); }}>${(wrong) => html`<${Area} id="reply" label=${t('ticket.reply')} value=${text} problem=${wrong.body} onInput=${(e) => { text.value = expand(e.currentTarget.value, macros, ticket); }}/>${macros.length > 0 && html`<${PickMacro} ticket=${ticket} macros=${macros} text=${text}/>`}
      ${isStaff.value && html`<label class="check"><input type="checkbox" checked=${internal.value} onChange=${(e) => { internal.value = e.currentTarget.checked; }}/>${t('ticket.internal.label')}</label>`}`}</${Form}>`}</${Panel}>`;
};

const Approvals = ({ ticket, reload }) => {
  const list = useData(`/v1/tickets/${ticket.id}/approvals?limit=50`, ['ticket.', 'approval.']);
  const attested = useData(`/v1/tickets/${ticket.id}/attestations?limit=50`, ['ticket.', 'attestation.']);
  const waived = useData(`/v1/tickets/${ticket.id}/waivers?limit=50`, ['ticket.', 'waiver.']);
  const name = useNames(ticket.failover_id);
  const who = (x) => (ticket.resource_ids?.length > 1 ? t('signed.of', { who: x.user_name, vm: name(x.vm_id) }) : x.user_name);
  // of each machine the newest signature alone can wait for another
  const signed = (list, counts, waits) => (list.data.value?.data || []).map((x, i, all) => html`<p class="note" key=${x.id}>${t('signed.statement', { who: who(x), statement: x.statement, standing: x.effective ? counts(x) : all.some((y) => y.vm_id === x.vm_id && y.id > x.id) ? '' : waits })}</p>`);
  return html`<${Panel} title=${t('approvals')} more=${html`<${State} group="approval" value=${ticket.approval}/>`}>
    ${ticket.blockers?.length > 0 && html`<div class=${ticket.blockers.some((b) => !b.warning) ? 'problem' : 'note warning'} role="status"><h3>${t(ticket.blockers.some((b) => !b.warning) ? 'blockers' : 'blockers.none')}</h3><${Blockers} list=${ticket.blockers} name=${name}/></div>`}
    ${ticket.predicted && html`<${Predicted} of=${ticket.predicted}/>`}
    <${Loaded} of=${list}>${(a) => (a.data.length ? html`<ul class="steps">${a.data.map((x) => html`<li><${State} group="decision" value=${x.decision} tone=${x.voided_at ? 'idle' : x.decision === 'approved' ? 'ok' : 'bad'}/><span class="grow">${x.user_name} <span class="muted">${word('side', x.side)}${x.note ? ` · ${x.note}` : ''}${x.voided_at ? ` · ${t('approval.void')}` : ''}</span></span><${Ago} at=${x.created_at}/></li>`)}</ul>` : html`<p class="muted">${t('approvals.none')}</p>`)}</${Loaded}>
    ${signed(attested, () => t('attest.effective'), t('attest.first'))}
    ${signed(waived, (x) => t('waive.until', { at: dateTime(x.holds_until) }), t('waive.first'))}
    <${ApprovalButtons} ticket=${ticket} name=${name} reload=${reload}/></${Panel}>`;
};

export const Predicted = ({ of }) => html`<${Facts} rows=${[[t('predicted.downtime'), range(of, 'downtime')], [t('predicted.rto'), range(of, 'rto')], [t('predicted.rpo'), range(of, 'rpo')], known(of.basis) && [t('predicted.sure'), sureness(of)], [t('data-loss'), of.data_loss === 'none' ? html`<${Toned} tone="ok">${t('none')}</${Toned}>` : of.data_loss], of.addresses?.length > 0 && [t('predicted.addresses'), html`${of.addresses.map((a) => html`<div key=${a.vm_id + a.mac}>${a.name} <span class="muted">${a.mac}</span> <span class="mono">${a.addresses.join(', ')}</span></div>`)}`]]}/>`;
const range = (of, what) => { const [low, high] = [of[`${what}_low_seconds`], of[`${what}_high_seconds`]]; return html`<span>${seconds(of[`${what}_seconds`])}${known(low) && known(high) && low !== high && html` (${seconds(low)} – ${seconds(high)})`}</span>`; };
const sureness = (of) => html`${of.runs ? t(of.confidence_percent ? `predicted.sure.${of.basis}` : 'predicted.sure.once', { percent: of.confidence_percent, runs: of.runs }) : t('predicted.sure.assumed')}${of.graded_runs > 0 && html` <span class="muted">${t('predicted.held', { held: of.held_runs, graded: of.graded_runs })}</span>`}`;
const known = (n) => n !== null && n !== undefined;
const seconds = (n) => html`<span class="num">${duration(n)}</span>`;

// Which of the run's VMs a statement is about.
const OneVm = ({ ticket, name, value, problem }) => (ticket.resource_ids?.length > 1 ? html`<${Choice} id="vm" label=${t('vm')} value=${value} options=${ticket.resource_ids.map((v) => [v, name(v)])} problem=${problem}/>` : null);

const Attest = ({ ticket, name, onClose }) => {
  const vm = useSignal(ticket.resource_ids?.[0] || '');
  const statement = useSignal('');
  return html`<${Dialog} title=${t('attest.title')} onClose=${onClose}><p class="note bad">${t('attest.text')}</p><${Form} label=${t('attest.sign')} kind="danger" send=${() => post(`/v1/tickets/${ticket.id}/attest-down`, { vm_id: vm.value, statement: statement.value })} done=${onClose}>${(wrong) => html`
    <${OneVm} ticket=${ticket} name=${name} value=${vm} problem=${wrong.vm_id}/><${Area} id="statement" label=${t('attest.statement')} value=${statement} problem=${wrong.statement}/>`}</${Form}></${Dialog}>`;
};

const DAY = 86400000;
const Waive = ({ ticket, name, onClose }) => {
  const vm = useSignal(ticket.resource_ids?.[0] || '');
  const statement = useSignal('');
  const days = useSignal('7');
  const send = () => post(`/v1/tickets/${ticket.id}/waive`, { vm_id: vm.value, statement: statement.value, expires_at: new Date(Date.now() + Number(days.value) * DAY - 60000).toISOString() });
  return html`<${Dialog} title=${t('waive.title')} onClose=${onClose}><p class="note bad">${t('waive.text')}</p><${Form} label=${t('waive.sign')} kind="danger" send=${send} done=${onClose}>${(wrong) => html`
    <${OneVm} ticket=${ticket} name=${name} value=${vm} problem=${wrong.vm_id}/><${Choice} id="days" label=${t('waive.days')} value=${days} options=${['7', '30', '90'].map((d) => [d, t(`waive.days.${d}`)])} problem=${wrong.expires_at}/><${Area} id="statement" label=${t('waive.statement')} value=${statement} problem=${wrong.statement}/>`}</${Form}></${Dialog}>`;
};

const Reject = ({ ticket, onClose }) => {
  const note = useSignal('');
  return html`<${Dialog} title=${t('reject.title')} onClose=${onClose}><p>${t('reject.text')}</p><${Form} label=${t('reject')} kind="danger" send=${() => post(`/v1/tickets/${ticket.id}/reject`, { note: note.value || null })} done=${onClose}>${(wrong) => html`<${Area} id="why-not" label=${t('reject.why')} value=${note} problem=${wrong.note}/>`}</${Form}></${Dialog}>`;
};

const ApprovalButtons = ({ ticket, name, reload }) => {
  const dialog = useSignal('');
  const ask = (name) => async () => { dialog.value = name; };
  const close = () => { dialog.value = ''; reload(); };
  const then = (run) => async () => { await run(); reload(); };
  const ops = {
    approve: { label: t('approve'), kind: 'primary', run: then(async () => { await post(`/v1/tickets/${ticket.id}/approve`, { plan_hash: ticket.plan_hash }); toast(t('approved')); }) },
    reject: { label: t('reject'), kind: 'danger', run: ask('reject') },
    'attest-down': { label: t('attest.button'), kind: 'danger', run: ask('attest') },
    waive: { label: t('waive.button'), kind: 'danger', run: ask('waive') },
  };
  const Asked = { reject: Reject, attest: Attest, waive: Waive }[dialog.value];
  return html`<${Operations} object=${ticket} ops=${ops}/>${Asked && html`<${Asked} ticket=${ticket} name=${name} onClose=${close}/>`}`;
};

const History = ({ ticket }) => {
  const data = useData(`/v1/tickets/${ticket.id}/history?limit=100`, ['ticket.']);
  return html`<${Panel} title=${t('history')}><${Loaded} of=${data}>${(h) => html`<ul class="steps">${h.data.map((e) => html`<li><span class="grow">${word('event', e.type || e.action)} <span class="muted">${e.actor?.object === 'system' ? t('by-itself') : e.actor?.name || e.actor_name || ''}</span></span><${When} at=${e.created_at || e.at}/></li>`)}</ul>`}</${Loaded}></${Panel}>`;
};

export const Ticket = ({ id }) => {
  // addresses carry the number that people know
  const named = /^tkt_/.test(id);
  const found = useData(named ? null : `/v1/tickets?number=${encodeURIComponent(id)}&limit=1`);
  const real = named ? id : found.data.value?.data[0]?.id;
  if (named) return html`<${OneTicket} id=${real}/>`;
  if (found.data.value && !real) return html`<${NotFound} text=${t('ticket.none')}/>`;
  return html`<${Loaded} page of=${found}>${() => html`<${OneTicket} id=${real}/>`}</${Loaded}>`;
};

// Who it is for, as support wants to see it.
const CustomerCard = ({ id }) => {
  const data = useData(`/v1/customers/${id}`, ['customer.']);
  const runs = useData(`/v1/tickets?customer_id=${id}&state=${open.join(',')}&limit=1&count=exact`, ['ticket.']);
  return html`<${Panel} title=${t('customer')}><${Loaded} of=${data}>${(c) => html`<${Facts} rows=${[[t('name'), html`<a href=${`/app/customers/${id}`}>${c.name}</a>`], [t('state'), html`<${State} value=${c.state}/>`], [t('account-number'), c.account_number], [t('time-zone'), c.time_zone], [t('ticket.others'), runs.data.value?.total]]}/>`}</${Loaded}></${Panel}>`;
};

const OneTicket = ({ id }) => {
  const data = useData(`/v1/tickets/${id}`, ['ticket.', 'failover.', 'approval.']);
  return html`<${Loaded} page of=${data}>${(x) => html`<div class="bar"><h1>${x.subject}</h1><${State} group="ticket_state" value=${x.state}/></div><p class="muted"><span class="num">${x.number}</span> · ${word('ticket_type', x.type)} · ${word('severity', x.severity)} · ${t('opened-by', { name: x.requester_name || '' })} <${Ago} at=${x.created_at}/></p>
    ${isStaff.value && html`<${Viewers} ticket=${x}/>`}<${Moves} ticket=${x} reload=${data.reload}/><br/>
    ${x.failover_id && html`<${Run} id=${x.failover_id} ticket=${x}/>`}
    ${x.approval && x.approval !== 'none' && html`<${Approvals} ticket=${x} reload=${data.reload}/>`}
    <div class="grid"><div>${x.form && html`<${FormPanel} ticket=${x}/>`}<${Thread} ticket=${x}/><${Files} ticket=${x}/><${Links} ticket=${x}/></div><div><${Panel} title=${t('facts')}><${Facts} rows=${[[t('assignee'), x.assignee_name || t('nobody')], [t('sla.response'), x.responded_at ? html`<${When} at=${x.responded_at}/>` : html`<${Due} at=${x.response_due_at} breached=${x.response_breached}/>`], [t('sla.resolve'), x.solved_at ? html`<${When} at=${x.solved_at}/>` : html`<${Due} at=${x.resolve_due_at} breached=${x.resolve_breached}/>`], [t('waiting-on'), word('waiting_on', x.waiting_on)]]}/></${Panel}>${isStaff.value && x.customer_id && html`<${CustomerCard} id=${x.customer_id}/>`}<${Watchers} ticket=${x}/>${isStaff.value && html`<${Worked} ticket=${x}/>`}<${History} ticket=${x}/></div></div>`}</${Loaded}>`;
};
export { get };
