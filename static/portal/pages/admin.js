// SPDX-License-Identifier: Apache-2.0
// The installation's own health, and who did what.
import { html, useSignal } from '../core/html.js';
import { get } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { List } from '../ui/list.js';
import { bytes } from '../core/time.js';
import { Action, Ago, Facts, Loaded, Panel, State, When, now, toast } from '../ui/parts.js';
import { operation } from './operation.js';

const TestLetter = () => {
  const sent = useSignal(/** @type {any} */ (null));
  return html`<p class="muted">${t('overview.mail.text')}</p>${sent.value && html`<p class="note" role="status">${t('overview.mail.said', { to: sent.value.to })} <code>${sent.value.said}</code></p>`}<${Action} label=${t('overview.mail.test')} onPress=${async () => { sent.value = (await operation('/v1/settings/mail/test', t('overview.mail.test'))).output; }}/>`;
};

/** An agent that is doubted, by the host that it speaks for. @param {{ agent: any }} props */
const Doubted = ({ agent }) => {
  const host = useData(`/v1/hosts/${agent.host_id}`, ['host.']).data.value;
  return html`<p class="note warning"><a href=${`/app/hosts/${agent.host_id}`}>${host?.name || t('host')}</a>: ${agent.alarm}</p>`;
};

export const Overview = () => {
  const ready = useData('/readyz');
  const version = useData('/v1/version');
  const settings = useData('/v1/settings', ['settings.']);
  const agents = useData('/v1/agents?limit=200', ['agent.']);
  const operations = useData('/v1/operations?state=queued,running,waiting&limit=50', ['operation.']);
  const list = agents.data.value?.data || [];
  const copy = useData('/v1/settings/backup', ['settings.']).data.value;
  const recovering = /** @type {any} */ (ready.data.value)?.recovery;
  return html`<div class="bar"><h1>${t('page.overview')}</h1></div>${recovering && html`<p class="note warning" role="status">${t('overview.recovering', { n: /** @type {any} */ (ready.data.value).hosts_missing ?? 0, vms: /** @type {any} */ (ready.data.value).vms_held ?? 0 })}</p>`}<div class="grid">
    <${Panel} title=${t('overview.server')}><${Loaded} of=${version}>${(v) => html`<${Facts} rows=${[[t('version'), v.version], [t('overview.ready'), html`<${State} value=${ready.data.value ? 'ready' : 'failed'}/>`], [t('name'), settings.data.value?.name]]}/>`}</${Loaded}></${Panel}>
    <${Panel} title=${t('overview.agents')}><p class="big">${list.filter((a) => a.connected).length} / ${list.filter((a) => ['active', 'quarantined'].includes(a.state)).length}</p><p class="muted">${t('overview.agents.text')}</p>${list.filter((a) => a.state === 'quarantined').map((a) => html`<${Doubted} key=${a.id} agent=${a}/>`)}</${Panel}>
    <${Panel} title=${t('backup.latest')}><p class="big">${copy?.latest ? html`<${Ago} at=${copy.latest.created_at}/>` : copy && html`<span class="bad">■ ${t('never')}</span>`}</p><p><a href="/app/backup">${t('page.backup')}</a></p></${Panel}>
    ${has('operator') && html`<${Panel} title=${t('overview.mail')}><${TestLetter}/></${Panel}>`}</div>
    <${Panel} title=${t('overview.operations')}><${Loaded} of=${operations}>${(o) => (o.data.length ? html`<ul class="steps">${o.data.map((x) => html`<li><span class="grow">${word('operation', x.kind)} <span class="mono muted">${x.id}</span></span><progress max="100" value=${x.progress_percent} aria-label=${t('progress')}/><${State} value=${x.state}/></li>`)}</ul>` : html`<p class="muted">${t('overview.idle')}</p>`)}</${Loaded}></${Panel}>`;
};

export const Audit = () => {
  const verdict = useSignal(/** @type {any} */ (null));
  return html`<div class="bar"><h1>${t('page.audit')}</h1><${Action} label=${t('audit.verify')} onPress=${async () => { verdict.value = await get('/v1/audit-records/verify'); toast(t('audit.verified')); }}/></div>
    ${verdict.value && html`<p class=${`note ${verdict.value.intact ? '' : 'bad'}`}>${verdict.value.intact ? t('audit.intact', { n: verdict.value.records }) : t('audit.broken', { id: verdict.value.broken_id })}</p>`}
    <${List} path="/v1/audit-records" search=${false} topics=${['']} columns=${[
      { label: t('time'), cell: (r) => html`<${When} at=${r.at}/>` }, { label: t('audit.who'), cell: (r) => r.actor_name || r.actor_id || '' }, { label: t('audit.what'), under: true, cell: (r) => r.action },
      { label: t('audit.which'), folds: true, cell: (r) => html`<span class="mono">${r.subject_id || ''}</span>` }, { label: t('audit.from'), folds: true, cell: (r) => r.address || '' }]}/>`;
};

// A copy every hour is what docs/database.md asks for; one that is a day old is late.
const LATE = 86400000;
export const Backup = () => {
  const data = useData('/v1/settings/backup', ['settings.']);
  const late = (b) => now.value - Date.parse(b.created_at) > LATE;
  return html`<div class="bar"><h1>${t('page.backup')}</h1></div><${Panel} title=${t('backup.latest')}><${Loaded} of=${data}>${({ latest: b }) => (b ? html`<p class=${`big ${late(b) ? 'warning' : 'ok'}`}>${late(b) ? '▲' : '●'} <${Ago} at=${b.created_at}/></p>${late(b) && html`<p>${t('backup.late')}</p>`}
      <${Facts} rows=${[[t('taken'), html`<${When} at=${b.created_at}/>`], [t('size'), bytes(b.size_bytes)], [t('backup.engine'), b.engine], [t('backup.events'), b.events], [t('page.users'), b.users], [t('page.customers'), b.customers], [t('backup.schema'), b.schema_version], ['SHA-256', html`<span class="mono">${b.sha256}</span>`]]}/>` : html`<p class="big bad">■ ${t('backup.never')}</p><p>${t('backup.never.text')}</p>`)}</${Loaded}></${Panel}>
    <div class="grid"><${Panel} title=${t('backup.take')}><p>${t('backup.take.text')}</p><pre>understudyd backup --config /var/lib/understudy/understudyd.conf --to /backup/understudy-$(date -u +%Y%m%dT%H%M)</pre><p class="muted">${t('backup.keys')}</p></${Panel}>
    <${Panel} title=${t('backup.restore')}><p>${t('backup.restore.text')}</p><pre>understudyd restore --from /backup/FILE --dir /var/lib/understudy</pre></${Panel}></div>`;
};
