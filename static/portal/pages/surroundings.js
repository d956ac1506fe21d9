// SPDX-License-Identifier: Apache-2.0
// What stands around the VMs of a host: teams of network cards, its cluster, storage, paths to file servers. What a host has not got is not shown.
import { html } from '../core/html.js';
import { t } from '../core/i18n.js';
import { bytes } from '../core/time.js';
import { Facts, Panel, State } from '../ui/parts.js';

/** @param {boolean|null|undefined} up */
const updown = (up) => (up === null || up === undefined ? 'unknown' : up ? 'up' : 'down');
/** @param {{ value: string }} props */
const Health = ({ value }) => html`<${State} value=${value} tone=${{ healthy: 'ok', up: 'ok', warning: 'warning', unhealthy: 'bad', down: 'bad' }[value] || 'idle'}/>`;

const Teams = ({ teams }) => html`<${Panel} title=${t('teams')}><${Facts} rows=${teams.map((x) => [x.name, html`${x.load_balancing || x.mode} ${(x.members || []).map((m) => html`<span>${m.name} <${Health} value=${updown(m.up)}/> </span>`)}`])}/></${Panel}>`;

const Cluster = ({ cluster: c }) => html`<${Panel} title=${t('cluster')}><${Facts} rows=${[
  [t('name'), c.name], [t('cluster.balancer'), `${t(`balance.${c.balancer?.mode || 'unknown'}`)} · ${t(`balance.level.${c.balancer?.level || 'unknown'}`)}`],
  [t('cluster.nodes'), (c.nodes || []).map((n) => html`<span>${n.name} <${Health} value=${n.state}/> </span>`)],
  [t('fault-domains'), (c.fault_domains || []).map((d) => (d.parent ? `${d.parent} › ${d.name}` : d.name)).join(', ') || t('none')]]}/></${Panel}>`;

const Storage = ({ spaces: s, smb }) => html`<${Panel} title=${t('storage')}><${Facts} rows=${[
  ...(s?.pools || []).map((p) => [p.name, html`<${Health} value=${p.health}/> ${bytes(p.used_bytes)} / ${bytes(p.capacity_bytes)}`]),
  ...(s?.volumes || []).map((v) => [v.name, html`<${Health} value=${v.health}/> ${v.resiliency} · ${bytes(v.size_bytes)}`]),
  s?.disks?.length ? [t('disks'), t('storage.disks', { n: s.disks.length, good: s.disks.filter((d) => d.health === 'healthy').length })] : null,
  ...(s?.jobs || []).map((j) => [j.name, `${j.state} · ${j.percent ?? '?'} %`]),
  smb?.length ? [t('smb.paths'), html`<${Health} value=${smb.some((p) => p.failed) ? 'warning' : 'healthy'}/> ${t('smb.selected', { n: smb.filter((p) => p.selected && !p.failed).length, of: smb.length })}`] : null]}/></${Panel}>`;

/** told: what the host tells of itself. */
export const Surroundings = ({ told }) => html`<div class="grid">${told.teams?.length > 0 && html`<${Teams} teams=${told.teams}/>`}${told.cluster && html`<${Cluster} cluster=${told.cluster}/>`}${(told.spaces?.pools?.length > 0 || told.smb?.length > 0) && html`<${Storage} spaces=${told.spaces} smb=${told.smb}/>`}</div>`;
