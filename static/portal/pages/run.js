// SPDX-License-Identifier: Apache-2.0
// A failover run, live: what it does now in one sentence, whose turn it is, what may be done, where it runs, its steps
// against the plan, what was measured.
import { html, useEffect, useRef, useSignal } from '../core/html.js';
import { get, post } from '../core/api.js';
import { maybe, t, stepName, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { duration } from '../core/time.js';
import { Chain } from '../draw/chain.js';
import { Against } from '../draw/against.js';
import { Gantt } from '../draw/gantt.js';
import { Points } from '../draw/points.js';
import { Action, Area, Countdown, Dialog, Facts, Form, Loaded, Operations, Panel, State, Toned, TypedConfirm, When, now, toast, tone } from '../ui/parts.js';
import { useHosts } from './hosts.js';
import { operation } from './operation.js';

const kindOf = (f) => t(`kind.${f.kind}.title`);
/** What a run is about, briefly. */
export const what = (f) => {
  const names = (f.plan?.members || []).map((m) => m.name);
  if (!names.length) return t('vms.count', { n: (f.vm_ids || []).length });
  return names.length < 3 ? names.join(', ') : t('run.and-more', { name: names[0], n: names.length - 1 });
};
export const title = (f) => `${kindOf(f)} · ${what(f)}`;
/** How long each step took in the last run of this kind that reached its end; {} when there was none. */
const useLast = (f) => {
  const runs = useData(f ? `/v1/failovers?kind=${f.kind}&limit=20` : null);
  const last = (runs.data.value?.data || []).find((r) => f && r.id !== f.id && ['protected', 'solved'].includes(r.state));
  const whole = useData(last ? `/v1/failovers/${last.id}` : null);
  return Object.fromEntries((whole.data.value?.steps || []).filter((s) => s.started_at && s.ended_at && s.name !== 'validate').map((s) => [s.name, (Date.parse(s.ended_at) - Date.parse(s.started_at)) / 1000]));
};
const namesIn = (f) => new Map((f?.plan?.members || []).map((m) => [m.vm_id, m.name]));
/** How the VMs of a run are called: a function of a VM's id. @param {string|null} id the run's */
export const useNames = (id) => {
  const run = useData(id ? `/v1/failovers/${id}` : null);
  const names = namesIn(run.data.value);
  return (vm) => names.get(vm) || vm;
};
/** The steps with what the pictures of them show besides: the VM's name, the host's, how long the step took the last time. */
export const useSteps = (f, hosts) => {
  const last = useLast(f);
  const names = namesIn(f);
  return { steps: (f?.steps || []).map((s) => ({ ...s, vm: names.get(s.vm_id) || '', predicted_seconds: last[s.name], host: s.host_id ? hosts.name(s.host_id) : '' })), planned: Object.keys(last).length > 0 };
};
/** How much longer it takes if each step takes as long as the last time; null when that is not known. */
export const leftOf = (steps, at) => {
  const sums = new Map();
  for (const s of steps.filter((x) => !['succeeded', 'done', 'skipped', 'failed'].includes(x.state) && x.predicted_seconds !== undefined)) {
    const spent = s.started_at ? (at - Date.parse(s.started_at)) / 1000 : 0;
    sums.set(s.vm_id, (sums.get(s.vm_id) || 0) + Math.max(0, s.predicted_seconds - spent));
  }
  return sums.size ? Math.max(...sums.values()) : null;
};
const ended = ['protected', 'closed_unprotected', 'rolled_back', 'failed', 'solved'];

// states whose own sentence says more to a customer than the engine's note
const spoken = ['customer_validation', 'test_running'];
export const sentenceOf = (f) => {
  if (f.state === 'committed_unprotected') return t('run.committed_unprotected'); // until it is protected again, whatever is done for it
  if (spoken.includes(f.state) && maybe(`run.${f.state}`)) return maybe(`run.${f.state}`);
  const running = (f.steps || []).find((s) => s.state === 'running');
  if (f.waiting_for?.text) return f.waiting_for.text;
  if (running) return maybe(`step.${running.name}.now`) || t('run.step', { step: stepName(running) });
  return maybe(`run.${f.state}`) || word('state', f.state);
};

const asked = ['verify', 'commit'];
const plain = ['rollback', 'cleanup-test', 'reverse', 'cancel', 'extend-commit-timer'];
const Buttons = ({ f, reload }) => {
  const dialog = useSignal('');
  const run = (op) => async () => {
    if (asked.includes(op)) { dialog.value = op; return; }
    await operation(`/v1/failovers/${f.id}/${op}`, t(`run.do.${op}`));
    reload();
  };
  const close = () => { dialog.value = ''; reload(); };
  const ops = Object.fromEntries([...asked, ...plain].map((op) => [op, { label: t(`run.do.${op}`), ...(op === 'rollback' ? { loses: { text: t('run.rollback.text'), type: 'roll back' } } : {}), kind: op === 'verify' ? 'primary' : ['rollback', 'cancel'].includes(op) ? 'danger' : '', run: run(op) }]));
  return html`<${Operations} object=${f} ops=${ops}/>
    ${dialog.value === 'verify' && html`<${Verify} f=${f} onClose=${close}/>`}
    ${dialog.value === 'commit' && html`<${Commit} f=${f} onClose=${close}/>`}`;
};

// What a decision gives up, in numbers: of each VM the points that the run did not start from.
const Commit = ({ f, onClose }) => {
  const others = useSignal(/** @type {number|null} */ (null));
  useEffect(() => {
    const legs = (f.plan?.members || []).map((m) => m.replication_id).filter(Boolean);
    Promise.all(legs.map((r) => get(/** @type {'/v1/replications/{id}/recovery-points'} */ (`/v1/replications/${r}/recovery-points?limit=1&count=exact`))))
      .then((lists) => { others.value = lists.reduce((sum, l) => sum + Math.max(0, (l.total || 0) - 1), 0); }, () => {});
  }, []);
  return html`<${TypedConfirm} title=${t('run.do.commit')} text=${others.value === null ? t('run.commit.text') : t('run.commit.count', { n: others.value })} name="commit" label=${t('run.do.commit')} onYes=${() => operation(`/v1/failovers/${f.id}/commit`, t('run.do.commit'))} onClose=${onClose}/>`;
};

const Verify = ({ f, onClose }) => {
  const notes = useSignal('');
  const say = (result) => async () => { await post(`/v1/failovers/${f.id}/verify`, notes.value ? { result, notes: notes.value } : { result }); toast(t('run.verified')); onClose(); };
  return html`<${Dialog} title=${t('run.verify.title')} onClose=${onClose}><p>${t('run.verify.text')}</p><${Area} id="notes" label=${t('run.verify.notes')} value=${notes}/><div class="actions"><${Action} kind="primary" label=${t('run.verify.pass')} onPress=${say('pass')}/><${Action} kind="danger" label=${t('run.verify.fail')} onPress=${say('fail')}/></div></${Dialog}>`;
};

// What staff may do with a step that did not work.
const Stuck = ({ f, reload }) => {
  const steps = (f.steps || []).map((s, i) => ({ ...s, n: s.n ?? i })).filter((s) => ['failed', 'waiting'].includes(s.state));
  const actions = f.waiting_for?.actions || [];
  if (!steps.length || !actions.length) return null;
  const verb = { retry: 'retry', skip: 'skip', confirm: 'confirm' };
  return html`<div class="note warning"><ul class="steps">${steps.map((s) => html`<li><span class="grow">${stepName(s)}${s.error?.detail ? `: ${s.error.detail}` : ''}</span>${actions.filter((a) => verb[a.op || a]).map((a) => html`<${Action} label=${t(`run.${a.op || a}`)} onPress=${async () => { await post(`/v1/failovers/${f.id}/steps/${s.n}/${verb[a.op || a]}`); reload(); }}/>`)}</li>`)}</ul></div>`;
};

const namesOf = (f) => {
  const names = (f.plan?.members || []).map((m) => m.name);
  return names.length && names.length < 3 ? names.join(', ') : t('vms.count', { n: (f.vm_ids || []).length });
};
const none = (n) => n === null || n === undefined;
// before anything was measured there is nothing to show
const measured = (f) => [['data-loss', f.data_loss, f.data_loss === 'none' ? html`<${Toned} tone="ok">${t('none')}</${Toned}>` : f.data_loss], ...['downtime', 'rto_measured', 'rpo_measured'].map((k) => [k.replace('_', '.'), f[`${k}_seconds`], duration(f[`${k}_seconds`])])]
  .filter(([, value]) => !none(value) || ended.includes(f.state)).map(([key, value, text]) => [t(key), none(value) ? null : text]);
const chainOf = (f, vms, hosts) => {
  const hostName = hosts.name;
  const first = f.plan?.members?.[0] || {};
  // a run that is over is drawn as it ended, whatever came after it
  const there = ['customer_validation', 'committed_unprotected'].includes(f.state);
  const moved = f.kind !== 'test' && (there || (ended.includes(f.state) ? ['protected', 'closed_unprotected'].includes(f.state) : Boolean(f.started_at && first.vm_id) && hosts.of(first.vm_id) === first.target_host_id));
  const moving = f.kind !== 'test' && f.started_at && !ended.includes(f.state);
  const source = { letter: moved ? 'R' : 'P', host: hostName(first.source_host_id), text: vms, state: moved ? 'replica' : 'primary', tone: moved ? 'idle' : 'ok' };
  const target = { letter: moved ? 'P' : 'R', host: hostName(first.target_host_id), text: vms, state: moved ? 'primary' : moving ? 'failing_over' : 'replica', tone: moved ? 'ok' : moving ? 'info' : 'idle', dashed: moving && !moved };
  const test = f.kind === 'test' && ['running', 'test_running', 'waiting'].includes(f.state) ? { letter: '◆', host: hostName(first.target_host_id), text: t('run.test-copy'), state: 'test_running' } : null;
  if (f.state === 'closed_unprotected') return { nodes: [{ ...source, state: 'unprotected', tone: 'warning' }, target], legs: [{ back: true, state: 'unprotected', label: word('state', 'unprotected') }], test };
  return { nodes: [source, target], legs: [{ back: moved, state: moved ? 'reversing' : 'replicating', label: moved ? t('run.reversed') : '' }], test };
};

// Whose turn it is, and for what; before it begins it waits for what its state says.
export const waitsFor = ({ state, waiting_for: w }) => {
  if (!w) return maybe(`waits.${state}`) ?? t('none');
  return w.what ? `${word('who', w.who)}: ${maybe(`what.${w.what}`) ?? word('step', w.what)}` : word('who', w.who);
};

// Who looks at something else is told by the browser, if they want that, when the run's state changes.
const Tell = ({ f }) => {
  const asks = useSignal(window.Notification?.permission === 'default');
  const before = useRef(f.state);
  useEffect(() => {
    if (before.current !== f.state && document.hidden && window.Notification?.permission === 'granted') new Notification(`${tone(f.state).shape} ${title(f)}`, { body: sentenceOf(f), tag: f.id });
    before.current = f.state;
  }, [f.state]);
  return asks.value && !ended.includes(f.state) ? html`<button type="button" onClick=${async () => { await Notification.requestPermission(); asks.value = false; }}>${t('run.tell')}</button>` : null;
};

export const Run = ({ id, ticket, whole = false }) => {
  const data = useData(`/v1/failovers/${id}`, ['failover.', 'workflow.', 'ticket.']);
  const hosts = useHosts(data.data.value?.vm_ids);
  const { steps, planned } = useSteps(data.data.value, hosts);
  useEffect(() => {
    const f = data.data.value;
    if (!f) return;
    const done = (f.steps || []).filter((s) => ['succeeded', 'done'].includes(s.state)).length;
    document.title = [tone(f.state).shape, f.steps?.length && `${done}/${f.steps.length}`, title(f), ticket?.number && `· ${ticket.number}`].filter(Boolean).join(' ');
  }, [data.data.value]);
  return html`<${Loaded} of=${data}>${(f) => html`<section class="panel" aria-label=${t('run')}><p class=${`big ${tone(f.state).tone}`}><span aria-hidden="true">${tone(f.state).shape} </span>${sentenceOf(f)}</p>${f.state === 'committed_unprotected' && f.waiting_for?.text && html`<p>${f.waiting_for.text}</p>`}
      <${Facts} rows=${[[t('kind'), kindOf(f)], [t('vms'), (f.plan?.members || []).map((m) => m.name).join(', ') || (f.vm_ids || []).length], [t('state'), html`<${State} value=${f.state}/>`], [t('waiting-for'), waitsFor(f)],
        ...measured(f),
        f.state === 'running' && leftOf(steps, now.value) !== null && [t('run.left'), html`<span class="num">${duration(leftOf(steps, now.value))}</span>`],
        f.scheduled_at && [t('scheduled-at'), html`<${When} at=${f.scheduled_at}/>`], f.window_ends_at && [t('window-end'), html`<${When} at=${f.window_ends_at}/>`], f.commit_at && [t('commit-at'), html`<${Countdown} to=${f.commit_at}/>`], f.test_ends_at && f.state === 'test_running' && [t('test-ends'), html`<${Countdown} to=${f.test_ends_at}/>`], f.verdict && [t('verdict'), html`<${State} value=${f.verdict}/>`]]}/>
      <${Buttons} f=${f} reload=${data.reload}/><${Tell} key=${f.id} f=${f}/><${Stuck} f=${f} reload=${data.reload}/></section>
    <${Panel} title=${t(ended.includes(f.state) ? 'chain.then' : 'chain')}><${Chain} ...${chainOf(f, namesOf(f), hosts)}/></${Panel}>
    ${(!none(f.rto_measured_seconds) || !none(f.rpo_measured_seconds)) && html`<${Promised} f=${f}/>`}
    ${steps.length > 0 && html`<${Panel} title=${t(planned ? 'gantt.planned' : 'gantt')}><${Gantt} steps=${steps} from=${f.started_at || f.created_at || new Date(now.value).toISOString()}/></${Panel}>`}
    ${ended.includes(f.state) && html`<${Evidence} f=${f}/>`}${whole && ticket && html`<p><a href=${`/app/tickets/${ticket.number}`}>${t('run.ticket')}</a></p>`}`}</${Loaded}>`;
};

// The promise of the VM that was promised most.
const Promised = ({ f }) => {
  const legs = useData(`/v1/replications?vm_id=${f.vm_ids.join(',')}&limit=200`).data.value;
  const least = (key) => Math.min(...(legs?.data || []).filter((r) => r.leg !== 'extended' && r[key]).map((r) => r[key]));
  const rows = f.kind === 'test' ? ['rto'] : ['rpo', 'rto']; // a test loses nothing
  const drawn = rows.map((k) => ({ label: t(`${k}.measured`), value: f[`${k}_measured_seconds`], target: least(`${k}_target_seconds`) })).filter((r) => !none(r.value) && Number.isFinite(r.target));
  return drawn.length ? html`<${Panel} title=${t('run.against')}><${Against} rows=${drawn}/></${Panel}>` : null;
};

const Evidence = ({ f }) => {
  const found = useData(`/v1/failovers/${f.id}/evidence`, ['evidence.', 'failover.']);
  const e = found.data.value;
  if (!e) return null;
  return html`<${Panel} title=${t('evidence')}><p>${t('evidence.text')}</p><div class="actions"><a class="button" href=${`/v1/evidence/${e.id}/report?format=html`} target="_blank" rel="noopener">${t('evidence.report')}</a><a class="button" href=${`/v1/evidence/${e.id}/bundle`} download=${`${e.id}.json`}>${t('evidence.bundle')}</a></div><p>${t('evidence.key')}</p><pre>understudy verify ${e.id}.json --key ${e.public_key}</pre></${Panel}>`;
};
export { Points, Form };
