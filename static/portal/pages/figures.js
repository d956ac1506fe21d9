// SPDX-License-Identifier: Apache-2.0
// What a VM, or a host's VMs together, did in the last hour. No event tells of a new figure: they are read again every half minute.
import { html, useEffect, useMemo } from '../core/html.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { ago, bytes } from '../core/time.js';
import { Plot, rounds } from '../draw/plot.js';
import { Loaded, Panel, now } from '../ui/parts.js';

const EVERY = 30000;
const OLD = 120; // seconds after which the last figure is no news any more
const percent = (n) => `${Math.round(n)} %`;
const speed = (n) => t('figures.per-second', { n: bytes(n) });
const plots = [
  { title: 'figures.cpu', format: percent, round: rounds.percent, least: 10, lines: [['figures.used', 'cpu_percent']] },
  { title: 'memory', format: bytes, round: rounds.bytes, least: 1 << 20, lines: [['figures.used', 'memory_used_bytes']] },
  { title: 'disks', format: speed, round: rounds.bytes, least: 1024, lines: [['figures.read', 'disk_read_bytes_per_second'], ['figures.written', 'disk_write_bytes_per_second']] },
  { title: 'figures.net', format: speed, round: rounds.bytes, least: 1024, lines: [['figures.received', 'net_receive_bytes_per_second'], ['figures.sent', 'net_send_bytes_per_second']] },
];

const Plots = ({ samples }) => {
  const times = useMemo(() => samples.map((s) => Date.parse(s.taken_at) / 1000), [samples]);
  return html`<div class="grid pairs">${plots.map((p) => html`<${Plot} key=${p.title} title=${t(p.title)} times=${times} format=${p.format} round=${p.round} least=${p.least} lines=${p.lines.map(([label, key]) => ({ label: t(label), values: samples.map((s) => s[key]) }))}/>`)}</div>`;
};

/** @param {{ of: string }} props the address of the VM or host, as in the API */
export const Figures = ({ of }) => {
  const data = useData(`${of}/metrics`);
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) data.reload(); }, EVERY);
    return () => clearInterval(timer);
  }, [of]);
  const last = (samples) => samples[samples.length - 1]?.taken_at;
  const stale = (samples) => (now.value - Date.parse(last(samples))) / 1000 > OLD;
  return html`<${Panel} title=${t('figures')}><${Loaded} of=${data}>${(d) => (d.data.length ? html`${stale(d.data) && html`<p class="note warning">${t('figures.stale', { time: ago(last(d.data), now.value) })}</p>`}<${Plots} samples=${d.data}/>` : html`<p class="muted">${t('figures.none')}</p>`)}</${Loaded}></${Panel}>`;
};
