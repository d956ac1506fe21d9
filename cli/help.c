/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help, the manual page and completions, all from the same walk over the commands.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *use, *about, *example;
} own[] = {
	{ "auth login [--url URL] [--device | --token-stdin]",
		"Sign in and keep a token for this context; --device lets somebody approve a code in the portal.",
		"auth login --token-stdin < token.txt" },
	{ "auth logout", "Forget the token.", "auth logout" },
	{ "auth status", "Show who is signed in.", "auth status" },
	{ "auth can VERB THING",
		"Show whether one's role allows a command, as in auth can create host.",
		"auth can create host" },
	{ "auth token list | create --name NAME --scopes A,B | revoke ID",
		"One's own tokens: the same as token.", "auth token list" },
	{ "auth whoami", "Show who asks: the same as whoami.", "auth whoami" },
	{ "status",
		"Show on one screen how protection is, which failovers run, one's tickets, and overdue drills.",
		"status" },
	{ "context list | show | use NAME | add NAME --url URL | remove NAME",
		"Work with several installations.",
		"context add paris --url https://dr.example.net" },
	{ "api METHOD PATH [-f field=value]… [-F @file] [--if-match ETAG] [--paginate | --raw]",
		"Call the API as it is; what it answers is laid out on a terminal only, and never with --raw.",
		"api GET /v1/hosts --jq '.data[].name'" },
	{ "apply -f FILE|FOLDER… [--dry-run] [--yes]",
		"Make things be as JSON files say; shows what changes, and asks.",
		"apply -f things/ --dry-run" },
	{ "diff -f FILE|FOLDER…", "Show what apply would change.", "diff -f things/" },
	{ "import csv KIND FILE [--preview]",
		"The same from a table: a row a thing, a column a field; KIND as in host, ip_block.",
		"import csv host hosts.csv --preview" },
	{ "event follow [--types TYPES] [--after CURSOR]",
		"Print events as they happen, a JSON object a line.",
		"event follow --types ticket.created" },
	{ "ticket attach TICKET FILE [--internal]", "Attach a file to a ticket.",
		"ticket attach 261128-lon-0000412 trace.txt" },
	{ "ticket watch TICKET [--timeout 10m] [--interval 1]",
		"Follow a ticket and its failover until it has ended.",
		"ticket watch 261128-lon-0000412 --timeout 10m" },
	{ "failover request test|planned|unplanned PLAN|VM… [--reason CODE] [--point ID] [--at TIME] [--window-end TIME] [--dry-run]",
		"File the ticket of a failover, or see what it would cost and what is in the way.",
		"failover request planned erp --reason host_maintenance --dry-run" },
	{ "audit export [--file FILE]",
		"Keep the log of who did what in a file, sealed, for understudy verify.",
		"audit export --file audit.jsonl" },
	{ "failover evidence RUN [--file FILE]",
		"Show what is known of a run's record, or keep the record in a file for understudy verify; as a page that prints when the file ends in .html.",
		"failover evidence flo_01k5s00000000000000000000a --file evidence.json" },
	{ "failover preview-failback PLAN|VM…",
		"See what the way home would cost; nothing is filed.",
		"failover preview-failback sql-01" },
	{ "failover watch RUN [--timeout 10m] [--interval 1]",
		"Follow a failover step by step until it has ended; 7 when it failed.",
		"failover watch flo_01k5s00000000000000000000a" },
	{ "drill list", "List the drills that were run.", "drill list" },
	{ "drill due", "List recovery plans whose drill is overdue.", "drill due" },
	{ "drill calendar [--ics]", "List when which plan's drill is due, or print a calendar.",
		"drill calendar --ics" },
	{ "drill schedule PLAN --every DAYS | --never", "Say how often a plan is to be drilled.",
		"drill schedule erp --every 30" },
	{ "drill run PLAN|VM… [--point ID] [--dry-run]", "File the ticket of a drill.",
		"drill run erp --dry-run" },
	{ "replication top [--interval SECONDS] [--count N]",
		"Show all replications as they go: state, health, age of the newest point, rate.",
		"replication top --count 1" },
	{ "vm unprotect VM [--wait]", "Remove a VM's replication; the replica's disks are kept.",
		"vm unprotect sql-01 --wait" },
	{ "operation wait ID [--timeout 10m]", "Wait for an operation to end.",
		"operation wait op_01k5s00000000000000000000a --timeout 10m" },
	{ "verify FILE [--key HEX]",
		"Check a run's record or an audit log without a server; 7 when it is not intact.",
		"verify evidence.json" },
	{ "completion bash | zsh | fish", "Print the completions of a shell.", "completion bash" },
	{ "help [COMMAND…] [--man | --examples]",
		"Explain a command, or print the manual page, or an example of each command.",
		"help host create" },
	{ "version", "Print the version.", "version" },
};

