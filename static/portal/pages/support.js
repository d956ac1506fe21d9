// SPDX-License-Identifier: Apache-2.0
// Support's pages: the queue, what waits for me, everything that runs, every chain.
import { html, useEffect, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go } from '../core/router.js';
import { has, theme } from '../core/store.js';
import { duration } from '../core/time.js';
import { Ago, Action, Empty, Facts, Loaded, Panel, State, Toned, Countdown, toast } from '../ui/parts.js';
import { List } from '../ui/list.js';
import { Dots } from '../draw/dots.js';
import { Rpo, Where, protectionOf } from './protection.js';
import { RunLanes } from '../draw/gantt.js';
import { useHosts } from './hosts.js';
import { sentenceOf, title, useSteps, waitsFor } from './run.js';
import { TicketList, open } from './tickets.js';

const runStates = 'approved,scheduled,running,waiting,test_running,customer_validation,committed_unprotected';
const useRunning = () => useData(`/v1/failovers?state=${runStates}&limit=50&expand=customer`, ['failover.', 'workflow.']);
const Whose = ({ f }) => (f.customer ? html`<a href=${`/app/customers/${f.customer_id}`}>${f.customer.name}</a> ` : null);

const RunRow = ({ f }) => html`<li><${State} value=${f.state}/><span class="grow"><${Whose} f=${f}/><a href=${`/app/failovers/${f.id}`}>${title(f)}</a> <span class="muted">${word('reason', f.reason_code)}</span></span>${f.commit_at ? html`<${Countdown} to=${f.commit_at}/>` : html`<${Ago} at=${f.started_at}/>`}</li>`;

const Stats = ({ queue }) => {
  const stats = useData(`/v1/queues/${queue.id}/stats`, ['ticket.']);
  const next = async () => {
    const ticket = await post(`/v1/queues/${queue.id}/next`);
    if (ticket?.number) go(`/app/tickets/${ticket.number}`);
    else toast(t('queue.empty'));
  };
  return html`<${Panel} title=${queue.name} more=${has('support_agent', 'support_engineer', 'support_lead') && html`<${Action} label=${t('queue.next')} kind="primary" onPress=${next}/>`}><${Loaded} of=${stats}>${(s) => html`<${Facts} rows=${[[t('queue.waiting'), html`<span class="big">${s.waiting}</span>`], [t('queue.taken'), s.taken], [t('queue.breached'), s.breached ? html`<${Toned} tone="bad">${s.breached}</${Toned}>` : s.breached], [t('queue.arrived'), s.arrived], [t('queue.solved'), s.solved]]}/>`}</${Loaded}></${Panel}>`;
};

