/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which installation, as whom: flags, then environment, then the file of contexts, which nobody
 * else may read. A token is never an argument.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shape.h"
#include "cli/cli.h"

static const char *config_folder(struct cli *c)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg)
		return ud_printf(c->cx.arena, "%s/understudy", xdg);
	return ud_printf(c->cx.arena, "%s/.config/understudy", home ? home : ".");
}

static const char *config_path(struct cli *c)
{
	return ud_printf(c->cx.arena, "%s/config.json", config_folder(c));
}

/* The file as JSON; an empty object when there is none. An exit code. */
static int read_file(struct cli *c, json_t **ret)
{
	const char *path = config_path(c), *text;
	struct stat st;
	size_t n;

	*ret = NULL;
	if (stat(path, &st) != 0) {
		*ret = json_pack("{s:{}}", "contexts");
		return CLI_DONE;
	}
	if (st.st_mode & 077)
		return ud_cli_fail(CLI_USAGE, "%s can be read by others: chmod 600 it", path);
	if (ud_file_read(&c->cx, path, 1 << 20, &text, &n) != UD_OK ||
		!(*ret = json_loads(text, 0, NULL)))
		return ud_cli_fail(CLI_UNEXPECTED, "%s cannot be read", path);
	return CLI_DONE;
}

/* Make each missing folder of a path. */
static void make_folders(struct cli *c, const char *path)
{
	char *copy = ud_strdup(c->cx.arena, path);

	for (char *p = copy + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			(void)mkdir(copy, 0700);
			*p = '/';
		}
	(void)mkdir(copy, 0700);
}

static int write_file(struct cli *c, json_t *config)
{
	const char *text = ud_json_text(c->cx.arena, config, JSON_INDENT(2));

	make_folders(c, config_folder(c));
	enum ud_code code = ud_file_write(&c->cx, config_path(c), text, strlen(text), 0600);

	return code == UD_OK ? CLI_DONE : ud_cli_fail(CLI_UNEXPECTED, "%s", c->cx.problem.detail);
}

static const char *wanted_context(struct cli *c, json_t *config)
{
	const char *name = ud_cli_flag(c, "context"), *env = getenv("UNDERSTUDY_CONTEXT");

	if (!name && env && *env)
		name = env;
	return name ? name : json_string_value(json_object_get(config, "current"));
}

int ud_cli_context_load(struct cli *c)
{
	const char *url = ud_cli_flag(c, "url"), *env_url = getenv("UNDERSTUDY_URL"),
		   *env_token = getenv("UNDERSTUDY_TOKEN");
	json_t *config, *context;
	int code = read_file(c, &config);

	if (code)
		return code;
	const char *name = wanted_context(c, config);

	context = name ? json_object_get(json_object_get(config, "contexts"), name) : NULL;
	if (ud_cli_flag(c, "context") && !context && !c->new_context) {
		json_decref(config);
		return ud_cli_fail(CLI_USAGE, "there is no context %s", name);
	}
	const char *stored_url = json_string_value(json_object_get(context, "url"));
	const char *stored_token = json_string_value(json_object_get(context, "token"));

	c->url = ud_strdup(c->cx.arena,
		url                           ? url
			: env_url && *env_url ? env_url
			: stored_url          ? stored_url
					      : "http://127.0.0.1:8080");
	c->token = ud_strdup(c->cx.arena, env_token && *env_token ? env_token : stored_token);
	json_decref(config);
	return CLI_DONE;
}

static int list_contexts(struct cli *c, json_t *config)
{
	const char *name, *current = json_string_value(json_object_get(config, "current"));
	json_t *context;

	(void)c;
	json_object_foreach(json_object_get(config, "contexts"), name, context)
		printf("%s %s  %s\n", current && strcmp(current, name) == 0 ? "*" : " ", name,
			json_string_value(json_object_get(context, "url")));
	return CLI_DONE;
}

static int change(struct cli *c, json_t *config, const char *verb, const char *name)
{
	json_t *contexts = json_object_get(config, "contexts");
	const char *url = ud_cli_flag(c, "url");

	if (strcmp(verb, "add") == 0) {
		if (!url)
			return ud_cli_fail(CLI_USAGE, "--url is required");
		json_object_set_new(contexts, name, json_pack("{s:s}", "url", url));
	} else if (!json_object_get(contexts, name)) {
		return ud_cli_fail(CLI_NOT_FOUND, "there is no context %s", name);
	}
	if (strcmp(verb, "remove") == 0)
		json_object_del(contexts, name);
	else
		json_object_set_new(config, "current", json_string(name));
	return write_file(c, config);
}

