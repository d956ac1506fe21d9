// SPDX-License-Identifier: Apache-2.0
// The parts that pages are made of.
import { html, signal, useEffect, useRef, useSignal, useState } from '../core/html.js';
import { t, word, maybe } from '../core/i18n.js';
import { ago, dateTime, duration } from '../core/time.js';

// ---- states: shape + word + colour ----
const tones = {
  ok: ['●', 'protected normal replicating active running succeeded passed done solved approved ready connected verified healthy live open met complete pass'],
  warning: ['▲', 'warning maintenance degraded seeding resyncing resync_required pending_customer customer_validation awaiting awaiting_approval waiting quarantined preflight_failed committed_unprotected closed_unprotected starting stopping stale error_recoverable needs_verifying overdue draft unverified paused_by_system suspended'],
  bad: ['■', 'error critical failed unprotected unreachable fenced revoked rejected displaced split_brain_suspected breached corrupt rolled_back missed'],
  test: ['◆', 'test test_running drill_running test_replica'],
  info: ['▶', 'failing_over changing in_progress executing scheduled prepared failed_over_uncommitted committed new queued claimed running_step'],
};
const toneOf = new Map(Object.entries(tones).flatMap(([tone, [shape, names]]) => names.split(' ').map((n) => [n, { tone, shape }])));
/** Tone and shape of a state's name. @param {string} value */
export const tone = (value) => toneOf.get(value) || { tone: 'idle', shape: '○' };
/** The shape of a tone. @param {string} of */
export const shape = (of) => tones[of]?.[0] || '○';
/** What has a tone has its shape, too. @param {{ tone: string, children?: any }} props */
export const Toned = ({ tone: of, children }) => html`<span class=${`state ${of}`}><b aria-hidden="true">${shape(of)}</b>${children}</span>`;
/** @param {{ value: string|null|undefined, group?: string, tone?: string }} props */
export const State = ({ value, group = 'state', tone: given }) => {
  return html`<${Toned} tone=${given || tone(value || 'unknown').tone}>${word(group, value || 'unknown')}</${Toned}>`;
};

/** Every page of a demo says that it is one. */
export const Demo = () => (document.documentElement.dataset.demo === 'yes' ? html`<span class="demo" title=${t('demo.about')}><b aria-hidden="true">◆</b> ${t('demo')}<span class="sr">: ${t('demo.about')}</span></span>` : null);

// ---- time ----
const second = signal(Date.now());
setInterval(() => { if (!document.hidden) second.value = Date.now(); }, 1000);
export const now = second;
export const Ago = ({ at }) => (at ? html`<time datetime=${at} title=${`${dateTime(at)} · ${dateTime(at, 'UTC')} UTC`}>${ago(at, second.value)}</time>` : html`<span class="muted">${t('never')}</span>`);
export const When = ({ at }) => (at ? html`<time class="num" datetime=${at} title=${`${dateTime(at, 'UTC')} UTC · ${ago(at)}`}>${dateTime(at)}</time>` : html`<span class="muted">${t('none')}</span>`);
export const Countdown = ({ to }) => html`<span class="num">${duration((Date.parse(to) - second.value) / 1000)}</span>`;

// ---- problems, emptiness, waiting ----
const titleOf = (problem) => problem.title || t('problem.title');
export const ProblemBox = ({ problem, untitled = false }) => (problem ? html`<div class="problem" role="alert">${!untitled && html`<h3>${titleOf(problem)}</h3>`}<p>${problem.message}</p>
  ${problem.remedy && html`<p class="muted">${problem.remedy}</p>`}${(problem.requestId || problem.code) && html`<p class="muted">${problem.code && problem.status > 0 && html`<a href=${`/problems/${problem.code}`} target="_blank" rel="noopener">${t('problem.about')}</a> `}<span class="mono">${problem.requestId}</span></p>`}</div>` : null);
export const Empty = ({ title, text, children }) => html`<div class="empty"><p><b>${title}</b></p>${text && html`<p>${text}</p>`}${children}</div>`;
/** A page that there is not. @param {{ text: string }} props */
export const NotFound = ({ text }) => html`<div class="bar"><h1>${t('not-found')}</h1></div><p>${text}</p>`;
/** A page that cannot be shown: the problem is its heading. @param {{ problem: any }} props */
export const Missing = ({ problem }) => html`<div class="bar"><h1>${titleOf(problem)}</h1></div><${ProblemBox} problem=${problem} untitled/>`;
/** Show data when it is there; `page` says that a whole page is made of it. @param {{ of: any, children: any, page?: boolean }} props children is a function of the data */
export const Loaded = ({ of, children, page = false }) => {
  const gone = of.problem.value && (of.data.value === undefined || of.problem.value.status === 404); // never there, or not any more
  if (gone) return html`<${page ? Missing : ProblemBox} problem=${of.problem.value}/>`;
  if (of.data.value === undefined) return html`<div class="skeleton" aria-label=${t('loading')}/>`;
  return html`${of.problem.value && html`<p class="note warning">${t('stale', { time: ago(new Date(of.at.value).toISOString(), second.value) })}</p>`}${children(of.data.value)}`;
};