static const struct {
	const char *flag, *about;
} general[] = {
	{ "-o, --output FORMAT", "table, wide, json, yaml, csv or name." },
	{ "-c, --columns A,B", "Columns of tables." },
	{ "--jq PROGRAM", "Print what a jq program makes of the answer." },
	{ "-w, --watch", "Show it again whenever something has changed." },
	{ "--filter NAME=VALUE", "Filter a list; may be repeated." },
	{ "--sort FIELDS", "Order of a list; - before a field turns it." },
	{ "--limit N, --all", "How many of a list." },
	{ "--label KEY=VALUE", "Set a label; may be repeated." },
	{ "--unset A,B", "Set fields to null." },
	{ "--file FILE", "Keep what a command shows in a file, as the server sent it." },
	{ "--dry-run", "Check everything and change nothing." },
	{ "--explain", "Print the curl command instead of running it." },
	{ "--wait[=10m]", "Wait for the operation that a call begins." },
	{ "-y, --yes", "Do not ask." },
	{ "--confirm NAME", "Do not ask, if this is the name of what would be deleted." },
	{ "--time-zone ZONE, --utc",
		"Whose clocks tables show; UTC when not given. JSON, YAML and CSV stay UTC." },
	{ "--no-input", "Never ask." },
	{ "-q, --quiet", "Only data and errors." },
	{ "-v, --verbose", "Show the calls." },
	{ "--url URL, --context NAME", "Which installation." },
	{ "--on-behalf-of CUSTOMER", "As staff, act for a customer." },
};

static const char *usage_of(struct cli *c, const struct cli_command *cmd)
{
	const char *out = ud_cli_command_name(c, cmd->id);

	for (const char *p = cmd->path; (p = strchr(p, '{')); p++)
		out = ud_printf(c->cx.arena, "%s %.*s", out, (int)strcspn(p + 1, "}"), p + 1);
	return out;
}

static const char *summary_of(const struct cli_command *cmd)
{
	return json_string_value(json_object_get(cmd->operation, "summary"));
}

static void print_line(struct cli *c, const struct cli_command *cmd, void *data)
{
	(void)data;
	printf("  %-46s %s\n", usage_of(c, cmd), summary_of(cmd));
}

static int help_all(struct cli *c)
{
	printf("understudy %s: the command line of Understudy\n\nCommands:\n", UD_VERSION);
	ud_cli_command_each(c, print_line, NULL);
	for (size_t i = 0; i < UD_LEN(own); i++)
		printf("  %-46s %s\n", own[i].use, own[i].about);
	puts("\nFlags:");
	for (size_t i = 0; i < UD_LEN(general); i++)
		printf("  %-28s %s\n", general[i].flag, general[i].about);
	puts("\nExit codes: 0 done, 1 unexpected, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 refused,\n"
	     "7 the operation failed, 8 waited too long, 9 unreachable or busy.\n"
	     "130 interrupted.\n"
	     "Environment: UNDERSTUDY_URL, UNDERSTUDY_TOKEN, UNDERSTUDY_CONTEXT, UNDERSTUDY_OUTPUT.\n"
	     "Example: understudy host list --filter hypervisor=kvm -o json");
	ud_cli_topics();
	return CLI_DONE;
}

static void print_field(struct cli *c, const char *name, json_t *schema, bool required)
{
	const char *about = json_string_value(json_object_get(schema, "description"));
	json_t *values = json_object_get(schema, "enum"), *v;
	char *flag = ud_strdup(c->cx.arena, name);
	size_t i;

	for (char *p = flag; *p; p++)
		*p = *p == '_' ? '-' : *p;
	printf("  --%-26s %s%s", flag, about ? about : "", required ? " Required." : "");
	json_array_foreach(values, i, v)
		printf("%s%s", i ? ", " : " One of ", json_string_value(v));
	puts(values ? "." : "");
}

static bool is_required(json_t *schema, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i,
		v) if (strcmp(json_string_value(v), name) == 0) return true;
	return false;
}

