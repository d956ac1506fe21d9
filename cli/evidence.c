/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy verify: the offline check of a record. No server is asked; whose key sealed it is
 * shown, and compared with the keys that the caller believes.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/evidence.h"
#include "cli/cli.h"

static bool read_file(const char *path, struct ud_buf *out)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *f = standard ? stdin : fopen(path, "rb");
	char block[16384];
	size_t n;

	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0 && out->len <= UD_EVIDENCE_MAX)
		ud_buf_add(out, block, n);
	bool fine = !ferror(f);

	if (!standard)
		fclose(f);
	return fine;
}

static int tell(const struct cli *c, const struct ud_evidence_report *r, const char *file)
{
	for (size_t i = 0; i < r->count; i++)
		printf("%s: %s\n", r->findings[i].where, r->findings[i].what);
	if (!r->intact) {
		printf("NOT INTACT: %s\n", file);
		return CLI_FAILED;
	}
	if (c->quiet)
		return CLI_DONE;
	printf("%s: intact. %lld parts, %lld lines of the timeline, %lld pictures.\n", file,
		(long long)r->parts, (long long)r->lines, (long long)r->pictures);
	printf("Record %s, sealed %s\nwith key %s\n", r->id ? r->id : "-",
		r->sealed_at ? r->sealed_at : "-", r->public_key ? r->public_key : "-");
	return CLI_DONE;
}

int ud_cli_verify(struct cli *c)
{
	struct ud_evidence_report r;
	struct ud_buf text = { 0 };
	const char *key = ud_cli_flag(c, "key");

	if (c->word_count != 2)
		return ud_cli_fail(CLI_USAGE, "understudy verify FILE [--key HEX]");
	int code = ud_cli_check_flags(c);

	if (code)
		return code;
	if (!read_file(c->words[1], &text)) {
		ud_buf_free(&text);
		return ud_cli_fail(CLI_NOT_FOUND, "%s cannot be read", c->words[1]);
	}
	ud_evidence_verify(&c->cx, text.data ? text.data : "", text.len, &key, key ? 1 : 0, &r);
	code = tell(c, &r, c->words[1]);
	ud_buf_free(&text);
	if (code == CLI_DONE && !key && !c->quiet)
		fputs("Compare the key with that of the installation"
		      " (understudy evidence signing-keys), or give it with --key.\n",
			stderr);
	return code;
}
