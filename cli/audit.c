/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy audit export: the log of who did what in a file, sealed, that understudy verify checks
 * without a server.
 */
#include <stdio.h>
#include <string.h>

#include "base/audit.h"
#include "base/file.h"
#include "base/shape.h"
#include "cli/cli.h"

/* One chain up to the head that was sealed; what came since is not in the file. */
struct chain {
	const char *customer_id;
	int64_t seq;
};

/* Append a page's records; true while more of the chain are wanted. */
static bool add_page(const struct chain *chain, json_t *page, struct ud_buf *out)
{
	json_t *record;
	size_t i;

	json_array_foreach(json_object_get(page, "data"), i, record)
	{
		UD_AUTO(ud_arena) *arena = ud_arena_new();

		if (ud_cli_int(record, "seq", 0) > chain->seq)
			return false;
		ud_buf_puts(out, ud_json_text(arena, record, JSON_COMPACT | JSON_SORT_KEYS));
		ud_buf_putc(out, '\n');
	}
	return json_is_string(json_object_get(page, "next_cursor"));
}

static int add_chain(struct cli *c, const struct chain *chain, struct ud_buf *out)
{
	const char *cursor = NULL;
	bool more = true;
	int code = CLI_DONE;

	while (more && code == CLI_DONE) {
		struct cli_reply r;

		ud_cli_call(c, "GET",
			ud_printf(c->cx.arena, "/v1/audit-records/export?limit=200%s%s%s%s",
				*chain->customer_id ? "&customer_id=" : "", chain->customer_id,
				cursor ? "&cursor=" : "", cursor ? ud_cli_percent(c, cursor) : ""),
			NULL, NULL, &r);
		code = ud_cli_reply_code(c, &r);
		more = code == CLI_DONE && add_page(chain, r.json, out);
		if (more)
			cursor = ud_strdup(c->cx.arena, ud_cli_text(r.json, "next_cursor"));
		ud_cli_reply_free(&r);
	}
	return code;
}

static int add_chains(struct cli *c, json_t *seal, struct ud_buf *out)
{
	json_t *head;
	size_t i;
	int code = CLI_DONE;

	ud_buf_puts(out, ud_json_text(c->cx.arena, seal, JSON_COMPACT | JSON_SORT_KEYS));
	ud_buf_putc(out, '\n');
	json_array_foreach(json_object_get(seal, "heads"), i, head)
	{
		struct chain chain = { ud_cli_text(head, "customer_id"),
			ud_cli_int(head, "seq", 0) };

		code = code ? code : add_chain(c, &chain, out);
	}
	return code;
}

int ud_cli_run_audit_export(struct cli *c)
{
	const char *path = ud_cli_flag(c, "file");
	struct cli_reply seal, all = { 0 };
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	if (c->word_count != 2 || c->jq || c->explain)
		return ud_cli_fail(CLI_USAGE, "audit export [--file FILE]");
	ud_cli_call(c, "POST", "/v1/audit-records/seal", "{}", NULL, &seal);
	code = ud_cli_reply_code(c, &seal);
	if (code == CLI_DONE)
		code = add_chains(c, seal.json, &all.body);
	if (code == CLI_DONE)
		code = ud_cli_save(c, &all, path ? path : "-");
	ud_cli_reply_free(&all);
	ud_cli_reply_free(&seal);
	return code;
}
