/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth can VERB THING: would a command be allowed to whoever is signed in? The specification tells
 * which roles may do it, the server which roles they have. What a token is narrowed to, and what
 * belongs to whom, shows only when it is tried.
 */
#include <string.h>

#include "cli/cli.h"

/* "create host" as the command's words "host create". Whether that is a command, and all of it. */
static bool find_command(struct cli *c, struct cli_command *ret)
{
	size_t n = c->word_count - 2, used = 0;
	const char *verb = c->words[2];

	for (size_t i = 0; i + 1 < n; i++)
		c->words[i] = c->words[i + 3];
	c->words[n - 1] = verb;
	c->word_count = n;
	return ud_cli_command_find(c, ret, &used) && used == n;
}

/* Is a role of this list among those of /v1/me? */
static bool has_role(json_t *wanted, json_t *me)
{
	json_t *own, *one;
	size_t i, k;

	json_array_foreach(json_object_get(me, "roles"), i, own) json_array_foreach(wanted, k,
		one) if (strcmp(ud_cli_text(own, "role"), json_string_value(one)) == 0) return true;
	return false;
}

/* The answer, printed: CLI_DONE for yes, CLI_NOT_ALLOWED for no. */
static int tell(struct cli *c, const struct cli_command *cmd, json_t *me)
{
	json_t *roles = json_object_get(cmd->operation, "x-roles"); /* none: anybody */
	json_t *scope = json_object_get(cmd->operation, "x-scope");
	bool allowed = !roles || has_role(roles, me);
	json_t *out =
		json_pack("{s:s, s:b, s:O?, s:O?}", "command", ud_cli_command_name(c, cmd->id),
			"allowed", allowed, "roles", roles, "scope", scope);
	int code = ud_cli_print(c, out, NULL);

	json_decref(out);
	return code || allowed ? code : CLI_NOT_ALLOWED;
}

int ud_cli_run_can(struct cli *c)
{
	struct cli_command cmd;
	struct cli_reply r = { 0 };

	if (c->word_count < 4)
		return ud_cli_fail(CLI_USAGE, "auth can VERB THING, as in auth can create host");
	if (!find_command(c, &cmd))
		return ud_cli_fail(CLI_USAGE, "there is no such command; see understudy help");
	int code = ud_cli_context_load(c);

	if (code)
		return code;
	ud_cli_call(c, "GET", "/v1/me", NULL, NULL, &r);
	code = ud_cli_reply_code(c, &r);
	if (code == CLI_DONE)
		code = tell(c, &cmd, r.json);
	ud_cli_reply_free(&r);
	return code;
}
