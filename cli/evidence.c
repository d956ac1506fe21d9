/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy verify: the offline check of a run's record or of an audit log. No server is asked;
 * whose key sealed it is shown, and compared with the keys that the caller believes.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/audit.h"
#include "base/evidence.h"
#include "cli/cli.h"

/* The rest of a file behind its first line. */
static void read_rest(FILE *f, struct ud_buf *out)
{
	char block[16384];
	size_t n;

	while (out->len <= UD_EVIDENCE_MAX && (n = fread(block, 1, sizeof(block), f)) > 0)
		ud_buf_add(out, block, n);
}

/* The next line, without its end; false after the last one. */
static bool next_line(FILE *f, struct ud_buf *ret)
{
	int ch;

	ret->len = 0;
	while ((ch = getc(f)) != EOF && ch != '\n')
		ud_buf_putc(ret, (char)ch);
	return ch != EOF || ret->len > 0;
}

static void check_record(
	struct cli *c, FILE *f, struct ud_buf *text, const char *key, struct ud_evidence_report *r)
{
	if (!feof(f))
		ud_buf_putc(text, '\n');
	read_rest(f, text);
	ud_evidence_verify(&c->cx, ud_buf_text(text), text->len, &key, key ? 1 : 0, r);
}

/* Audit logs are long: a line at a time. */
static void check_log(
	struct cli *c, FILE *f, struct ud_buf *line, const char *key, struct ud_evidence_report *r)
{
	struct ud_audit_check check;

	ud_audit_check_begin(&c->cx, &check, ud_buf_text(line), line->len, &key, key ? 1 : 0, r);
	while (next_line(f, line))
		ud_audit_check_line(&c->cx, &check, ud_buf_text(line), line->len);
	ud_audit_check_end(&c->cx, &check);
}

/* Check a file of either kind; false when it cannot be read. *ret_log = it is an audit log. */
static bool check_file(struct cli *c, const char *path, const char *key,
	struct ud_evidence_report *r, bool *ret_log)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *f = standard ? stdin : fopen(path, "rb");
	struct ud_buf first = { 0 };

	if (!f)
		return false;
	(void)next_line(f, &first);
	*ret_log = ud_audit_is(ud_buf_text(&first));
	(*ret_log ? check_log : check_record)(c, f, &first, key, r);
	bool fine = !ferror(f);

	ud_buf_free(&first);
	if (!standard)
		fclose(f);
	return fine;
}

static void tell_record(const struct ud_evidence_report *r, const char *file)
{
	long long mine = (long long)r->signed_answers, all = mine + r->unsigned_answers;

	printf("%s: intact. %lld parts, %lld lines of the timeline, %lld pictures.\n", file,
		(long long)r->parts, (long long)r->lines, (long long)r->pictures);
	if (all)
		printf("%lld of %lld answers are signed by the agents that gave them.\n", mine,
			all);
	else
		printf("No answer in it is signed by an agent.\n");
	printf("Record %s, sealed %s\n", r->id ? r->id : "-", r->sealed_at ? r->sealed_at : "-");
}

static int tell(const struct cli *c, const struct ud_evidence_report *r, const char *file, bool log)
{
	for (size_t i = 0; i < r->count; i++)
		printf("%s: %s\n", r->findings[i].where, r->findings[i].what);
	if (!r->intact) {
		printf("NOT INTACT: %s\n", file);
		return CLI_FAILED;
	}
	if (c->quiet)
		return CLI_DONE;
	if (log)
		printf("%s: intact. %lld records of %lld chains.\nAudit log, sealed %s\n", file,
			(long long)r->lines, (long long)r->parts,
			r->sealed_at ? r->sealed_at : "-");
	else
		tell_record(r, file);
	printf("with key %s\n", r->public_key ? r->public_key : "-");
	return CLI_DONE;
}

int ud_cli_verify(struct cli *c)
{
	struct ud_evidence_report r;
	const char *key = ud_cli_flag(c, "key");
	bool log = false;

	if (c->word_count != 2)
		return ud_cli_fail(CLI_USAGE, "understudy verify FILE [--key HEX]");
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	if (!check_file(c, c->words[1], key, &r, &log))
		return ud_cli_fail(CLI_NOT_FOUND, "%s cannot be read", c->words[1]);
	code = tell(c, &r, c->words[1], log);
	if (code == CLI_DONE && !key && !c->quiet)
		fputs("Compare the key with that of the installation"
		      " (understudy evidence signing-keys), or give it with --key.\n",
			stderr);
	return code;
}
