/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statement.key: 64 hexadecimal digits and the end of the line.
 */
#include "agent/statement_key.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"

enum { HEX = 2 * UD_SIGN_KEY, FILE_MAX = 256 };

static const char *path_of(struct ud_ctx *cx, const struct ud_agent_config *config)
{
	return ud_agent_path(cx, config, "statement.key");
}

enum ud_code ud_statement_key_make(struct ud_ctx *cx, const struct ud_agent_config *config)
{
	unsigned char key[UD_SIGN_KEY];

	ud_sign_key(cx->env, key);
	char *hex = ud_hex(cx->arena, key, sizeof(key));
	char *text = ud_printf(cx->arena, "%s\n", hex);
	enum ud_code code = ud_file_write(cx, path_of(cx, config), text, strlen(text), 0600);

	ud_wipe(key, sizeof(key));
	ud_wipe(hex, strlen(hex));
	ud_wipe(text, strlen(text));
	return code;
}

static enum ud_code load(
	struct ud_ctx *cx, const struct ud_agent_config *config, unsigned char ret[UD_SIGN_KEY])
{
	const char *text = NULL;
	size_t n = 0;

	UD_TRY(ud_file_read(cx, path_of(cx, config), FILE_MAX, &text, &n));
	if (strspn(text, "0123456789abcdef") != HEX || strcmp(text + HEX, "\n") != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s holds no key", path_of(cx, config));
	for (size_t i = 0; i < UD_SIGN_KEY; i++) {
		unsigned v = 0;

		(void)sscanf(text + 2 * i, "%2x", &v);
		ret[i] = (unsigned char)v;
	}
	return UD_OK;
}

bool ud_statement_key(
	struct ud_ctx *cx, const struct ud_agent_config *config, unsigned char ret[UD_SIGN_KEY])
{
	if (load(cx, config, ret) == UD_OK)
		return true;
	ud_log(UD_LOG_INFO, "statement_key_made", "reason", cx->problem.detail, NULL);
	ud_ctx_clear(cx);
	enum ud_code code = ud_statement_key_make(cx, config);

	if (code == UD_OK)
		code = load(cx, config, ret);
	if (code == UD_OK)
		return true;
	ud_log(UD_LOG_WARNING, "answers_not_signed", "reason", cx->problem.detail, NULL);
	ud_ctx_clear(cx);
	return false;
}
