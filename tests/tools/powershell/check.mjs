// SPDX-License-Identifier: Apache-2.0
// TAP: the driver's scripts as a grammar of PowerShell reads them, and every cmdlet they name against the data of
// Windows Server 2016: it exists, its parameters do and are named in full, a set takes them, values and ranges fit. Then
// mistakes are sown, and each must be found.    usage: check.mjs MODULES        (a node_modules folder)
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = process.argv[2];
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const folder = join(root, 'agent/drivers/hyperv');
const { Parser, Language } = await import(`${modules}/web-tree-sitter/web-tree-sitter.js`);
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(`${modules}/tree-sitter-powershell/tree-sitter-powershell.wasm`));

const data = JSON.parse(readFileSync(join(root, 'tests/hyperv/data/cmdlets.json'), 'utf8'));
const cmdlets = Object.assign({}, ...Object.values(data.modules));
const common = new Set(data.common.common);
const numbers = /Int(16|32|64)|UInt/;

function* walk(node) {
	yield node;
	for (const child of node.namedChildren) yield* walk(child);
}

const missing = (cmdlet) => !cmdlet || cmdlet.src === 'module' || !cmdlet.ver.some((v) => v === '2016' || v === '5.1');

// The keys of each hashtable that is given a name, for what is splatted.
function tables(tree) {
	const found = new Map();
	for (const node of walk(tree)) {
		if (node.type !== 'assignment_expression') continue;
		const name = node.namedChildren[0].text;
		const table = [...walk(node.namedChildren.at(-1))].find((n) => n.type === 'hash_literal_expression');
		if (!/^\$\w+$/.test(name) || !table || !node.namedChildren.at(-1).text.startsWith('@{')) continue;
		const entries = table.namedChildren.flatMap((b) => b.namedChildren).filter((n) => n.type === 'hash_entry');
		found.set(`@${name.slice(1)}`, entries.map((e) => e.namedChildren[0].text));
	}
	return found;
}

function checkValue(where, parameter, node, say) {
	const text = node.text;
	const plain = /^'([^']*)'$/.exec(text)?.[1] ?? (node.type === 'generic_token' ? text : null);
	if (plain !== null && parameter.v && !parameter.v.includes(plain)) say(`${where} does not take ${plain}`);
	if (plain !== null && numbers.test(parameter.t)) say(`${where} takes ${parameter.t}, not ${plain}`);
	if (plain !== null && parameter.w && /[*?]/.test(plain)) say(`${where} takes ${plain} for a pattern`);
	if (!/^-?\d+$/.test(text)) return;
	const value = Number(text);
	if (parameter.r && (value < parameter.r[0] || value > parameter.r[1])) say(`${where} takes ${parameter.r}, not ${text}`);
	if (parameter.allowed && !parameter.allowed.includes(value)) say(`${where} takes one of ${parameter.allowed}`);
}

function checkSets(name, cmdlet, given, say) {
	const sets = cmdlet.sets ?? ['*'];
	const of = (p, set) => p.s[set] ?? p.s['*'];
	const taking = sets.filter((set) => given.every((g) => of(cmdlet.p[g], set)));
	if (!taking.length) return say(`${name}: no set takes ${given.join(', ')} together`);
	const lacks = (set) => Object.keys(cmdlet.p).filter((n) => (of(cmdlet.p[n], set) ?? 'o').startsWith('R') && !given.includes(n));
	if (taking.every((set) => lacks(set).length)) say(`${name} misses ${lacks(taking[0]).join(', ')}`);
	return undefined;
}

