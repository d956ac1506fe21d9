/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options, and reading it by inih.
 */
#include "base/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/ini.h"
#include "base/ip.h"

/* clang-format off */
static const struct ud_option table[] = {
	[UD_O_SERVER_LISTEN] =              { "server", "listen", UD_OPTION_ADDRESS, "127.0.0.1:8080", .about = "Address of portal and API: ADDRESS:PORT or unix:PATH. Without a certificate only loopback or a Unix socket is taken." },
	[UD_O_SERVER_PUBLIC_URL] =          { "server", "public_url", UD_OPTION_URL, "", .about = "Address that people use; made from listen when not set." },
	[UD_O_SERVER_TLS_CERT] =            { "server", "tls_cert", UD_OPTION_TEXT, "", .about = "PEM file with the certificate chain, when the server speaks TLS itself." },
	[UD_O_SERVER_TLS_KEY] =             { "server", "tls_key", UD_OPTION_TEXT, "", .about = "PEM file with its key." },
	[UD_O_SERVER_TRUSTED_PROXIES] =     { "server", "trusted_proxies", UD_OPTION_ADDRESSES, "", .about = "Addresses of proxies, comma-separated ('unix' for whoever uses a Unix socket): their X-Forwarded-For says who calls, and the limit of connections per address does not hold for them." },
	[UD_O_SERVER_WORKERS] =             { "server", "workers", UD_OPTION_INT, "0", 0, 8, .about = "Threads that serve requests; 0 = one per core, 2 to 8." },
	[UD_O_SERVER_ATTACHMENTS] =         { "server", "attachments", UD_OPTION_TEXT, "", .about = "Folder for files that people attach to tickets, the same for all servers of one database; attachments beside the configuration when not set." },
	[UD_O_AGENTS_LISTEN] =              { "agents", "listen", UD_OPTION_PORT, ":8443", .about = "Address of the agents' port: ADDRESS:PORT, :PORT for every address; empty = no agents." },
	[UD_O_AGENTS_PUBLIC_URL] =          { "agents", "public_url", UD_OPTION_URL, "", .about = "https:// address under which agents reach that port; made from this machine's name when not set." },
	[UD_O_DATABASE_URL] =               { "database", "url", UD_OPTION_DATABASE, "", .about = "sqlite:PATH or postgresql://…; a file beside the configuration when not set." },
	[UD_O_AUTH_REQUIRE_MFA] =           { "auth", "require_mfa", UD_OPTION_CHOICE, "staff", .choices = "none staff all", .about = "Who needs a second factor." },
	[UD_O_AUTH_SESSION_HOURS] =         { "auth", "session_hours", UD_OPTION_INT, "12", 1, 24, .about = "Hours after which a session ends at the latest; staff 8 at most." },
	[UD_O_AUTH_IDLE_MINUTES] =          { "auth", "idle_minutes", UD_OPTION_INT, "30", 1, 480, .about = "Minutes without a request after which a session ends." },
	[UD_O_FAILOVER_LEASE_SECONDS] =     { "failover", "lease_seconds", UD_OPTION_INT, "30", 2, 600, .about = "Seconds that a host may run a VM of fencing policy lease after it was last told that it may." },
	[UD_O_FAILOVER_FENCE_AGENTS] =      { "failover", "fence_agents", UD_OPTION_TEXT, "/usr/sbin", .about = "Folder of the programs of fence-agents, which switch hosts off (docs/fencing.md)." },
	[UD_O_WEBHOOKS_KEY_FILE] =          { "webhooks", "key_file", UD_OPTION_TEXT, "", .about = "File with the key, 16 characters or more, that calls of recovery plans are signed with; empty = none are made." },
	[UD_O_WEBHOOKS_ALLOW] =             { "webhooks", "allow", UD_OPTION_TEXT, "", .about = "Hosts, comma-separated, as HOST or HOST:PORT, that may be called at addresses of inner networks and without TLS." },
	[UD_O_WEBHOOKS_CA_FILE] =           { "webhooks", "ca_file", UD_OPTION_TEXT, "", .about = "File with the authorities that certificates of those called are checked by; empty = the system's." },
	[UD_O_MAIL_SERVER] =                { "mail", "server", UD_OPTION_TEXT, "", .about = "Mail server that takes letters: smtp://HOST:PORT or smtps://HOST:PORT; empty = none are sent." },
	[UD_O_MAIL_FROM] =                  { "mail", "from", UD_OPTION_TEXT, "", .about = "Address that letters come from." },
	[UD_O_MAIL_USER] =                  { "mail", "user", UD_OPTION_TEXT, "", .about = "Name at the mail server; empty = it asks for none." },
	[UD_O_MAIL_PASSWORD_FILE] =         { "mail", "password_file", UD_OPTION_TEXT, "", .about = "File with the password for it." },
	[UD_O_MAIL_TLS] =                   { "mail", "tls", UD_OPTION_CHOICE, "required", .choices = "required offered", .about = "offered = without TLS, too, where the mail server has none." },
	[UD_O_MAIL_CA_FILE] =               { "mail", "ca_file", UD_OPTION_TEXT, "", .about = "File with the authorities that the mail server's certificate is checked by; empty = the system's." },
	[UD_O_LIMITS_CONNECTIONS] =         { "limits", "connections", UD_OPTION_INT, "8000", 16, 100000, .about = "Connections at once." },
	[UD_O_LIMITS_AGENTS] =              { "limits", "agents", UD_OPTION_INT, "12000", 16, 1000000, .about = "Connections of agents at once." },
	[UD_O_LIMITS_PER_ADDRESS] =         { "limits", "per_address", UD_OPTION_INT, "20", 0, 100000, .about = "Connections at once from one address; 0 = any; loopback, Unix sockets and trusted proxies are exempt." },
	[UD_O_LIMITS_REQUESTS_PER_MINUTE] = { "limits", "requests_per_minute", UD_OPTION_INT, "6000", 0, 10000000, .about = "Requests a minute of one session or token; 0 = any." },
	[UD_O_LIMITS_BURST] =               { "limits", "burst", UD_OPTION_INT, "1000", 1, 1000000, .about = "Requests that may come at once." },
	[UD_O_LIMITS_STREAMS_PER_USER] =    { "limits", "streams_per_user", UD_OPTION_INT, "20", 1, 1000, .about = "Event streams of one user at once." },
	[UD_O_RETENTION_IDEMPOTENCY_DAYS] = { "retention", "idempotency_days", UD_OPTION_INT, "7", 1, 90, .about = "Days that answers are kept for repeated Idempotency-Keys." },
	[UD_O_METRICS_ALLOW] =              { "metrics", "allow", UD_OPTION_ADDRESSES, "127.0.0.1,::1", .about = "Addresses that may read /metrics without a token." },
	[UD_O_METRICS_TOKEN_FILE] =         { "metrics", "token_file", UD_OPTION_TEXT, "", .about = "File with a token that opens /metrics from anywhere." },
	[UD_O_LOG_LEVEL] =                  { "log", "level", UD_OPTION_CHOICE, "info", .choices = "error warning info debug", .about = "What is logged; debug adds a line for each read." },
};
/* clang-format on */
_Static_assert(UD_LEN(table) == UD_O_COUNT, "a row for every option");

