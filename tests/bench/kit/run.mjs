#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Understudy benchmark: ours against nginx-static (the HTTP ceiling) and Fastify + better-sqlite3, interleaved, in ratios.
//   node run.mjs --ours http://127.0.0.1:8080 [--ours-pid PID] [--rounds 5] [--secs 3] [--conns 64,256]
//                [--only get,list,post,beat] [--target name=url[=pid] ...] [--no-peers]
// Paths and bodies of our API: env GET_PATH LIST_PATH POST_PATH POST_BODY BEAT_PATH BEAT_BODY AUTH (see wrk/*.lua).
// A row of ours at ids 1..100000 is expected (N to change it); the peers get bench.db made by seed.sql.
// Needs: wrk, nginx, sqlite3, and `npm ci` done in peer-fastify. Loopback only.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync, existsSync, readFileSync, rmSync, mkdtempSync, readdirSync, openSync, copyFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const opt = { rounds: 5, secs: 3, conns: '64,256', only: 'get,list,post', target: [] };
for (let i = 2; i < process.argv.length; i++) {
  const k = process.argv[i].replace(/^--/, '');
  if (k === 'no-peers') { opt.noPeers = true; continue; }
  const v = process.argv[++i];
  if (k === 'target') opt.target.push(v); else opt[k] = v;
}
const targets = [];                              // { name, url, pid, ceiling }
const children = [];
const stop = () => { for (const c of children) { try { c.kill('SIGTERM'); } catch { /* gone */ } } };
process.on('exit', stop); process.on('SIGINT', () => process.exit(1));

// Only ours is called at our paths; the peers keep their own. OURS_… in the environment become … for ours.
const oursEnv = Object.fromEntries(Object.entries(process.env).filter(([k]) => k.startsWith('OURS_')).map(([k, v]) => [k.slice(5), v]));
if (opt.ours) targets.push({ name: 'ours', url: opt.ours, pid: +opt['ours-pid'] || 0, env: oursEnv });
for (const t of opt.target) { const [name, ...r] = t.split('='); targets.push({ name, url: r[0], pid: +r[1] || 0 }); }
const work = mkdtempSync(join(tmpdir(), 'understudy-bench-'));
chmodSync(work, 0o755);                           // nginx workers drop to another user
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
if (!opt.noPeers) {
  const www = join(work, 'www'); mkdirSync(www);
  writeFileSync(join(www, 'one.json'), 'x'.repeat(450));       // the size of one VM
  writeFileSync(join(www, 'page.json'), 'x'.repeat(22500));    // the size of a page of 50
  copyFileSync(join(here, 'nginx/nginx.conf'), join(work, 'nginx.conf'));
  const ng = spawn('nginx', ['-p', work, '-c', 'nginx.conf'], { stdio: 'ignore' });
  children.push(ng); targets.push({ name: 'nginx-static', url: 'http://127.0.0.1:9001', pid: ng.pid, ceiling: true });
  const db = join(work, 'bench.db');
  spawnSync('sqlite3', [db], { stdio: [openSync(join(here, 'seed.sql'), 'r'), 'ignore', 'inherit'] });
  const peer = (name, port, env) => {
    const c = spawn(process.execPath, [join(here, 'peer-fastify/server.mjs')], { env: { ...process.env, DB: db, PORT: port, NODE_ENV: 'production', ...env }, stdio: 'ignore' });
    children.push(c); targets.push({ name, url: `http://127.0.0.1:${port}`, pid: c.pid });
  };
  peer('fastify', '9101', {});
  peer('fastify-raw', '9102', { RAW: '1' });
  peer('fastify-group', '9103', { RAW: '1', GROUP: '1' });
  await new Promise(r => setTimeout(r, 2500));
}

const cpu = pid => {                             // CPU ticks of a process and its children (nginx workers, cluster)
  if (!pid) return NaN;
  let sum = 0; const todo = [pid];
  while (todo.length) {
    const p = todo.pop();
    try {
      const s = readFileSync(`/proc/${p}/stat`, 'latin1'); const f = s.slice(s.lastIndexOf(')') + 2).split(' ');
      sum += +f[11] + +f[12];
      for (const t of readdirSync(`/proc/${p}/task`)) todo.push(...readFileSync(`/proc/${p}/task/${t}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number));
    } catch { /* gone */ }
  }
  return sum * 10000;                            // microseconds at 100 Hz
};
const median = a => { const s = [...a].sort((x, y) => x - y); return s.length ? s[s.length >> 1] : NaN; };
const wrk = (t, scenario, conns) => {
  const script = t.ceiling ? 'static' : scenario === 'etag' ? 'get' : scenario;
  const env = { ...process.env, ...t.env, ...(scenario === 'etag' ? { ETAG: '*' } : {}), WRK_DIR: join(here, 'wrk'), STATIC_PATH: scenario === 'list' ? '/page.json' : '/one.json' };
  const c0 = cpu(t.pid);
  const r = spawnSync('wrk', ['-t1', `-c${conns}`, `-d${opt.secs}s`, '--timeout', '10s', '-s', join(here, `wrk/${script}.lua`), t.url], { env, encoding: 'utf8' });
  const m = /RESULT (.*)/.exec(r.stdout ?? ''); if (!m) return null;
  const [n, us, p50, , p99, , err, bad] = m[1].split(' ').map(Number);
  return { rps: n / us * 1e6, p50, p99, cpu: (cpu(t.pid) - c0) / n, err, bad };
};
for (const scenario of opt.only.split(',')) for (const conns of opt.conns.split(',')) {
  const res = Object.fromEntries(targets.map(t => [t.name, []]));
  for (let r = 0; r < +opt.rounds; r++) for (const t of targets) { if (t.ceiling && scenario === 'post') continue; const x = wrk(t, scenario, conns); if (x) res[t.name].push(x); }
  console.log(`\n## ${scenario}, ${conns} connections (median of ${opt.rounds} interleaved runs of ${opt.secs} s)`);
  console.log('target'.padEnd(16) + ['req/s', 'p50 us', 'p99 us', 'CPU us/req', 'req/s x1st', 'CPU x1st', 'errors', 'non-2xx'].map(s => s.padStart(11)).join(''));
  // ratio: per round against the first target of that round, then the median
  for (const t of targets) {
    const a = res[t.name]; if (!a.length) { console.log(t.name.padEnd(16) + '  no result'); continue; }
    const ratio = median(a.map((x, i) => x.rps / (res[targets[0].name][i]?.rps ?? NaN)));
    const cpuRatio = median(a.map((x, i) => x.cpu / (res[targets[0].name][i]?.cpu ?? NaN)));
    const cells = [median(a.map(x => x.rps)).toFixed(0), median(a.map(x => x.p50)).toFixed(0), median(a.map(x => x.p99)).toFixed(0),
      t.pid ? median(a.map(x => x.cpu)).toFixed(1) : '-', ratio.toFixed(3), t.pid ? cpuRatio.toFixed(2) : '-', a.reduce((s, x) => s + x.err, 0), a.reduce((s, x) => s + x.bad, 0)];
    console.log(t.name.padEnd(16) + cells.map(c => String(c).padStart(11)).join(''));
  }
}
process.exit(0);
