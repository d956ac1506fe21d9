/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words and flags. A flag is --name value, --name=value, or a switch; which flags are switches is
 * known here and from the specification (booleans).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct {
	const char *name, *is; /* the long name */
} shorts[] = {
	{ "-o", "output" },
	{ "-c", "columns" },
	{ "-y", "yes" },
	{ "-q", "quiet" },
	{ "-v", "verbose" },
	{ "-f", "field" },
	{ "-F", "file" },
	{ "-h", "help" },
	{ "-w", "watch" },
};

static const char *const switches[] = { "help", "yes", "quiet", "verbose", "explain", "dry-run",
	"no-input", "no-color", "utc", "all", "paginate", "token-stdin", "no-wait", "man", "wait",
	"watch", "ics", "never", "device", "preview", "raw", "examples" };

static bool is_switch(const char *name)
{
	for (size_t i = 0; i < UD_LEN(switches); i++)
		if (strcmp(switches[i], name) == 0)
			return true;
	return false;
}

static const char *long_name(const char *arg)
{
	if (strncmp(arg, "--", 2) == 0 && arg[2])
		return arg + 2;
	for (size_t i = 0; i < UD_LEN(shorts); i++)
		if (strcmp(shorts[i].name, arg) == 0)
			return shorts[i].is;
	return NULL;
}

/* Booleans of any body are switches: --managed, --no-managed. */
static bool is_boolean(const struct cli *c, const char *name)
{
	json_t *schemas = json_object_get(json_object_get(c->spec, "components"), "schemas"), *s;
	char *field = ud_strdup(c->cx.arena, name);
	const char *key;

	for (char *p = field; *p; p++)
		*p = *p == '-' ? '_' : *p;
	json_object_foreach(schemas, key, s)
	{
		json_t *p = json_object_get(json_object_get(s, "properties"), field);
		const char *type = json_string_value(json_object_get(p, "type"));

		if (type && strcmp(type, "boolean") == 0)
			return true;
	}
	return false;
}

static int add_flag(struct cli *c, const char *name, int argc, char **argv, int *i)
{
	size_t n = strcspn(name, "=");
	struct cli_flag f = { .name = ud_strndup(c->cx.arena, name, n) };

	if (c->flag_count == CLI_MAX_FLAGS)
		return ud_cli_fail(CLI_USAGE, "too many flags");
	if (name[n] == '=')
		f.value = name + n + 1;
	else if (!is_switch(f.name) && !is_boolean(c, f.name) &&
		!(strncmp(f.name, "no-", 3) == 0 && is_boolean(c, f.name + 3))) {
		if (*i + 1 >= argc)
			return ud_cli_fail(CLI_USAGE, "--%s needs a value", f.name);
		f.value = argv[++*i];
	}
	c->flags[c->flag_count++] = f;
	return CLI_DONE;
}

const char *ud_cli_flag(struct cli *c, const char *name)
{
	for (size_t i = 0; i < c->flag_count; i++)
		if (strcmp(c->flags[i].name, name) == 0) {
			c->flags[i].used = true;
			return c->flags[i].value ? c->flags[i].value : "";
		}
	return NULL;
}

int ud_cli_check_flags(const struct cli *c)
{
	for (size_t i = 0; i < c->flag_count; i++)
		if (!c->flags[i].used)
			return ud_cli_fail(
				CLI_USAGE, "there is no flag --%s here", c->flags[i].name);
	return CLI_DONE;
}

static int read_general(struct cli *c)
{
	static const char *const formats[] = { "table", "wide", "json", "yaml", "csv", "name" };
	const char *output = ud_cli_flag(c, "output");

	c->explain = ud_cli_flag(c, "explain") != NULL;
	c->verbose = ud_cli_flag(c, "verbose") != NULL;
	c->quiet = ud_cli_flag(c, "quiet") != NULL;
	c->no_input = ud_cli_flag(c, "no-input") != NULL || !isatty(STDIN_FILENO);
	c->yes = ud_cli_flag(c, "yes") != NULL;
	(void)ud_cli_flag(c, "no-color"); /* there is no colour to leave out */
	(void)ud_cli_flag(c, "utc");      /* times are, unless --time-zone says otherwise */
	c->jq = ud_cli_flag(c, "jq");
	c->output = output ? output : getenv("UNDERSTUDY_OUTPUT");
	if (!c->output || !*c->output)
		c->output = "table";
	for (size_t i = 0; i < UD_LEN(formats); i++)
		if (strcmp(formats[i], c->output) == 0)
			return CLI_DONE;
	return ud_cli_fail(
		CLI_USAGE, "the output is table, wide, json, yaml, csv or name, not %s", c->output);
}

int ud_cli_args(struct cli *c, int argc, char **argv)
{
	bool only_words = false;

	for (int i = 0; i < argc; i++) {
		const char *name = only_words ? NULL : long_name(argv[i]);
		int code = CLI_DONE;

		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (name)
			code = add_flag(c, name, argc, argv, &i);
		else if (!only_words && argv[i][0] == '-' && argv[i][1])
			code = ud_cli_fail(CLI_USAGE, "there is no flag %s", argv[i]);
		else if (c->word_count == CLI_MAX_WORDS)
			code = ud_cli_fail(CLI_USAGE, "too many words");
		else
			c->words[c->word_count++] = argv[i];
		if (code != CLI_DONE)
			return code;
	}
	return read_general(c);
}