// Arguments as [name or null, value node or null]; what is splatted gives names alone.
function readArguments(node, cmdlet, known, say) {
	const out = [];
	let open = null;
	for (const one of node?.namedChildren ?? []) {
		// the brackets of a method's call come after what they belong to
		if (one.type === 'command_argument_sep' || one.type === 'argument_list') continue;
		if (one.type === 'command_parameter') {
			const name = one.text.slice(1).replace(/:$/, '');
			out.push([name, null]);
			open = /Switch/.test(cmdlet.p[name]?.t ?? '') && !one.text.endsWith(':') ? null : out.at(-1);
		} else if (one.text.startsWith('@') && known.has(one.text)) {
			for (const key of known.get(one.text)) out.push([key, null]);
		} else if (open) {
			open[1] ??= one;
			open = null;
		} else {
			say(`${one.text} stands without a name`);
		}
	}
	return out;
}

function checkCommand(node, functions, known, say) {
	const name = node.childForFieldName('command_name');
	if (!name || name.type !== 'command_name' || functions.has(name.text)) return;
	const cmdlet = cmdlets[name.text];
	if (cmdlet?.aliasOf) return void say(`${name.text} is another name of ${cmdlet.aliasOf}`);
	if (missing(cmdlet)) return void say(`there is no cmdlet ${name.text} in 2016`);
	const given = [];
	for (const [parameter, value] of readArguments(node.childForFieldName('command_elements'), cmdlet, known, say)) {
		const where = `${name.text} -${parameter}`;
		const p = cmdlet.p[parameter];
		if (!p && common.has(parameter)) continue;
		if (!p || p.src === 'module' || (p.since ?? '0') > '2016') return void say(`there is no ${where} in 2016`);
		if (given.includes(parameter)) say(`${where} is given twice`);
		given.push(parameter);
		if (value) checkValue(where, p, value, say);
		else if (!/Switch/.test(p.t) && !node.text.includes('@')) say(`${where} has no value`);
	}
	checkSets(name.text, cmdlet, given, say);
}

function findings(text) {
	const out = [];
	const tree = parser.parse(text).rootNode;
	for (const node of walk(tree))
		if (node.isError || node.isMissing) out.push(`line ${node.startPosition.row + 1}: no PowerShell: ${node.text.slice(0, 60)}`);
	if (tree.hasError && !out.length) out.push('no PowerShell');
	const functions = new Set([...walk(tree)].filter((n) => n.type === 'function_statement')
		.map((n) => n.namedChildren.find((c) => c.type === 'function_name').text));
	const known = tables(tree);
	for (const node of walk(tree))
		if (node.type === 'command')
			checkCommand(node, functions, known, (what) => out.push(`line ${node.startPosition.row + 1}: ${what}`));
	// a list of names is no command, and yet must be one of cmdlets
	for (const [, name] of text.matchAll(/^ {4}'([A-Z][A-Za-z]+-[A-Za-z]+)'$/gm))
		if (missing(cmdlets[name]) || cmdlets[name].aliasOf) out.push(`the list has ${name}`);
	return out;
}

const scripts = Object.fromEntries(readdirSync(folder).filter((f) => f.endsWith('.ps1'))
	.map((f) => [f, readFileSync(join(folder, f), 'utf8')]));

