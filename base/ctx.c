/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording failures in the context. The answer is made elsewhere, once (server/http/respond.c).
 */
#include "base/ctx.h"

#include <string.h>

void ud_ctx_clear(struct ud_ctx *cx)
{
	memset(&cx->problem, 0, sizeof(cx->problem));
}

static void add_field(struct ud_problem *p, const char *field, const char *rule, const char *detail)
{
	if (p->field_count < UD_MAX_PROBLEMS)
		p->fields[p->field_count++] = (struct ud_field_problem){ field, rule, detail };
}

enum ud_code ud_fail(
	struct ud_ctx *cx, enum ud_code code, const char *field, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	const char *detail = ud_vprintf(cx->arena, format, ap);

	va_end(ap);
	cx->problem.code = code;
	cx->problem.detail = detail;
	if (field)
		add_field(&cx->problem, ud_strdup(cx->arena, field), ud_error_info(code)->name,
			detail);
	return code;
}

enum ud_code ud_fail_field(
	struct ud_ctx *cx, const char *field, const char *rule, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	const char *detail = ud_vprintf(cx->arena, format, ap);

	va_end(ap);
	if (cx->problem.code == UD_OK) {
		cx->problem.code = UD_E_VALIDATION;
		cx->problem.detail = detail;
	}
	add_field(&cx->problem, ud_strdup(cx->arena, field), rule, detail);
	return UD_E_VALIDATION;
}
