/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers kept as they came. A sealed record proves itself by its bytes, so nothing here reads what
 * it writes.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"

int ud_cli_save(struct cli *c, const struct cli_reply *r, const char *path)
{
	const char *data = r->body.len ? r->body.data : "";

	if (!*path)
		return ud_cli_fail(CLI_USAGE, "--file needs the name of a file");
	if (strcmp(path, "-") == 0)
		return fwrite(data, 1, r->body.len, stdout) != r->body.len || fflush(stdout) != 0
			? ud_cli_fail(CLI_UNEXPECTED, "standard output does not take the answer")
			: CLI_DONE;
	if (ud_file_write(&c->cx, path, data, r->body.len, 0644) != UD_OK)
		return ud_cli_fail(CLI_UNEXPECTED, "%s", c->cx.problem.detail);
	if (!c->quiet)
		fprintf(stderr, "%s: %zu bytes.\n", path, r->body.len);
	return CLI_DONE;
}

/* The record of a run, or of an id of its own, into a file. */
static int keep_record(struct cli *c, const char *id, const char *path)
{
	size_t n = strlen(path);
	bool page = n > 5 && strcmp(path + n - 5, ".html") == 0;
	struct cli_reply r;

	ud_cli_call(c, "GET",
		ud_printf(c->cx.arena, "/v1/evidence/%s/%s", id,
			page ? "report?format=html" : "bundle"),
		NULL, NULL, &r);
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE)
		code = ud_cli_save(c, &r, path);
	ud_cli_reply_free(&r);
	return code;
}

int ud_cli_run_evidence(struct cli *c)
{
	const char *path = ud_cli_flag(c, "file"), *id = NULL;
	struct cli_command cmd;
	size_t used;

	if (!path)
		return ud_cli_command_find(c, &cmd, &used)
			? ud_cli_run_operation(c, &cmd, used)
			: ud_cli_fail(CLI_USAGE, "there is no command failover evidence here");
	int code = ud_cli_check_flags(c);

	if (code == CLI_DONE && (c->word_count != 3 || c->jq || c->explain))
		code = ud_cli_fail(CLI_USAGE, "failover evidence RUN [--file FILE]");
	if (code == CLI_DONE)
		code = ud_cli_resolve(c, "/v1/failovers", c->words[2], &id);
	return code ? code : keep_record(c, id, path);
}