// ---- messages ----
export const toasts = signal(/** @type {any[]} */ ([]));
export const toast = (text, bad = false) => {
  const item = { text, bad, id: Math.random(), at: new Date().toISOString() };
  toasts.value = [...toasts.value.slice(-4), item];
  if (!bad) setTimeout(() => { toasts.value = toasts.value.filter((x) => x !== item); }, 6000);
};
export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">${toasts.value.map((x) => html`<div key=${x.id} class=${`toast ${x.bad ? 'bad' : ''}`}>
  <span>${x.text}</span><button class="link" onClick=${() => { toasts.value = toasts.value.filter((y) => y !== x); }}>${t('dismiss')}</button></div>`)}</div>`;

// ---- buttons ----
/** A button that says why it may not be pressed. @param {any} props */
export const Action = ({ label, onPress, why = '', kind = '', busyLabel }) => {
  const busy = useSignal(false);
  const press = async () => {
    if (why || busy.value) return;
    busy.value = true;
    try {
      await onPress();
    } catch (problem) {
      toast(`${label}: ${problem.message}`, true);
    } finally {
      busy.value = false;
    }
  };
  const id = useRef(`why-${Math.random().toString(36).slice(2)}`).current;
  return html`<button type="button" class=${kind} aria-disabled=${why || busy.value ? 'true' : undefined} aria-describedby=${why ? id : undefined} onClick=${press}>${busy.value ? busyLabel || t('working') : label}</button>${why && html`<span class="why" id=${id}>${why}</span>`}`;
};
// Reasons that no waiting changes for this person and this object: such operations are not shown.
const never = ['role_missing', 'not_of_this_kind'];
/** The buttons of an object: what is allowed can be pressed; what cannot be done just now stands below, each with why,
 * what would help and whose turn that is. Names are compared with dashes: both spellings stand for the same call. What
 * destroys has `loses`, which says what, and the word that is typed before it is done.
 * @param {{ object: any, ops: Record<string, { label: string, run: () => Promise<any>, kind?: string, loses?: { text: string, type: string } }>, children?: any }} props */
export const Operations = ({ object, ops, children }) => {
  const sure = useSignal('');
  const press = (op, o) => (o.loses ? async () => { sure.value = op; } : o.run);
  const asked = ops[sure.value];
  const dashed = (op) => op.replaceAll('_', '-');
  const allowed = new Set((object.allowed_operations || []).map(dashed));
  const offered = Object.entries(ops).filter(([op]) => allowed.has(op));
  const blocked = (object.blocked_operations || []).filter((b) => ops[dashed(b.op)] && !never.includes(b.reason_code));
  return html`<div class="actions">${offered.map(([op, o]) => html`<${Action} key=${op} label=${o.label} kind=${o.kind} onPress=${press(op, o)}/>`)}${children}</div>
    ${asked?.loses && html`<${TypedConfirm} title=${asked.label} text=${asked.loses.text} name=${asked.loses.type} label=${asked.label} onYes=${asked.run} onClose=${() => { sure.value = ''; }}/>`}
    ${blocked.length > 0 && html`<details class="later"><summary>${t('blocked.more', { n: blocked.length })}</summary><dl>${blocked.map((b) => html`<div><dt>${ops[dashed(b.op)].label}</dt><dd>${b.text}${b.who ? html` <span class="muted">(${word('who', b.who)})</span>` : ''}</dd></div>`)}</dl></details>`}`;
};

// ---- forms ----
/** @param {any} props */
export const Field = ({ label, hint, problem, children, id }) => html`<label for=${id}>${label}${hint && html` <span class="hint">${hint}</span>`}</label>${children}${problem && html`<p class="field-problem" id=${`${id}-problem`}>${problem}</p>`}`;
/** @param {any} props value is a signal */
export const Text = ({ id, label, hint, value, problem, kind = 'text', ...rest }) => html`<${Field} id=${id} label=${label} hint=${hint} problem=${problem}>
  <input id=${id} type=${kind} class=${problem ? 'wrong' : ''} aria-describedby=${problem ? `${id}-problem` : undefined} value=${value.value} onInput=${(e) => { value.value = e.currentTarget.value; }} ...${rest}/></${Field}>`;
export const Area = ({ id, label, hint, value, problem, ...rest }) => html`<${Field} id=${id} label=${label} hint=${hint} problem=${problem}>
  <textarea id=${id} value=${value.value} onInput=${(e) => { value.value = e.currentTarget.value; }} ...${rest}/></${Field}>`;