static int help_one(struct cli *c, const struct cli_command *cmd)
{
	json_t *schema = ud_cli_body_schema(c, cmd), *s, *p;
	const char *name;
	size_t i;

	printf("understudy %s\n  %s\n", usage_of(c, cmd), summary_of(cmd));
	json_object_foreach(json_object_get(schema, "properties"), name, s)
		print_field(c, name, s, is_required(schema, name));
	json_array_foreach(json_object_get(cmd->operation, "parameters"), i,
		p) if (strcmp(json_string_value(json_object_get(p, "in")), "query") == 0)
		print_field(c, json_string_value(json_object_get(p, "name")), p, false);
	printf("Example: %s\n", ud_cli_example(c, cmd));
	return CLI_DONE;
}

/* Is this the command that the words name, up to what stands for something else? */
static bool names_own(const struct cli *c, const char *use)
{
	size_t n = 0;

	for (; n < c->word_count; n++) {
		size_t len = strcspn(use, " ");

		if (strlen(c->words[n]) != len || strncmp(use, c->words[n], len) != 0)
			return false;
		use += len + (use[len] == ' ');
	}
	return strspn(use, "abcdefghijklmnopqrstuvwxyz-") == 0 || use[strcspn(use, " |")] == '|';
}

static bool help_own(const struct cli *c)
{
	for (size_t i = 0; i < UD_LEN(own); i++) {
		if (!names_own(c, own[i].use))
			continue;
		printf("understudy %s\n  %s\nExample: understudy %s\n", own[i].use, own[i].about,
			own[i].example);
		return true;
	}
	return false;
}

static void print_example(struct cli *c, const struct cli_command *cmd, void *data)
{
	(void)data;
	puts(ud_cli_example(c, cmd));
}

static int help_examples(struct cli *c)
{
	ud_cli_command_each(c, print_example, NULL);
	for (size_t i = 0; i < UD_LEN(own); i++)
		printf("understudy %s\n", own[i].example);
	return CLI_DONE;
}

static void print_family(struct cli *c, const struct cli_command *cmd, void *data)
{
	const char *name = ud_cli_command_name(c, cmd->id), *wanted = c->words[0];
	size_t n = strlen(wanted);

	if (strncmp(name, wanted, n) != 0 || (name[n] && name[n] != ' '))
		return;
	*(bool *)data = true;
	print_line(c, cmd, NULL);
}

int ud_cli_help(struct cli *c)
{
	struct cli_command cmd;
	size_t used;
	bool any = false;

	if (c->word_count && strcmp(c->words[0], "help") == 0)
		memmove(c->words, c->words + 1, --c->word_count * sizeof(*c->words));
	if (ud_cli_flag(c, "man"))
		return ud_cli_man(c);
	if (ud_cli_flag(c, "examples"))
		return help_examples(c);
	if (c->word_count == 0)
		return help_all(c);
	if (help_own(c) || (c->word_count == 1 && ud_cli_topic(c->words[0])))
		return CLI_DONE;
	if (ud_cli_command_find(c, &cmd, &used))
		return help_one(c, &cmd);
	ud_cli_command_each(c, print_family, &any);
	for (size_t i = 0; i < UD_LEN(own); i++) {
		size_t n = strlen(c->words[0]);

		if (strncmp(own[i].use, c->words[0], n) == 0 &&
			(own[i].use[n] == ' ' || !own[i].use[n])) {
			any = true;
			printf("  %-46s %s\n", own[i].use, own[i].about);
		}
	}
	return any ? CLI_DONE : ud_cli_fail(CLI_USAGE, "there is no command %s", c->words[0]);
}

/* roff wants backslashes and hyphens escaped, and no line that begins with a dot. */
static void roff(const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else if (strncmp(s, "…", strlen("…")) == 0) {
			fputs("...", stdout);
			s += strlen("…") - 1;
		} else
			putchar(*s);
	}
}

static void man_item(const char *term, const char *about)
{
	fputs(".TP\n.B ", stdout);
	roff(term);
	putchar('\n');
	roff(about);
	putchar('\n');
}

static void man_command(struct cli *c, const struct cli_command *cmd, void *data)
{
	(void)data;
	man_item(ud_printf(c->cx.arena, "understudy %s", usage_of(c, cmd)), summary_of(cmd));
}