export const Queue = () => {
  const queues = useData('/v1/queues?limit=50', ['queue.']);
  const running = useRunning();
  useEffect(() => {
    const key = (event) => { if (event.key === 'n' && event.target === document.body) /** @type {HTMLElement|null} */ (document.querySelector('.primary'))?.click(); };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
  return html`<div class="bar"><h1>${t('page.queue')}</h1></div>${running.data.value?.data.length > 0 && html`<${Panel} title=${t('war.running')}><ul class="steps">${running.data.value.data.map((f) => html`<${RunRow} key=${f.id} f=${f}/>`)}</ul></${Panel}>`}
    <${Loaded} of=${queues}>${(q) => html`<div class="grid">${q.data.map((x) => html`<${Stats} key=${x.id} queue=${x}/>`)}</div>`}</${Loaded}><br/><${TicketList} fixed=${{ state: open.join(','), sort: 'due_at' }}/>`;
};

// One run on the wall: its state in words that can be read from afar, whose turn it is, each VM as a lane.
const Lane = ({ run }) => {
  const data = useData(`/v1/failovers/${run.id}`, ['failover.', 'workflow.']);
  const hosts = useHosts(run.vm_ids);
  const f = data.data.value || run;
  const { steps } = useSteps(data.data.value, hosts);
  return html`<section class="panel" aria-label=${title(f)}><p class="huge"><${State} value=${f.state}/></p><p><${Whose} f=${run}/><a href=${`/app/failovers/${f.id}`}>${title(f)}</a> <span class="muted">${word('reason', f.reason_code)}</span></p>${data.data.value && html`<p>${sentenceOf(f)}</p>`}
    <${Facts} rows=${[[t('vms'), (f.plan?.members || []).map((m) => m.name).join(', ') || (f.vm_ids || []).length], [t('started'), html`<${Ago} at=${f.started_at}/>`], f.waiting_for && [t('waiting-for'), waitsFor(f)], f.commit_at && [t('commit-at'), html`<${Countdown} to=${f.commit_at}/>`]]}/>
    ${steps.length > 0 && html`<${RunLanes} steps=${steps} from=${f.started_at || f.created_at}/>`}</section>`;
};

// On a wall nobody scrolls: the page fills the screen, dark, and shows its next part after a while.
const TURN = 15000;
const useWall = () => {
  const on = useSignal(false);
  useEffect(() => {
    if (!on.value) return undefined;
    const root = document.documentElement;
    const next = () => scrollTo(0, scrollY + innerHeight >= root.scrollHeight - 4 ? 0 : scrollY + innerHeight * 0.9);
    const left = () => { if (!document.fullscreenElement) on.value = false; };
    const timer = setInterval(next, TURN);
    root.dataset.wall = 'yes';
    root.dataset.theme = 'dark';
    root.requestFullscreen?.().catch(() => {}); // a browser that does not want to shows it in its window
    addEventListener('fullscreenchange', left);
    return () => {
      clearInterval(timer);
      removeEventListener('fullscreenchange', left);
      delete root.dataset.wall;
      root.dataset.theme = theme.value;
      if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    };
  }, [on.value]);
  return on;
};

export const War = () => {
  const running = useRunning();
  const wall = useWall();
  return html`<div class="bar"><h1>${t('page.war')}</h1><button type="button" aria-pressed=${wall.value ? 'true' : 'false'} onClick=${() => { wall.value = !wall.value; }}>${t('war.wall')}</button></div><${Loaded} of=${running}>${(r) => (r.data.length ? html`<div class="grid wall">${r.data.map((f) => html`<${Lane} key=${f.id} run=${f}/>`)}</div>` : html`<${Empty} title=${t('war.calm')} text=${t('war.calm.text')}/>`)}</${Loaded}><br/><${Where} title=${t('war.trouble')} only=${(h) => h.state !== 'active'}/>`;
};

export const Approvals = () => html`<div class="bar"><h1>${t('page.approvals')}</h1></div><${TicketList} fixed=${{ approval: 'awaiting', resolution: 'none' }}/>`;

export const Board = () => {
  const vms = useData('/v1/vms?limit=200', ['vm.'], { all: true });
  const name = (id) => (vms.data.value?.data || []).find((v) => v.id === id)?.name || id;
  const { list } = protectionOf();
  const dots = (list.data.value?.data || []).filter((r) => r.rpo_measured_seconds !== null && r.rpo_target_seconds).map((r) => ({ name: name(r.vm_id), part: r.rpo_measured_seconds / r.rpo_target_seconds }));
  return html`<div class="bar"><h1>${t('page.board')}</h1></div>${dots.length > 0 && html`<${Panel} title=${t('rpo')}><${Dots} dots=${dots}/></${Panel}>`}<${List} path="/v1/replications" customers topics=${['replication.', 'recovery_point.']} search=${false} open=${(r) => `/app/vms/${r.vm_id}`} filters=${[{ name: 'state', label: t('state'), options: ['replicating', 'seeding', 'paused', 'error', 'resync_required', 'resyncing', 'prepared', 'failed_over_uncommitted'].map((s) => [s, word('state', s)]) }, { name: 'health', label: t('health'), options: ['critical', 'warning', 'normal'].map((s) => [s, word('state', s)]) }]} columns=${[
    { label: t('vm'), under: true, cell: (r) => html`<a href=${`/app/vms/${r.vm_id}`}>${name(r.vm_id)}</a>` }, { label: t('leg'), folds: true, cell: (r) => word('leg', r.leg) }, { label: t('state'), cell: (r) => html`<${State} value=${r.state}/>` }, { label: t('health'), cell: (r) => html`<${State} value=${r.health}/>` }, { label: t('rpo'), cell: (r) => html`<${Rpo} r=${r}/>` }, { label: t('schedule'), num: true, cell: (r) => duration(r.schedule_interval_seconds) }]}/>`;
};