export const Choice = ({ id, label, hint, value, options, problem, ...rest }) => html`<${Field} id=${id} label=${label} hint=${hint} problem=${problem}>
  <select id=${id} value=${value.value} onChange=${(e) => { value.value = e.currentTarget.value; }} ...${rest}>${options.map(([v, text]) => html`<option value=${v} selected=${v === value.value}>${text}</option>`)}</select></${Field}>`;
/** A form that sends itself once, shows the server's words by field, and keeps what was typed.
 * @param {{ send: () => Promise<any>, label: string, children: (fields: Record<string,string>) => any, kind?: string, done?: (answer: any) => void }} props */
export const Form = ({ send, label, children, kind = 'primary', done }) => {
  const problem = useSignal(/** @type {any} */ (null));
  const busy = useSignal(false);
  const submit = async (event) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    problem.value = null;
    try {
      const answer = await send();
      done?.(answer);
    } catch (error) {
      problem.value = error;
    } finally {
      busy.value = false;
    }
  };
  const fields = problem.value?.fields || {};
  return html`<form onSubmit=${submit} novalidate>${children(fields)}${problem.value && html`<${ProblemBox} problem=${problem.value}/>`}
    <div class="actions"><button class=${kind} aria-disabled=${busy.value ? 'true' : undefined}>${busy.value ? t('working') : label}</button></div></form>`;
};

// ---- dialogs ----
/** @param {any} props */
export const Dialog = ({ title, onClose, children }) => {
  const ref = useRef(/** @type {any} */ (null));
  useEffect(() => { ref.current.showModal(); }, []);
  return html`<dialog ref=${ref} aria-label=${title} onClose=${onClose} onCancel=${onClose}><div class="bar"><h1>${title}</h1><button type="button" onClick=${() => ref.current.close()}>${t('close')}</button></div>${children}</dialog>`;
};
/** A dialog that asks for a name to be typed before something is destroyed. @param {any} props */
export const TypedConfirm = ({ title, text, name, label, onYes, onClose }) => {
  const typed = useSignal('');
  return html`<${Dialog} title=${title} onClose=${onClose}><p>${text}</p><${Text} id="typed" label=${t('confirm.type', { name })} value=${typed} autocomplete="off"/>
    <div class="actions"><${Action} kind="danger" label=${label} onPress=${async () => { await onYes(); onClose(); }} why=${typed.value === name ? '' : t('confirm.why')}/></div></${Dialog}>`;
};

// ---- pictures ----
/** The width of an element, kept up to date: pictures are laid out for it, never scaled. */
export const useWidth = () => {
  const ref = useRef(/** @type {any} */ (null));
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver((entries) => setWidth(Math.floor(entries[0].contentRect.width)));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return { ref, width };
};
/** A table twin of a picture. @param {{ head: string[], rows: any[][], label?: string }} props */
export const Twin = ({ head, rows, label }) => html`<details class="twin"><summary>${label || t('twin')}</summary><div class="scroll" tabindex="0" role="region" aria-label=${label || t('twin')}><table><thead><tr>${head.map((x) => html`<th scope="col">${x}</th>`)}</tr></thead><tbody>${rows.map((r) => html`<tr>${r.map((c) => html`<td>${c}</td>`)}</tr>`)}</tbody></table></div></details>`;
/** What stands in the way, and after it what only deserves a look; said once of all the VMs that it is about, which `name` calls
 * by their names. @param {{ list: any[], name?: (vm: string) => string }} props */
export const Blockers = ({ list, name }) => {
  const groups = new Map();
  for (const b of list) {
    const key = JSON.stringify([Boolean(b.warning), b.text, b.fix]);
    groups.set(key, [...(groups.get(key) || []), b]);
  }
  const namesOf = (group) => (name ? [...new Set(group.map((b) => b.subject).filter((s) => s?.startsWith('vm_')).map((s) => name(s)))].join(', ') : '');
  const sorted = [...groups.values()].sort((a, b) => Number(Boolean(a[0].warning)) - Number(Boolean(b[0].warning)));
  return html`<ul>${sorted.map((group) => html`<li class=${group[0].warning ? 'warning' : 'bad'}>${group[0].warning ? '▲' : '■'} ${namesOf(group) && html`<b>${namesOf(group)}:</b> `}${group[0].text} <span class="muted">${group[0].fix || ''}</span></li>`)}</ul>`;
};
export const Panel = ({ title, children, more }) => html`<section class="panel" aria-label=${title}><header><h2>${title}</h2>${more}</header>${children}</section>`;
export const Facts = ({ rows }) => html`<dl class="facts">${rows.filter(Boolean).map(([k, v]) => html`<div><dt>${k}</dt><dd>${v ?? html`<span class="muted">${t('unknown')}</span>`}</dd></div>`)}</dl>`;
export { maybe };