int ud_cli_man(struct cli *c)
{
	printf(".TH UNDERSTUDY 1 2026-11-24 \"Understudy %s\"\n.SH NAME\nunderstudy \\- command line of Understudy\n"
	       ".SH SYNOPSIS\n.B understudy\n.I command\n.RI [ flags ]\n.SH DESCRIPTION\n"
	       "Every call of the API is a command. Things are named by id or by unique name.\n.SH COMMANDS\n",
		UD_VERSION);
	ud_cli_command_each(c, man_command, NULL);
	for (size_t i = 0; i < UD_LEN(own); i++)
		man_item(ud_printf(c->cx.arena, "understudy %s", own[i].use), own[i].about);
	puts(".SH OPTIONS");
	for (size_t i = 0; i < UD_LEN(general); i++)
		man_item(general[i].flag, general[i].about);
	puts(".SH EXAMPLES");
	for (size_t i = 0; i < UD_LEN(own); i++)
		man_item(ud_printf(c->cx.arena, "understudy %s", own[i].example), own[i].about);
	puts(".SH EXIT STATUS\n0 done, 1 unexpected, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 refused,\n"
	     "7 the operation failed, 8 waited too long, 9 unreachable or busy.\n.SH ENVIRONMENT\n"
	     "UNDERSTUDY_URL, UNDERSTUDY_TOKEN, UNDERSTUDY_CONTEXT, UNDERSTUDY_OUTPUT.\n.SH FILES\n"
	     ".I $XDG_CONFIG_HOME/understudy/config.json");
	return CLI_DONE;
}

static const char bash_script[] =
	"_understudy() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$(understudy __complete \"${COMP_WORDS[@]:1:COMP_CWORD-1}\")\" -- \"$cur\")\n"
	"}\n"
	"complete -F _understudy understudy\n";
static const char zsh_script[] =
	"#compdef understudy\n"
	"_understudy() {\n"
	"\tlocal -a candidates\n"
	"\tcandidates=(${(f)\"$(understudy __complete ${words[2,CURRENT-1]})\"})\n"
	"\tcompadd -- $candidates\n"
	"}\n"
	"compdef _understudy understudy\n";
static const char fish_script[] = "function __understudy_complete\n"
				  "\tset -l words (commandline -opc)\n"
				  "\tunderstudy __complete $words[2..-1]\n"
				  "end\n"
				  "complete -c understudy -f -a '(__understudy_complete)'\n";

int ud_cli_completion(struct cli *c)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };

	for (size_t i = 0; c->word_count == 2 && i < UD_LEN(scripts); i++)
		if (strcmp(scripts[i].shell, c->words[1]) == 0)
			return fputs(scripts[i].script, stdout) < 0;
	return ud_cli_fail(CLI_USAGE, "completion bash | zsh | fish");
}

struct candidates {
	const char *before; /* words so far, joined by spaces, "" at the start */
	const char *seen;   /* printed already, between newlines */
};

/* The next word of a command whose beginning was typed, once. */
static void candidate(struct cli *c, struct candidates *k, const char *name)
{
	size_t n = strlen(k->before);

	if (strncmp(name, k->before, n) != 0 || (n && name[n] != ' '))
		return;
	name += n + (n > 0);
	const char *word = ud_strndup(c->cx.arena, name, strcspn(name, " "));

	if (!*word || strpbrk(word, "[]|") ||
		strstr(k->seen, ud_printf(c->cx.arena, "\n%s\n", word)))
		return;
	k->seen = ud_printf(c->cx.arena, "%s%s\n", k->seen, word);
	puts(word);
}

static void candidate_command(struct cli *c, const struct cli_command *cmd, void *data)
{
	candidate(c, data, ud_cli_command_name(c, cmd->id));
}

static void print_flags(struct cli *c, const struct cli_command *cmd)
{
	json_t *schema = ud_cli_body_schema(c, cmd), *v;
	const char *name;

	json_object_foreach(json_object_get(schema, "properties"), name, v)
	{
		fputs("--", stdout);
		for (const char *p = name; *p; p++)
			putchar(*p == '_' ? '-' : *p);
		putchar('\n');
	}
	puts("--output\n--explain");
}

int ud_cli_complete(struct cli *c)
{
	struct candidates k = { "", "\n" };
	struct cli_command cmd;
	size_t used;

	for (size_t i = 0; i < c->word_count; i++)
		k.before = ud_printf(c->cx.arena, "%s%s%s", k.before, i ? " " : "", c->words[i]);
	ud_cli_command_each(c, candidate_command, &k);
	for (size_t i = 0; i < UD_LEN(own); i++)
		candidate(c, &k, own[i].use);
	if (ud_cli_command_find(c, &cmd, &used))
		print_flags(c, &cmd);
	return CLI_DONE;
}
