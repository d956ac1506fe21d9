// SPDX-License-Identifier: Apache-2.0
// Ours on SQLite and PostgreSQL against nginx (static files of the same sizes) and Fastify + better-sqlite3, interleaved, in ratios.
//   node run.mjs --server understudyd --config FILE --empty FILE --token FILE --peers FOLDER [--peer server.mjs]
//                --pg-config FILE --pg-token FILE --pg-url URL --pg-pid POSTMASTER
//                [--rounds 5] [--secs 2] [--conns 64] [--only get,etag,list,post,start]   conns: of reads; writes take 1,64,256
// ../run makes the installations (one seeded, one empty, one on PostgreSQL) and the folder with the peer's packages.
// Prints tables as comments and TAP cases: no errors, nothing but 2xx/3xx, every acknowledged row is there.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync, readFileSync, rmSync, mkdtempSync, chmodSync, copyFileSync, symlinkSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const opt = { rounds: '5', secs: '2', conns: '64', only: 'get,etag,list,post,start', peer: 'server.mjs' };
for (let i = 2; i < process.argv.length; i += 2) opt[process.argv[i].replace(/^--/, '')] = process.argv[i + 1];
const only = new Set(opt.only.split(','));
const rounds = +opt.rounds;
const bearer = file => 'Bearer ' + readFileSync(file, 'utf8').trim();
const auth = bearer(opt.token), pgAuth = bearer(opt['pg-token']);
const id = (prefix, i) => `${prefix}_${String(i).padStart(26, '0')}`;
const say = text => console.log(text.split('\n').map(l => '# ' + l).join('\n'));

let cases = 0, bad = 0;
const check = (good, name) => { bad += good ? 0 : 1; console.log(`${good ? '' : 'not '}ok ${++cases} - ${name}`); };

// ---- processes ----

const work = mkdtempSync(join(tmpdir(), 'understudy-bench-'));
chmodSync(work, 0o755);                           // nginx's workers drop to another user
const children = [];
process.on('exit', () => {
  for (const c of children) c.kill('SIGTERM');
  rmSync(work, { recursive: true, force: true });
});
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(1));

