// SPDX-License-Identifier: Apache-2.0
// What may be done with a ticket: one press each, or a dialog for what must be said with it; and the keys for the frequent ones.
import { html, useEffect, useSignal } from '../core/html.js';
import { Problem, get, post } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { shortcuts } from '../core/store.js';
import { instant, zone } from '../core/time.js';
import { Area, Choice, Dialog, Form, Operations, Text, toast } from '../ui/parts.js';

const Team = ({ value, problem }) => {
  const people = useData('/v1/users?limit=200');
  const team = (people.data.value?.data || []).filter((u) => !u.customer_id && u.state === 'active' && u.roles.some((r) => r.role.startsWith('support_')));
  return html`<${Choice} id="assignee_id" label=${t('assignee')} value=${value} options=${[['', t('nobody')], ...team.map((u) => [u.id, u.display_name || u.email])]} problem=${problem}/>`;
};
const byNumber = async (number) => {
  const found = /** @type {any} */ (await get(`/v1/tickets?number=${encodeURIComponent(number.trim())}&limit=1`)).data[0];
  if (!found) throw new Problem({ detail: t('ticket.none'), errors: [{ pointer: '/into_id', detail: t('ticket.none') }] }, 0);
  return found.id;
};
/** Moves with something to say: the field of the call, how it is asked for, what it makes of it. */
const asked = {
  'request-info': { field: 'question', view: Area },
  assign: { field: 'assignee_id', view: Team, of: (v) => v || null },
  wait: { field: 'waiting_for', first: 'vendor', view: Choice, options: () => ['vendor', 'maintenance', 'machine'].map((w) => [w, t(`ticket.wait.${w}`)]) },
  snooze: { field: 'until', view: Text, kind: 'datetime-local', hint: zone, of: (v) => v && instant(v) },
  merge: { field: 'into_id', view: Text, of: byNumber },
};
const Say = ({ op, ticket, onClose }) => {
  const { field, view, first = '', kind, hint, options, of = (v) => v } = asked[op];
  const value = useSignal(first);
  const send = async () => post(`/v1/tickets/${ticket.id}/${op}`, { [field]: await of(value.value) });
  return html`<${Dialog} title=${t(`ticket.${op}`)} onClose=${onClose}><${Form} label=${t(`ticket.${op}`)} send=${send} done=${onClose}>${(wrong) => html`<${view} id=${field} label=${t(`ticket.${op}.ask`)} value=${value} problem=${wrong[field]} ...${kind ? { kind } : {}} ...${hint ? { hint: hint() } : {}} ...${options ? { options: options() } : {}}/>`}</${Form}></${Dialog}>`;
};

const simple = ['claim', 'release', 'escalate', 'acknowledge', 'resume', 'close', 'reopen', 'solve', 'cancel'];
export const Moves = ({ ticket, reload }) => {
  const dialog = useSignal('');
  const close = () => { dialog.value = ''; reload(); };
  const may = new Set(ticket.allowed_operations || []);
  useEffect(() => {
    const keys = { a: 'claim', e: 'solve' };
    const places = { r: 'reply', m: 'macro' };
    const key = async (event) => {
      if (['INPUT', 'TEXTAREA', 'SELECT'].includes(event.target.tagName) || event.ctrlKey || event.metaKey || shortcuts.value !== 'on' || document.querySelector('dialog[open]')) return;
      if (places[event.key]) { event.preventDefault(); document.getElementById(places[event.key])?.focus(); }
      if (event.key === 'A' && may.has('approve')) await post(`/v1/tickets/${ticket.id}/approve`, { plan_hash: ticket.plan_hash }).then(reload, (p) => toast(p.message, true));
      const op = keys[event.key];
      if (op && may.has(op)) await post(`/v1/tickets/${ticket.id}/${op}`).then(reload, (p) => toast(p.message, true));
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  });
  const ops = Object.fromEntries(simple.map((op) => [op, { label: t(`ticket.${op}`), kind: op === 'cancel' ? 'danger' : '', run: async () => { await post(`/v1/tickets/${ticket.id}/${op}`); reload(); } }]));
  for (const op of Object.keys(asked)) ops[op] = { label: t(`ticket.${op}`), kind: '', run: async () => { dialog.value = op; } };
  return html`<${Operations} object=${ticket} ops=${ops}/>${dialog.value && html`<${Say} op=${dialog.value} ticket=${ticket} onClose=${close}/>`}`;
};