int ud_cli_context_run(struct cli *c)
{
	const char *verb = c->word_count > 1 ? c->words[1] : "list",
		   *name = c->word_count > 2 ? c->words[2] : NULL;
	json_t *config;
	int code = read_file(c, &config);

	if (code)
		return code;
	if (strcmp(verb, "list") == 0)
		code = list_contexts(c, config);
	else if (strcmp(verb, "show") == 0 && ud_cli_context_load(c) == CLI_DONE)
		code = printf("%s (%s)\n", c->url, c->token ? "signed in" : "not signed in") < 0;
	else if ((strcmp(verb, "use") == 0 || strcmp(verb, "add") == 0 ||
			 strcmp(verb, "remove") == 0) &&
		name)
		code = change(c, config, verb, name);
	else
		code = ud_cli_fail(CLI_USAGE,
			"context list | show | use NAME | add NAME --url URL | remove NAME");
	json_decref(config);
	return code;
}

/* ---- auth ---- */

/* A line from the terminal or standard input; not shown when secret. NULL at the end of input. */
static const char *ask(struct cli *c, const char *prompt, bool secret)
{
	struct termios before, quiet;
	char line[512];
	bool tty = tcgetattr(STDIN_FILENO, &before) == 0;

	fprintf(stderr, "%s", prompt);
	if (tty && secret) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	char *got = fgets(line, sizeof(line), stdin);

	if (tty && secret) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	return got ? ud_strndup(c->cx.arena, line, strcspn(line, "\r\n")) : NULL;
}

static int store_token(struct cli *c, const char *token)
{
	json_t *config, *contexts, *context;
	int code = read_file(c, &config);

	if (code)
		return code;
	const char *name = wanted_context(c, config);

	if (!name)
		name = "default";
	contexts = json_object_get(config, "contexts");
	context = json_pack("{s:s, s:s?}", "url", c->url, "token", token);
	json_object_set_new(contexts, name, context);
	json_object_set_new(config, "current", json_string(name));
	code = write_file(c, config);
	json_decref(config);
	return code;
}

/* Sign in by hand: the general call keeps no cookies, so the session only lives for these three
 * calls. */
static int login_by_password(struct cli *c)
{
	const char *email = ask(c, "E-mail: ", false), *password = ask(c, "Password: ", true);

	if (!email || !password)
		return ud_cli_fail(CLI_USAGE,
			"sign in needs an e-mail address and a password, or --token-stdin");
	json_t *body = json_pack("{s:s, s:s}", "email", email, "password", password);
	const char *token = NULL;
	int code = ud_cli_session_token(c, body, &token);

	if (code == CLI_NOT_ALLOWED && c->code_wanted) {
		const char *totp = ask(c, "Code: ", false);

		json_object_set_new(body, "totp", json_string(totp ? totp : ""));
		code = ud_cli_session_token(c, body, &token);
	}
	json_decref(body);
	return code ? code : store_token(c, token);
}

static int login_by_device(struct cli *c)
{
	const char *token = NULL;
	int code = ud_cli_device_token(c, &token);

	return code || !token ? code : store_token(c, token);
}

static int login(struct cli *c)
{
	c->new_context = true;
	int code = ud_cli_context_load(c);

	if (code)
		return code;
	bool device = ud_cli_flag(c, "device") != NULL;

	if (!ud_cli_flag(c, "token-stdin"))
		return device ? login_by_device(c) : login_by_password(c);
	const char *token = ask(c, "", false);

	if (!token || !*token)
		return ud_cli_fail(CLI_USAGE, "no token came on standard input");
	c->token = token;
	struct cli_reply r;

	ud_cli_call(c, "GET", "/v1/me", NULL, NULL, &r);
	code = ud_cli_reply_code(c, &r);
	ud_cli_reply_free(&r);
	return code ? code : store_token(c, token);
}

int ud_cli_auth_run(struct cli *c)
{
	const char *verb = c->word_count > 1 ? c->words[1] : "status";
	struct cli_reply r;
	int code;

	if (strcmp(verb, "login") == 0)
		return login(c);
	code = ud_cli_context_load(c);
	if (code)
		return code;
	if (strcmp(verb, "logout") == 0)
		return store_token(c, NULL);
	if (strcmp(verb, "status") != 0 && strcmp(verb, "whoami") != 0)
		return ud_cli_fail(CLI_USAGE,
			"auth login [--device | --token-stdin] | logout | status | can VERB THING");
	if (!c->token)
		return ud_cli_fail(
			CLI_NOT_ALLOWED, "not signed in to %s; use understudy auth login", c->url);
	bool explain = c->explain;

	c->explain = false;
	ud_cli_call(c, "GET", "/v1/me", NULL, NULL, &r);
	c->explain = explain;
	code = ud_cli_reply_code(c, &r);
	if (code == CLI_DONE)
		code = ud_cli_print(c, r.json, NULL);
	ud_cli_reply_free(&r);
	return code;
}