const freePort = () => new Promise(done => {
  const s = net.createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => done(port)); });
});
// The first answer on a port, asked for again as soon as a connection is refused; milliseconds since `from`.
const firstAnswer = (port, path, from) => new Promise((done, fail) => {
  const ask = () => {
    if (performance.now() - from > 20000) { fail(new Error(`no answer on port ${port}`)); return; }
    const s = net.connect(port, '127.0.0.1', () => s.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
    let answered = false;
    s.on('data', () => { if (!answered) { answered = true; done(performance.now() - from); } });
    s.on('error', () => { s.destroy(); setImmediate(ask); });
  };
  ask();
});
const ended = c => new Promise(done => { if (c.exitCode !== null || c.signalCode !== null) done(); else c.on('exit', done); });
const start = (command, args, env) => {
  const c = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(c);
  return c;
};
const setPort = (config, port) => writeFileSync(join(dirname(config), 'conf.d/bench.conf'),
  `[server]\nlisten=127.0.0.1:${port}\n[agents]\nlisten=\n[limits]\nrequests_per_minute=0\n[log]\nlevel=warning\n`);
const startOurs = (config, port) => { setPort(config, port); return start(opt.server, ['serve', '--config', config], {}); };
const peerFile = join(work, opt.peer);            // beside its packages: imports are looked up from the file's folder
copyFileSync(join(here, 'peer-fastify', opt.peer), peerFile);
symlinkSync(join(opt.peers, 'node_modules'), join(work, 'node_modules'));
const startPeer = (db, port, env) => start(process.execPath, [peerFile], { DB: db, PORT: port, NODE_ENV: 'production', ...env });
const psql = (url, sql) => spawnSync('psql', ['-qXAtc', sql, url], { encoding: 'utf8' }).stdout.trim();
const sqlite = (db, sql) => spawnSync('sqlite3', [db, sql], { encoding: 'utf8' }).stdout.trim();

// ---- figures ----

const ticks = pids => {                           // CPU of processes and their children, in microseconds at 100 Hz
  let sum = 0; const todo = [pids].flat();
  while (todo.length) {
    const p = todo.pop();
    const s = readFileSync(`/proc/${p}/stat`, 'latin1'), f = s.slice(s.lastIndexOf(')') + 2).split(' ');
    sum += +f[11] + +f[12];
    todo.push(...readFileSync(`/proc/${p}/task/${p}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number));
  }
  return sum * 10000;
};
const resident = pid => +/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1] / 1024;
const median = a => { const s = [...a].sort((x, y) => x - y); return s.length ? s[s.length >> 1] : NaN; };

const measure = (t, script, conns, env) => {
  const before = ticks(t.pid);
  const r = spawnSync('wrk', ['-t1', `-c${conns}`, `-d${opt.secs}s`, '--timeout', '10s', '-s', join(here, `wrk/${script}.lua`), t.url],
    { env: { ...process.env, WRK_DIR: join(here, 'wrk'), ...env }, encoding: 'utf8' });
  const m = /RESULT (.*)/.exec(r.stdout ?? '');
  if (!m) return null;
  const [n, us, p50, , p99, , errors, refused] = m[1].split(' ').map(Number);
  return { n, rps: n / us * 1e6, p50, p99, cpu: (ticks(t.pid) - before) / n, errors, refused };
};
const table = (title, names, results) => {
  const first = results[names[0]];
  say(`\n${title}`);
  say('target'.padEnd(15) + ['req/s', 'p50 us', 'p99 us', 'CPU us/req', 'ours req/s', 'ours CPU'].map(s => s.padStart(12)).join(''));
  for (const name of names) {
    const a = results[name];
    const ratio = key => median(a.map((x, i) => first[i][key] / x[key]));
    say(name.padEnd(15) + [median(a.map(x => x.rps)).toFixed(0), median(a.map(x => x.p50)).toFixed(0), median(a.map(x => x.p99)).toFixed(0),
      median(a.map(x => x.cpu)).toFixed(1), ratio('rps').toFixed(2) + 'x', ratio('cpu').toFixed(2) + 'x'].map(s => s.padStart(12)).join(''));
  }
  return (name, key) => median(first.map((x, i) => x[key] / results[name][i][key]));
};
const compare = (title, conns, runs) => {         // runs: [target, script, env]; the ratios are taken round by round
  const results = Object.fromEntries(runs.map(([t]) => [t.name, []]));
  for (let i = 0; i < rounds; i++)
    for (const [t, script, env] of runs) {
      const x = measure(t, script, conns, env);
      if (!x) throw new Error(`${t.name}: wrk gave no result`);
      results[t.name].push(x);
    }
  const ratio = table(`${title}, ${conns} connections (medians of ${rounds} interleaved runs of ${opt.secs} s)`, runs.map(([t]) => t.name), results);
  for (const [t] of runs)
    check(results[t.name].every(x => x.n > 0 && !x.errors && !x.refused), `${title}, ${conns} connections: ${t.name} answers everything`);
  return { ratio, acknowledged: t => results[t.name].reduce((s, x) => s + x.n, 0) };
};
const target = (what, value, limit, atMost = true) => say(`target: ${what} ${atMost ? '<=' : '>='} ${limit}x: ${value.toFixed(2)}x, ` +
  ((atMost ? value <= limit : value >= limit) ? 'met' : 'missed'));

// ---- the run ----

const ask = async (t, path) => {
  const r = await fetch(t.url + path, { headers: { Authorization: t.auth } });
  if (r.status !== 200) throw new Error(`${path}: ${r.status} ${await r.text()}`);
  return r.text();
};
// Every page of every customer's VMs that are ready, as next_cursor leads to them; full pages only.
const pagesOf = async t => {
  const paths = [];
  for (let c = 1; c <= 200; c++) {
    const base = `/v1/vms?customer_id=${id('cus', c)}&state=ready&limit=50`;
    for (let path = base; path;) {
      const page = JSON.parse(await ask(t, path));
      if (page.data.length === 50) paths.push(path);
      path = page.has_more ? `${base}&cursor=${encodeURIComponent(page.next_cursor)}` : null;
    }
  }
  return paths;
};
const startNginx = async (one, page) => {
  const port = await freePort(), www = join(work, 'www');
  mkdirSync(www);
  writeFileSync(join(www, 'one.json'), one);
  writeFileSync(join(www, 'page.json'), page);
  writeFileSync(join(work, 'nginx.conf'), readFileSync(join(here, 'nginx/nginx.conf'), 'utf8').replace('@PORT@', port));
  const c = start('nginx', ['-p', work, '-c', 'nginx.conf'], {});
  await firstAnswer(port, '/one.json', performance.now());
  return { name: 'nginx', url: `http://127.0.0.1:${port}`, pid: c.pid };
};
const startPeers = async list => {
  const out = [];
  for (const [name, env] of list) {
    const db = join(work, `${name}.db`), port = await freePort();
    copyFileSync(join(work, 'peer.db'), db);
    const c = startPeer(db, port, env);
    await firstAnswer(port, '/api/v1/vms/1', performance.now());
    out.push({ name, url: `http://127.0.0.1:${port}`, pid: c.pid, db });
  }
  return out;
};
const coldStarts = async () => {
  const results = { ours: [], 'ours, seeded': [], [plain.name]: [] };
  const once = async (name, path, begin) => {
    const port = await freePort(), from = performance.now(), c = begin(port);
    results[name].push({ ms: await firstAnswer(port, path, from), mib: resident(c.pid) });
    c.kill('SIGTERM');
    await ended(c);
  };
  for (let i = 0; i < rounds; i++) {
    await once('ours', '/healthz', port => startOurs(opt.empty, port));
    await once('ours, seeded', '/healthz', port => startOurs(opt.config, port));
    await once(plain.name, '/api/v1/vms/1', port => startPeer(join(work, 'peer.db'), port, {}));
  }
  say(`\ncold start: exec to first answer, and resident memory then (medians of ${rounds})`);
  for (const [name, a] of Object.entries(results))
    say(`${name.padEnd(15)}${median(a.map(x => x.ms)).toFixed(0).padStart(8)} ms${median(a.map(x => x.mib)).toFixed(1).padStart(8)} MiB`);
  const [mine, , theirs] = Object.values(results);
  const ratio = key => median(mine.map((x, i) => x[key] / theirs[i][key]));
  target(`first answer, of ${plain.name}`, ratio('ms'), 0.1);
  target(`memory, of ${plain.name}`, ratio('mib'), 0.17);
};

const seed = spawnSync('sqlite3', [join(work, 'peer.db')], { input: readFileSync(join(here, 'seed.sql')), stdio: ['pipe', 'ignore', 'inherit'] });
if (seed.status !== 0) throw new Error('the peer has no database');
const native = opt.peer === 'server.mjs';
const plain = { name: native ? 'fastify' : 'node:sqlite' };
if (!native) say('better-sqlite3 could not be built: the peer is bare node:http + node:sqlite, one commit per request');
if (only.has('start')) await coldStarts();

const port = await freePort(), begun = performance.now();
const ours = { name: 'ours', url: `http://127.0.0.1:${port}`, auth, pid: startOurs(opt.config, port).pid, db: join(dirname(opt.config), 'understudy.db') };
await firstAnswer(port, '/healthz', begun);
const pgPort = await freePort(), pgServer = startOurs(opt['pg-config'], pgPort);
const onPg = { name: 'ours-pg', url: `http://127.0.0.1:${pgPort}`, auth: pgAuth, pid: [pgServer.pid, +opt['pg-pid']] };
await firstAnswer(pgPort, '/healthz', performance.now());
const pages = await pagesOf(ours);
writeFileSync(join(work, 'pages'), pages.join('\n') + '\n');
writeFileSync(join(work, 'pages-pg'), (await pagesOf(onPg)).join('\n') + '\n'); // cursors are an installation's own
const nginx = await startNginx(await ask(ours, `/v1/vms/${id('vm', 100)}`), await ask(ours, pages[1]));
const peers = await startPeers(native ? [['fastify', {}], ['fastify-raw', { RAW: '1', GROUP: '1' }]] : [['node:sqlite', {}]]);
say(`${pages.length} full pages; a VM has ${readFileSync(join(work, 'www/one.json')).length} bytes, a page ${readFileSync(join(work, 'www/page.json')).length}`);

const get = { AUTH: auth, GET_PATH: '/v1/vms/vm_%026d' };
const create = { AUTH: auth, POST_PATH: '/v1/vms', POST_BODY: '{"name":"bench-%d","customer_id":"cus_%026d","vcpus":4,"memory_bytes":8589934592}' };
const getPg = { ...get, AUTH: pgAuth }, createPg = { ...create, AUTH: pgAuth };
const reads = opt.conns.split(',').map(Number);
for (const conns of only.has('get') ? reads : []) {
  const { ratio } = compare('GET one VM', conns, [[ours, 'get', get], [onPg, 'get', getPg], [nginx, 'static', {}], ...peers.map(p => [p, 'get', {}])]);
  target('CPU, of nginx', ratio('nginx', 'cpu'), 1.25);
  target(`CPU, of ${plain.name}`, ratio(plain.name, 'cpu'), 0.25);
}
for (const conns of only.has('etag') ? reads : []) {
  const etag = (await fetch(nginx.url + '/one.json')).headers.get('etag');
  const { ratio } = compare('GET with If-None-Match', conns, [[ours, 'get', { ...get, ETAGS: '1' }],
    [onPg, 'get', { ...getPg, ETAGS: '1' }], [nginx, 'static', { ETAG: etag }]]);
  target('CPU, of nginx answering 304', ratio('nginx', 'cpu'), 1.1);
}
for (const conns of only.has('list') ? reads : []) {
  const { ratio } = compare('list 50', conns, [[ours, 'list', { AUTH: auth, PAGES: join(work, 'pages') }],
    [onPg, 'list', { AUTH: pgAuth, PAGES: join(work, 'pages-pg') }], [nginx, 'static', { STATIC_PATH: '/page.json' }], ...peers.map(p => [p, 'list', {}])]);
  target('CPU, of nginx', ratio('nginx', 'cpu'), 3);
  target(`CPU, of ${plain.name}`, ratio(plain.name, 'cpu'), 0.1);
  if (native) target('CPU, of fastify-raw', ratio('fastify-raw', 'cpu'), 0.17);
}
for (const conns of only.has('post') ? [1, 64, 256] : []) {
  const count = t => +(t === onPg ? psql(opt['pg-url'], 'SELECT COUNT(*) FROM vms')
    : sqlite(t.db, t === ours ? 'SELECT COUNT(*) FROM vms' : 'SELECT COUNT(*) FROM ticket'));
  const all = [ours, onPg, ...peers], before = all.map(count);
  const { ratio, acknowledged } = compare('durable POST', conns, all.map(t => [t, 'post', t === ours ? create : t === onPg ? createPg : {}]));
  all.forEach((t, i) => {                         // wrk leaves with up to one request per connection unanswered
    const rows = count(t) - before[i], known = acknowledged(t);
    check(rows >= known && rows <= known + conns * rounds, `durable POST, ${conns} connections: ${t.name} stored ${rows} rows for ${known} answers`);
  });
  if (conns < 64) continue;
  target(`req/s, of ${plain.name}`, ratio(plain.name, 'rps'), 8, false);
  if (native) target('req/s, of fastify with group commit', ratio('fastify-raw', 'rps'), 1.5, false);
}
say(`\nresident after all of it: ${[ours, { name: 'ours-pg', pid: pgServer.pid }, ...peers].map(t => `${t.name} ${resident(t.pid).toFixed(0)} MiB`).join(', ')}`);
console.log(`1..${cases}`);
process.exit(bad ? 1 : 0);