const sown = [
	['invoke.ps1', "    'Get-VM'\n", "    'Get-VMs'\n", 'a list with a cmdlet there is not'],
	['invoke.ps1', "    'Get-VMSnapshot'\n", "    'Get-VMCheckpoint'\n", 'a list with an alias'],
	['invoke.ps1', "Get-Module -Name 'Hyper-V'", "Get-Module -Names 'Hyper-V'", 'no such parameter'],
	['invoke.ps1', "Get-Module -Name 'Hyper-V'", "Get-Module 'Hyper-V'", 'an argument without a name'],
	['invoke.ps1', "Get-Module -Name 'Hyper-V'", "Get-Moduls -Name 'Hyper-V'", 'no such cmdlet'],
	['invoke.ps1', "Get-Module -Name 'Hyper-V'", "gmo -Name 'Hyper-V'", 'an alias of a cmdlet'],
	['invoke.ps1', "Get-Module -Name 'Hyper-V'", "Get-Module -Name 'Hyper*'", 'a pattern'],
	['invoke.ps1', "Get-Module -Name 'Hyper-V'", "Get-Module -Name 'Hyper-V' -Name 'x'", 'twice'],
	['selftest.ps1', '{ Get-VMSwitch }', '{ Set-VMReplicationServer -ReplicationEnabled $true -KerberosAuthenticationPort 0 }', 'below a range'],
	['selftest.ps1', '{ Get-VMSwitch }', "{ Set-VMReplication -VMName 'x' -RecoveryHistory 25 }", 'beyond a range'],
	['selftest.ps1', '{ Get-VMSwitch }', "{ Set-VMReplication -VMName 'x' -ReplicationFrequencySec 60 }", 'a frequency there is not'],
	['invoke.ps1', '-Depth 6', "-Depth 'six'", 'a word for a number'],
	['invoke.ps1', '-Depth 6', '-Deep 6', 'an invented name'],
	['invoke.ps1', '-Depth 6', '-Depth', 'no value'],
	['invoke.ps1', 'ConvertTo-Json -InputObject $object', 'ConvertTo-Json', 'what must be given is not'],
	['invoke.ps1', '-CommandType ', '-Type ', 'an alias of a parameter'],
	['invoke.ps1', "'Cmdlet', 'Function'", "'Cmdlets'", 'a value there is not'],
	['invoke.ps1', 'function Write-Line($object) {', 'function Write-Line($object) ', 'a brace missing'],
	['invoke.ps1', "'Stop'", "'Stop", 'an open string'],
	['invoke.ps1', 'foreach ($name in ', 'foreach ($name of ', 'a word of another language'],
	['invoke.ps1', 'New-Object -TypeName', 'New-Object -Type', 'a part of a name'],
	['invoke.ps1', 'New-Object -TypeName System.Text', "New-Object -ComObject 'x' -TypeName System.Text", 'two sets at once'],
	['guest.ps1', 'VMId =', 'VMGuid =', 'no such parameter in what is splatted'],
	['guest.ps1', 'VMId = [guid]$wanted.vm; Credential', "VMId = [guid]$wanted.vm; ComputerName = 'x'; Credential", 'two sets in what is splatted'],
	['guest.ps1', 'ScriptBlock = $checks[$wanted.check]; ', '', 'what must be splatted is not'],
	['guest.ps1', 'Import-Clixml -Path', 'Import-CliXmlFile -Path', 'another cmdlet there is not'],
	['clusterprop.ps1', 'Get-Cluster', 'Get-Clusters', 'no such cmdlet of clusters'],
	['clusterprop.ps1', 'Get-Cluster', "Get-Cluster -Names 'x'", 'no such parameter of clusters'],
	['selftest.ps1', '{ Get-VMHost }', '{ Get-VMHosts }', 'no such cmdlet in a block'],
	['selftest.ps1', '{ Measure-VMReplication }', "{ Measure-VMReplication -ReplicationRelationshipType 'Double' }", 'a value there is not, in a block'],
];

const names = Object.keys(scripts).sort();
let n = 0;
let bad = 0;
console.log(`1..${names.length + sown.length + 1}`);
function told(good, name, notes) {
	n += 1;
	bad += !good;
	for (const note of notes) console.log(`# ${note}`);
	console.log(`${good ? 'ok' : 'not ok'} ${n} - ${name}`);
}
for (const name of names) {
	const found = findings(scripts[name]);
	told(!found.length, `${name} is PowerShell that 2016 can run`, found);
}
for (const [script, from, to, what] of sown) {
	const text = scripts[script].replace(from, () => to);
	const found = text === scripts[script] ? [] : findings(text);
	told(found.length > 0, `found in ${script}: ${what}`, text === scripts[script] ? [`${from} is not there`] : found.slice(0, 1));
}
told(sown.length >= 20, `${sown.length} mistakes were sown`, []);
process.exit(bad ? 1 : 0);
