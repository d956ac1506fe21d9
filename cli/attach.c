/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending a file to a ticket: its bytes as they are, under its own name, with a key so that a call
 * whose answer was lost is not done twice.
 */
#include <string.h>

#include "base/env.h"
#include "base/file.h"
#include "base/id.h"
#include "cli/cli.h"

enum { FILE_MAX_BYTES = 50 << 20 };

/* The name as a part of a query. */
static const char *escaped(struct cli *c, const char *name)
{
	const char *out = "";

	for (; *name; name++) {
		bool plain = strchr("-._~", *name) || (*name >= '0' && *name <= '9') ||
			((*name | 32) >= 'a' && (*name | 32) <= 'z');

		out = plain ? ud_printf(c->cx.arena, "%s%c", out, *name)
			    : ud_printf(c->cx.arena, "%s%%%02X", out, (unsigned char)*name);
	}
	return out;
}

static int send_file(struct cli *c, const char *ticket, const char *path, bool internal)
{
	const char *slash = strrchr(path, '/'), *data = NULL;
	struct cli_reply r;
	size_t n = 0;

	if (ud_file_read(&c->cx, path, FILE_MAX_BYTES, &data, &n) != UD_OK)
		return ud_cli_fail(CLI_USAGE, "%s", c->cx.problem.detail);
	ud_cli_send(c,
		ud_printf(c->cx.arena, "/v1/tickets/%s/attachments?filename=%s%s", ticket,
			escaped(c, slash ? slash + 1 : path),
			internal ? "&visibility=internal" : ""),
		data, n,
		ud_printf(c->cx.arena, "Idempotency-Key: %s",
			ud_id_new(c->cx.arena, c->cx.env, c->cx.now_ms, "key")),
		&r);
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE && !c->quiet)
		code = ud_cli_print(c, r.json, NULL);
	ud_cli_reply_free(&r);
	return code;
}

int ud_cli_run_attach(struct cli *c)
{
	bool internal = ud_cli_flag(c, "internal") != NULL;
	const char *ticket = NULL;

	if (c->word_count != 4)
		return ud_cli_fail(CLI_USAGE, "say: understudy ticket attach TICKET FILE");
	int code = ud_cli_check_flags(c);

	if (code == CLI_DONE)
		code = ud_cli_resolve(c, "/v1/tickets", c->words[2], &ticket);
	return code ? code : send_file(c, ticket, c->words[3], internal);
}