struct loading {
	struct ud_ctx *cx;
	const char *file;
	const struct ud_option *options;
	size_t count;
	const char **text;
	int64_t *number; /* may be NULL */
	const char *mistakes;
};

const struct ud_option *ud_option(enum ud_option_name name)
{
	return &table[name];
}

void ud_options_init(struct ud_options *ret)
{
	for (size_t i = 0; i < UD_O_COUNT; i++) {
		ret->text[i] = table[i].standard;
		ret->number[i] = strtoll(table[i].standard, NULL, 10);
	}
}

static int min3(int a, int b, int c)
{
	int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance of two short words. */
static int distance(const char *a, const char *b)
{
	int row[64], n = (int)strlen(b);

	if (n > 62 || strlen(a) > 62)
		return 99;
	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int corner = row[0];

		row[0] = i;
		for (int j = 1; j <= n; j++) {
			int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[n];
}

/* "; did you mean …?" or "". */
static const char *near_miss(const struct loading *l, const char *section, const char *key)
{
	const struct ud_option *best = NULL;
	int least = 4;

	for (size_t i = 0; i < l->count; i++) {
		const struct ud_option *o = &l->options[i];
		int d = distance(o->key, key) + (strcmp(o->section, section) != 0);

		if (d < least) {
			least = d;
			best = o;
		}
	}
	return best ? ud_printf(l->cx->arena, "; did you mean [%s] %s?", best->section, best->key)
		    : "";
}

static void mistake(
	struct loading *l, int line, const char *section, const char *key, const char *rule)
{
	const char *where = line ? ud_printf(l->cx->arena, "%s:%d", l->file, line) : l->file;
	const char *text = ud_printf(l->cx->arena, "%s: [%s] %s: %s", where, section, key, rule);

	l->mistakes = l->mistakes ? ud_printf(l->cx->arena, "%s\n%s", l->mistakes, text) : text;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *p = choices; n && !strchr(value, ' ') && (p = strstr(p, value)); p++)
		if ((p == choices || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

/* Decimal digits only: strtoll alone would take signs and spaces. */
static bool is_number(const char *value, int64_t min, int64_t max)
{
	size_t n = strspn(value, "0123456789");

	return n > 0 && n < 18 && !value[n] && strtoll(value, NULL, 10) >= min &&
		strtoll(value, NULL, 10) <= max;
}

static bool is_address(const char *value)
{
	const char *colon = strrchr(value, ':');

	if (strncmp(value, "unix:/", 6) == 0)
		return value[6] != 0;
	if (!colon || !is_number(colon + 1, 0, 65535) || strpbrk(value, " \t"))
		return false;
	if (value[0] == '[')
		return colon - value > 2 && colon[-1] == ']';
	return !memchr(value, ':', (size_t)(colon - value));
}

/* NULL, or the item that is no address. */
static const char *wrong_peer(struct ud_ctx *cx, const char *value)
{
	for (size_t n; *value; value += n + (value[n] == ',')) {
		value += strspn(value, " ");
		n = strcspn(value, ",");
		size_t end = n;

		while (end && value[end - 1] == ' ')
			end--;
		const char *item = ud_strndup(cx->arena, value, end);
		ud_ip ip;
		bool v4;

		if (strcmp(item, "unix") != 0 && !ud_ip_parse(item, &ip, &v4))
			return item;
	}
	return NULL;
}

static const char *check_url(struct ud_ctx *cx, const char *value)
{
	size_t n = strlen(value),
	       scheme = strncmp(value, "https://", 8) == 0 ? 8
		: strncmp(value, "http://", 7) == 0        ? 7
							   : 0;

	if (!n)
		return NULL;
	if (!scheme || !value[scheme] || strpbrk(value, " \t\"<>"))
		return ud_printf(cx->arena, "%s is not a http:// or https:// address", value);
	return value[n - 1] == '/' ? "it must not end with /" : NULL;
}

static bool is_database(const char *value)
{
	return !*value || (strncmp(value, "sqlite:", 7) == 0 && value[7]) ||
		strncmp(value, "postgresql://", 13) == 0;
}

/* NULL when the value fits, else the rule. */
static const char *check(struct ud_ctx *cx, const struct ud_option *o, const char *value)
{
	const char *item;

	switch (o->kind) {
	case UD_OPTION_INT:
		return is_number(value, o->min, o->max)
			? NULL
			: ud_printf(cx->arena, "%s is not a number between %lld and %lld", value,
				  (long long)o->min, (long long)o->max);
	case UD_OPTION_CHOICE:
		return is_choice(o->choices, value)
			? NULL
			: ud_printf(cx->arena, "%s is none of: %s", value, o->choices);
	case UD_OPTION_ADDRESS:
		return is_address(value)
			? NULL
			: ud_printf(cx->arena, "%s is not ADDRESS:PORT or unix:/PATH", value);
	case UD_OPTION_PORT:
		return !*value || (is_address(value) && strncmp(value, "unix:", 5) != 0)
			? NULL
			: ud_printf(cx->arena, "%s is not ADDRESS:PORT", value);
	case UD_OPTION_ADDRESSES:
		item = wrong_peer(cx, value);
		return item ? ud_printf(cx->arena, "%s is no address", *item ? item : "\"\"")
			    : NULL;
	case UD_OPTION_DATABASE:
		return is_database(value)
			? NULL
			: ud_printf(cx->arena, "%s is not sqlite:PATH or postgresql://…", value);
	case UD_OPTION_URL:
		return check_url(cx, value);
	case UD_OPTION_TEXT:
		return NULL;
	}
	return NULL;
}

/* One key and its value. inih goes on after a mistake, and so do we. */
static int on_value(void *user, const char *section, const char *key, const char *value, int line)
{
	struct loading *l = user;

	for (size_t i = 0; i < l->count; i++) {
		const struct ud_option *o = &l->options[i];

		if (strcmp(o->section, section) != 0 || strcmp(o->key, key) != 0)
			continue;
		const char *rule = check(l->cx, o, value);

		if (rule)
			mistake(l, line, section, key, rule);
		l->text[i] = ud_strdup(l->cx->arena, value);
		if (l->number)
			l->number[i] = strtoll(value, NULL, 10);
		return 1;
	}
	mistake(l, line, section, key,
		ud_printf(l->cx->arena, "there is no such key%s", near_miss(l, section, key)));
	return 1;
}

/* inih takes 199 bytes and a NUL at once; we add the line's end. */
enum { LONGEST_LINE = 197 };

/* The line inih is at: counted by our own reader, since Debian's build passes no numbers. */
struct text {
	const char *at;
	int line;
	struct loading *loading;
};

/* What is wrong with a line as such, or NULL. inih itself tells of the first such line alone. */
static const char *wrong_line(const char *s, size_t n)
{
	if (n > LONGEST_LINE)
		return "the line is longer than 197 bytes";
	if (!n || (*s == '[' ? memchr(s, ']', n) : memchr(s, '=', n)))
		return NULL;
	return "this is neither [section] nor key=value";
}

/* Hand out one line without the space it begins with, which inih would take for a continuation. */
static char *next_line(char *buf, int size, void *stream)
{
	struct text *t = stream;
	size_t all = strcspn(t->at, "\n"), space = strspn(t->at, " \t\r");

	if (!*t->at)
		return NULL;
	if (space > all)
		space = all;
	const char *s = t->at + space;
	size_t n = all - space;

	while (n && strchr(" \t\r", s[n - 1]))
		n--;
	if (n && strchr("#;", *s))
		n = 0;
	const char *rule = wrong_line(s, n);

	t->line++;
	t->at += all + (t->at[all] == '\n');
	if (rule)
		mistake(t->loading, t->line, "-", "-", rule);
	snprintf(buf, (size_t)size, "%.*s\n", rule ? 0 : (int)n, s);
	return buf;
}

static int on_value_here(void *user, const char *section, const char *key, const char *value)
{
	struct text *t = user;

	return on_value(t->loading, section, key, value, t->line);
}

static enum ud_code load_file(struct loading *l, const char *path)
{
	const char *content;
	size_t n;

	UD_TRY(ud_file_read(l->cx, path, 1 << 20, &content, &n));
	bool mark = strncmp(content, "\xef\xbb\xbf", 3) == 0; /* of UTF-8 */
	struct text t = { .at = content + (mark ? 3 : 0), .loading = l };

	l->file = path;
	if (strlen(content) != n)
		mistake(l, 1, "-", "-", "the file has a NUL: it is no text");
	int wrong = ud_ini_read(next_line, &t, on_value_here, &t);

	if (wrong > 0)
		mistake(l, wrong, "-", "-", "this cannot be read");
	return UD_OK;
}

/* Rules over several keys. */
static void check_together(struct loading *l)
{
	const char *const *text = l->text;

	if (!*text[UD_O_SERVER_TLS_CERT] != !*text[UD_O_SERVER_TLS_KEY])
		mistake(l, 0, "server", *text[UD_O_SERVER_TLS_CERT] ? "tls_key" : "tls_cert",
			"tls_cert and tls_key are set together");
	if (*text[UD_O_AGENTS_PUBLIC_URL] &&
		strncmp(text[UD_O_AGENTS_PUBLIC_URL], "https:", 6) != 0)
		mistake(l, 0, "agents", "public_url", "agents speak https:// only");
}

/* Reading conf.d: the first file that cannot be read ends it. */
struct folder {
	struct loading *loading;
	const char *path;
	enum ud_code code;
};

static void load_one(void *data, const char *name)
{
	struct folder *f = data;
	size_t n = strlen(name);

	if (f->code == UD_OK && n > 5 && name[0] != '.' && strcmp(name + n - 5, ".conf") == 0)
		f->code = load_file(
			f->loading, ud_printf(f->loading->cx->arena, "%s/%s", f->path, name));
}

static void set_defaults(struct loading *l)
{
	for (size_t i = 0; i < l->count; i++) {
		l->text[i] = l->options[i].standard;
		if (l->number)
			l->number[i] = strtoll(l->options[i].standard, NULL, 10);
	}
}

/* The file and those of conf.d beside it. */
static enum ud_code load(struct loading *l, const char *path)
{
	struct ud_ctx *cx = l->cx;
	const char *slash = strrchr(path, '/');
	const char *dir =
		ud_printf(cx->arena, "%.*sconf.d", slash ? (int)(slash - path + 1) : 0, path);
	struct folder f = { .loading = l, .path = dir, .code = UD_OK };

	set_defaults(l);
	UD_TRY(load_file(l, path));
	int why = cx->env->files->list(dir, load_one, &f);

	if (why && why != ENOENT)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", dir, strerror(why));
	l->file = path;
	return f.code;
}

static enum ud_code verdict(struct loading *l)
{
	return l->mistakes ? ud_fail(l->cx, UD_E_VALIDATION, NULL, "%s", l->mistakes) : UD_OK;
}

enum ud_code ud_options_load(struct ud_ctx *cx, const char *path, struct ud_options *ret)
{
	struct loading l = { .cx = cx,
		.options = table,
		.count = UD_O_COUNT,
		.text = ret->text,
		.number = ret->number };

	UD_TRY(load(&l, path));
	check_together(&l);
	return verdict(&l);
}

enum ud_code ud_options_load_table(struct ud_ctx *cx, const char *path,
	const struct ud_option *options, size_t count, const char **text, int64_t *number)
{
	struct loading l = {
		.cx = cx, .options = options, .count = count, .text = text, .number = number
	};

	UD_TRY(load(&l, path));
	return verdict(&l);
}

void ud_options_sample(struct ud_buf *b)
{
	const char *section = "";

	for (size_t i = 0; i < UD_O_COUNT; i++) {
		const struct ud_option *o = &table[i];

		if (strcmp(section, o->section) != 0)
			ud_buf_printf(b, "%s[%s]\n", i ? "\n" : "", o->section);
		section = o->section;
		ud_buf_printf(b, "; %s\n%s%s=%s\n", o->about, *o->standard ? "" : ";", o->key,
			o->standard);
	}
}
